"""What a cell leans on is found, and no more; outputs travel as data."""

import ast

import numpy as np
import pytest
import torch

from course_lib.classroom.answers import Cell, NoAnswer, find_answer
from course_lib.classroom.flags import flags_of
from course_lib.classroom.plain import pack, unpack
from course_lib.classroom.slicing import leaned_on, source_of, statements
from course_lib.teach.task import find_exercise

NOTEBOOK = [
    "import math\nimport torch\nfrom torch import nn",
    "%matplotlib inline\nmodel = nn.Linear(2, 2)\nlosses = []",
    "for step in range(10**6):\n    losses.append(step)",
    "half = 2\ntable = {}\ntable['a'] = half\nhalf = 3",
    "def late():\n    return early() + table['a']",
    "def early():\n    return math.pi",
    "from os.path import *",
]


def leaned(name, cells=NOTEBOOK):
    found = statements(cells)
    return source_of(leaned_on(found, len(found), {name})).splitlines()


def test_only_what_is_needed_is_taken():
    assert leaned("torch") == ["import torch"]
    assert leaned("model") == ["from torch import nn", "model = nn.Linear(2, 2)"]
    assert "losses.append" in "".join(leaned("losses"))
    assert leaned("half") == ["half = 3"]
    assert leaned("table")[:3] == ["half = 2", "table = {}", "table['a'] = half"]
    assert leaned("len") == []
    assert leaned("join") == ["from os.path import *"]


def test_a_function_may_call_what_stands_below_it():
    lines = leaned("late")
    assert "import math" in lines and "def early():" in lines and "table = {}" in lines


def test_local_names_are_not_taken_for_global_ones():
    cells = ["losses = slow()", "def f(x):\n    losses = x\n    return [y for y in losses]"]
    assert leaned("f", cells) == ["def f(x):", "    losses = x", "    return [y for y in losses]"]


def test_the_reference_of_another_exercise_is_given_not_run():
    cells = [
        Cell("def other(): return ...\nother = exercise(other, '03.itg_mask')", ("03.itg_mask",)),
        Cell("def own(): return other()\nown = exercise(own, '03.one_layer')", ("03.one_layer",)),
    ]
    answer = find_answer(cells, "03.one_layer", "own")
    assert answer.others == (("other", "03.itg_mask"),)
    assert [one.node.name for one in answer.before] == ["own"]


def test_named_arguments_and_a_lost_last_line():
    cell = Cell("def mine(): ...\nx = exercise(name='03.itg_mask', answer=mine)")
    assert ast.unparse(find_answer([cell], "03.itg_mask", "itg_mask").value) == "mine"
    lost = Cell("def itg_mask(): ...", ("03.itg_mask",))
    assert ast.unparse(find_answer([lost], "03.itg_mask", "itg_mask").value) == "itg_mask"
    with pytest.raises(NoAnswer, match="no cell holds"):
        find_answer([Cell("def itg_mask(): ...")], "03.itg_mask", "itg_mask")


@pytest.mark.parametrize(
    "value",
    [
        1,
        True,
        None,
        "text",
        float("inf"),
        ...,
        [1, (2, "x"), {"a": [..., 1.5]}],
        {1: "one", (2, 3): None},
        {},
    ],
)
def test_plain_values_come_back(value):
    found = unpack(pack(value))
    assert found == value and type(found) is type(value)


def test_tensors_come_back():
    shared = torch.randn(3, 4)
    value = [shared, shared.T, torch.tensor(True), torch.zeros(0, 2).half(), shared[0, 0]]
    for mine, theirs in zip(unpack(pack(value)), value, strict=True):
        assert mine.equal(theirs) and mine.dtype == theirs.dtype and mine.shape == theirs.shape
    assert unpack(pack(np.float32(2))) == 2.0
    assert unpack(pack(np.arange(3))).tolist() == [0, 1, 2]
    assert torch.isnan(unpack(pack(torch.tensor(float("nan")))))


def test_what_is_no_data_does_not_get_through():
    class Same(str):
        def __eq__(self, other):
            return True

    assert type(unpack(pack(Same("a")))) is str
    for strange in (object(), len, {1, 2}, torch.zeros(2, device="meta"), 1j):
        with pytest.raises(ValueError, match="which is no plain value"):
            pack(strange)
    with pytest.raises(ValueError, match="MB"):
        pack(torch.zeros(2**25, dtype=torch.uint8))
    nested = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(ValueError, match="nested too deeply"):
        pack(nested)
    for junk in (b"", b"junk", b"\xff" * 40, pack(1)[:-1], pack(torch.zeros(3))[:-2]):
        with pytest.raises(ValueError, match="hold no output"):
            unpack(junk)


def test_flags_name_what_a_person_may_look_at():
    name = "03.itg_mask"
    own = Cell("from course_lib.teach.task import find_exercise", (name,))
    assert flags_of([own], name) == ("reads the course's own answers or checks",)
    assert flags_of([Cell("import socket", (name,))], name) == ("reaches out of the notebook",)
    import inspect

    copied = inspect.getsource(find_exercise(name).solution)
    assert flags_of([Cell(copied, (name,))], name) == ("is word for word the course's solution",)
    assert flags_of([Cell("def itg_mask(q, t):\n    return q", (name,))], name) == ()
