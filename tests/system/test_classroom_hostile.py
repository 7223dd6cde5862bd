"""Submissions that misbehave: each gets its mark, the machine and the others feel nothing."""

import csv
import json
import os
import time

import pytest

from course_lib.classroom import grading
from course_lib.classroom.answers import Cell
from course_lib.classroom.jail import Limits, left, server
from course_lib.classroom.marking import MISSING, claimed, mark
from course_lib.classroom.plain import pack
from course_lib.classroom.submissions import find_submissions, read_cells
from course_lib.teach.judging import OPEN, RIGHT, WRONG
from tests.classroom_cells import WITH_EXERCISES, solved_cells

NAME, WORD = "03.itg_mask", "a word of the tests"
NOTEBOOK = next(path for path in WITH_EXERCISES if path.name.startswith("03_"))
SHORT = Limits(seconds=1.5, patience=200, memory=2**29)
RIGHT_BODY = """
    total = num_queries + num_text
    allowed = torch.ones(total, total).tril().bool()
    allowed[:num_queries, :num_queries] = True
    return allowed
"""
RIGHT_CELL = f"def itg_mask(num_queries, num_text):{RIGHT_BODY}"
CALL = f'itg_mask = exercise(itg_mask, "{NAME}")'


def graded(*sources, limits=SHORT, name=NAME):
    cells = [
        Cell("import torch\nfrom course_lib.teach.exercise import exercise"),
        *map(Cell, sources),
    ]
    return mark(cells, name, WORD, limits)


def body(*lines):
    return "def itg_mask(num_queries, num_text):\n" + "\n".join(f"    {line}" for line in lines)


def the_others_are_well():
    found = graded(RIGHT_CELL + CALL)
    assert (found.state, found.points) == (RIGHT, 2), found


LOOPS = {
    "above the answer": f"while True:\n    pass\n{RIGHT_CELL}{CALL}",
    "one that catches everything": body(
        "while True:", "    try:", "        while True: pass", "    except BaseException: pass"
    ),
    "one in compiled code": body("return sum(iter(int, 1))"),
}


@pytest.mark.parametrize("source", LOOPS.values(), ids=LOOPS)
def test_a_loop_without_end_is_ended(source):
    started = time.monotonic()
    found = graded(source if CALL in source else f"{source}\n{CALL}")
    assert found.points == 0 and "loop never end" in found.says
    assert time.monotonic() - started < 120
    the_others_are_well()


def test_one_that_waits_is_ended_too():
    found = graded(f"import time\ntime.sleep(10**6)\n{CALL}", limits=Limits(60, 3, 2**29))
    assert found.points == 0 and "it waits for something" in found.says


EATERS = {
    "at once": body("return torch.ones(2**36)"),
    "by and by": body("rows = []", "while True:", "    rows.append(bytearray(2**26))"),
    "in its cell": f"rows = [bytearray(2**24) for _ in range(10**6)]\n{RIGHT_CELL}",
}


@pytest.mark.parametrize("source", EATERS.values(), ids=EATERS)
def test_memory_is_limited(source):
    found = graded(f"{source}\n{CALL}")
    assert found.points == 0
    assert "memory" in found.says.lower()
    the_others_are_well()


DEATHS = {
    "exit": body("import os", "os._exit(0)"),
    "a crash": body("import faulthandler", "faulthandler._sigsegv()"),
    "a signal": f"import signal\nsignal.raise_signal(9)\n{RIGHT_CELL}",
}


@pytest.mark.parametrize("source", DEATHS.values(), ids=DEATHS)
def test_a_dead_process_is_noticed(source):
    found = graded(f"{source}\n{CALL}")
    assert (found.state, found.points) == (MISSING, 0)
    assert "the kernel would have died" in found.says
    the_others_are_well()


ENDS = {
    "sys.exit": body("import sys", "sys.exit(0)"),
    "an interrupt": body("raise KeyboardInterrupt"),
    "in its cell": f"raise SystemExit\n{RIGHT_CELL}",
}


@pytest.mark.parametrize("source", ENDS.values(), ids=ENDS)
def test_an_exit_is_no_pass(source):
    found = graded(f"{source}\n{CALL}")
    assert found.points == 0 and "raises" in found.says


CHEATS = {
    "takes the reference": body(
        "from course_lib.teach.exercises.e03_itg_mask import reference",
        "return reference(num_queries, num_text)",
    ),
    "takes the solution": body(
        "import course_lib.teach.exercises.e03_itg_mask as e",
        "return e.itg_mask(num_queries, num_text)",
    ),
    "asks for the exercise": body(
        "from course_lib.teach.task import find_exercise",
        f'return find_exercise("{NAME}").reference(num_queries, num_text)',
    ),
    "took it before": "from course_lib.teach.task import find_exercise\n"
    f'itg_mask = find_exercise("{NAME}").solution',
    "hands in what exercise() hands on": body("return ...")
    + f'\nitg_mask = exercise(itg_mask, "{NAME}")',
    "corrects a known mistake": body(
        "from course_lib.teach.exercises import e03_itg_mask as e",
        "return ~e._inverted(num_queries, num_text)",
    ),
    "reads the file": body(
        "from course_lib.teach import task",
        "space = {}",
        "exec((task.EXERCISES / 'e03_itg_mask.py').read_text(), space)",
        "return space['reference'](num_queries, num_text)",
    ),
    "reads the notebook": body(
        "import course_lib, pathlib",
        "root = pathlib.Path(course_lib.__file__).parents[1]",
        "return (root / 'notebooks' / '03_blip2_stage1.ipynb').read_text()",
    ),
    "imports the file anew": body(
        "import importlib, sys",
        "del sys.modules['course_lib.teach.exercises.e03_itg_mask']",
        "e = importlib.import_module('course_lib.teach.exercises.e03_itg_mask')",
        "return e.reference(num_queries, num_text)",
    ),
    "finds it in memory": body(
        "import gc",
        "found = [o for o in gc.get_objects() if getattr(o, '__name__', '') == 'reference']",
        "return found[0](num_queries, num_text)",
    ),
    "walks the stack": body(
        "import sys",
        "frame = sys._getframe()",
        "while 'exercise' not in frame.f_locals: frame = frame.f_back",
        "return ~frame.f_locals['exercise'].mistakes[0].answer(num_queries, num_text)",
    ),
    "is equal to everything": "class Same:\n    def __eq__(self, other): return True\n"
    "    shape = property(lambda self: self)\n" + body("return Same()"),
    "makes every comparison true": "import course_lib.teach.judging as j\n"
    "j.difference = lambda *a, **k: 0.0\nj.weigh = j.judge = lambda *a: j.Verdict('right')\n"
    "import course_lib.teach.comparing as c\nc.difference = lambda *a, **k: 0.0\n"
    + body("return torch.zeros(1)"),
    "prints a pass": body("print('✓ 03.itg_mask: right')", "return torch.zeros(1)")
    + f"\nprint('✓ {NAME}: right (largest difference 0.0e+00)')",
    "brings its own exercise()": "def exercise(answer, name):\n    print('✓', name)\n"
    + body("return torch.zeros(1)"),
    "writes the result itself": body(
        "import pathlib", "pathlib.Path('outcomes').write_bytes(b'x' * 9)", "return ..."
    ),
}


@pytest.mark.parametrize("source", CHEATS.values(), ids=CHEATS)
def test_a_trick_is_worth_nothing(source):
    found = graded(source if source.endswith(CALL) else f"{source}\n{CALL}")
    assert found.points == 0 and found.state in (WRONG, OPEN, MISSING), found


HARM = {
    "ends its parent": body("import os, signal", "os.kill(os.getppid(), signal.SIGKILL)"),
    "starts a program": body("import subprocess", "subprocess.run(['true'])"),
    "forks": body("import os", "os.fork()"),
    "calls out": body("import socket", "socket.create_connection(('127.0.0.1', 9))"),
}


@pytest.mark.parametrize("lines", HARM.values(), ids=HARM)
def test_harm_is_refused(lines):
    kept = server().process.pid if server().process else None
    found = graded(f"{lines}\n{CALL}")
    assert found.points == 0 and "no answer may" in found.says, found
    assert kept in (None, server().process.pid)


def test_nothing_is_written_outside_of_its_own_folder(tmp_path):
    victim = tmp_path / "grades.csv"
    victim.write_text("kept")
    for lines in (
        [f"open({str(victim)!r}, 'w').write('mine')"],
        ["import os", f"os.remove({str(victim)!r})"],
        ["import shutil", f"shutil.rmtree({str(tmp_path)!r})"],
    ):
        assert graded(f"{body(*lines)}\n{CALL}").points == 0
        assert victim.read_text() == "kept"
    allowed = body("import tempfile", "with tempfile.TemporaryDirectory() as folder:", "    pass")
    assert graded(f"{allowed}{RIGHT_BODY}{CALL}").state == RIGHT


def test_a_server_that_was_ended_starts_again():
    the_others_are_well()
    server().process.kill()
    server().process.wait()
    the_others_are_well()


def test_a_renamed_function_a_helper_and_a_magic_cost_nothing():
    renamed = RIGHT_CELL.replace("itg_mask", "my_own_mask")
    found = graded("%time 1", "TABLE = {}", "TABLE['total'] = 1", f"{renamed}\nTABLE['total']")
    assert found.state == MISSING and "no cell holds this exercise" in found.says
    call = f'my_own_mask = exercise(my_own_mask, "{NAME}")'
    assert graded("%matplotlib inline", f"!ls\n{renamed}{call}").state == RIGHT
    helped = body("return shape(num_queries, num_text)")
    helper = RIGHT_CELL.replace("itg_mask", "shape")
    assert graded(helper, f"{helped}\n{CALL}").state == RIGHT
    assert (
        graded(f"{renamed}{CALL}").says
        == "its cell raises NameError: name 'itg_mask' is not defined"
    )


def test_a_fault_in_another_cell_costs_nothing():
    assert graded("1 / 0", "def broken(:", "raise SystemExit", f"{RIGHT_CELL}{CALL}").state == RIGHT


def test_cells_that_are_missing_or_no_python():
    assert "no cell holds this exercise" in graded("x = 1").says
    assert "no valid Python" in graded(f"def itg_mask(:\n{CALL}").says
    assert graded(f"{'(' * 5000}{CALL}").points == 0
    deep = f"x = {'-' * 50000}1\n{CALL}"
    assert graded(deep).points == 0
    the_others_are_well()


def test_the_last_call_counts_as_in_a_notebook():
    wrong = body("return torch.zeros(1)")
    assert graded(f"{wrong}\n{CALL}", f"{RIGHT_CELL}{CALL}").state == RIGHT
    assert graded(f"{RIGHT_CELL}{CALL}", f"{wrong}\n{CALL}").state == WRONG


def test_a_failed_hidden_case_gives_nothing_away():
    table = body(
        "if (num_queries, num_text) not in ((1, 2), (3, 4)):", "    return torch.zeros(3, 3).bool()"
    )
    found = graded(f"{table}{RIGHT_BODY}{CALL}")
    assert found.points == 0 and found.state == WRONG
    assert found.says == (
        "right on the inputs of the notebook's check, wrong on other inputs than the notebook's"
    )


FILES = {
    "no JSON": b"{",
    "no notebook": b"[1, 2]",
    "no cells": b'{"cells": 7}',
    "strange cells": b'{"cells": [1, {"cell_type": "code", "source": 5, "metadata": []}]}',
    "deep": b"[" * 100_000,
    "binary": os.urandom(1000),
    "empty": b"",
}


def test_a_folder_of_submissions(tmp_path, capsys):
    folder, out = tmp_path / "in", tmp_path / "out"
    cells = [{"cell_type": "code", "source": c.source, "metadata": {}} for c in solved_cells(ZERO)]
    good = json.dumps({"cells": cells, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}).encode()
    files = {"ann <b>": good, "=cmd|x": good.replace(b"+ 1 +", b"+ 2 +"), **FILES}
    for student, data in files.items():
        path = folder / student / "a week" / ZERO.name
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
    (folder / "ann <b>" / "99_other.ipynb").write_bytes(good)
    (folder / "nobody.ipynb").write_bytes(good)
    (folder / "ann <b>" / ".ipynb_checkpoints").mkdir()
    (folder / "ann <b>" / ".ipynb_checkpoints" / ZERO.name).write_bytes(b"{")
    graded_ones = grading.grade_folder(folder, out, WORD, SHORT)
    assert {g.submission.student: g.points for g in graded_ones if g.points} == {"ann <b>": 1}
    assert len(graded_ones) == len(files)
    said = capsys.readouterr().out
    assert "no notebook has this name" in said and "it is in no student's folder" in said
    with (out / grading.GRADES).open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["student"] for row in rows} == {"'=cmd|x", "ann <b>", *FILES}
    pages = sorted(path.name for path in (out / "feedback").iterdir())
    assert len(pages) == len(files) and "ann__b_.html" in pages
    page = (out / "feedback" / "ann__b_.html").read_text(encoding="utf-8")
    assert "ann &lt;b&gt;" in page and "<b>" not in page and "1 of 1 points" in page


ZERO = next(path for path in WITH_EXERCISES if path.name.startswith("00_"))


def test_folders_that_cannot_be_graded(tmp_path):
    with pytest.raises(ValueError, match="is no folder"):
        find_submissions(tmp_path / "none", [])
    with pytest.raises(ValueError, match="nothing was handed in"):
        find_submissions(tmp_path, [])


def test_old_and_odd_notebooks_are_read(tmp_path):
    path = tmp_path / "old.ipynb"
    cell = {"cell_type": "code", "input": ["a = 1\n", "b = 2"], "metadata": {}}
    path.write_text(json.dumps({"worksheets": [{"cells": [cell]}], "nbformat": 3}))
    assert [c.source for c in read_cells(path)] == ["a = 1\nb = 2"]
    about = {"nbgrader": {"grade_id": "answer_03_itg_mask"}, "tags": "exercise:03.itg_mask"}
    cell = {"cell_type": "code", "source": RIGHT_CELL, "metadata": about}
    first = {"cell_type": "code", "source": "import torch"}
    path.write_text(json.dumps({"cells": [first, cell]}))
    assert mark(read_cells(path), NAME, WORD, SHORT).state == RIGHT


def test_what_is_left_may_be_anything(tmp_path):
    pipe, link, junk = (tmp_path / name for name in ("pipe", "link", "junk"))
    os.mkfifo(pipe)
    link.symlink_to("/dev/zero")
    junk.write_bytes(b"junk")
    for path in (pipe, link, junk, tmp_path / "none"):
        assert "the kernel would have died" in left(path, 0)["none"]
    for claims in ({"cases": [{"output": 1}, 5]}, {"cases": "many"}, {"none": 3}, 7):
        junk.write_bytes(pack(claims))
        found = left(junk, 0)
        assert isinstance(found, dict)
    assert [claimed(claim).fault is None for claim in ({"output": 1}, 5, {"fault": 3})] == [
        True,
        False,
        False,
    ]
