"""show_source gives the very lines of the library, and a sentence for what has none."""

import functools
import inspect
import math

import pytest
import torch
from IPython.core.formatters import DisplayFormatter

from course_lib.teach.gaze import gaze_of
from course_lib.teach.show_source import Source, show_source
from course_lib.vlm import VLM, evaluating
from course_lib.vpg import QFormer, make_mask
from course_lib.vpg.attention import MultiHeadAttention


def test_the_code_is_that_of_the_file():
    shown = show_source(make_mask)
    assert (
        repr(shown) == f"# course_lib.vpg.masks.make_mask\n{inspect.getsource(make_mask)}".strip()
    )
    assert str(shown) == repr(shown)


def test_a_method_loses_its_indentation_and_nothing_else():
    code = show_source(QFormer.encode_image).code
    original = inspect.getsource(QFormer.encode_image)
    assert [line.strip() for line in code.splitlines()] == [
        line.strip() for line in original.strip().splitlines()
    ]
    assert code.startswith("def encode_image(self")
    compile(code, "shown", "exec")


@pytest.mark.parametrize("obj", [make_mask, QFormer, MultiHeadAttention, VLM.generate])
def test_folding_touches_docstrings_alone(obj):
    import ast

    def without_docstrings(code):
        tree = ast.parse(code)
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
                node.body = node.body[1:]
        return ast.dump(tree)

    full, folded = show_source(obj).code, show_source(obj, fold=True).code
    assert without_docstrings(full) == without_docstrings(folded)
    assert folded.count("\n") < full.count("\n")
    assert folded.count('"""') == full.count('"""')
    assert max(map(len, folded.splitlines())) <= 100
    assert "Args:" in full and "Args:" not in folded


def test_the_beginning_of_a_docstring_stays():
    shown = show_source(make_mask, fold=True).code.splitlines()[1]
    assert shown.startswith('    """Builds one of the three self-attention masks')
    assert shown.endswith('"""')


def test_what_a_notebook_stores():
    data, _ = DisplayFormatter().format(show_source(make_mask, fold=True))
    assert set(data) == {"text/plain", "text/markdown"}
    lines = data["text/markdown"].splitlines()
    assert lines[0] == "```python" and lines[-1] == "```"
    assert "\n".join(lines[1:-1]) == data["text/plain"]
    assert "/" not in data["text/plain"].splitlines()[0]


def test_a_fence_inside_the_code_does_not_end_the_block():
    text = Source("x", 'def f():\n    return "```"')._repr_markdown_()
    assert text.startswith("````python\n") and text.endswith("\n````")


def test_what_stands_around_a_function_is_looked_through():
    assert show_source(functools.partial(make_mask, "itm")).code == show_source(make_mask).code
    assert show_source(evaluating).code.startswith("@contextmanager\ndef evaluating")
    assert show_source(gaze_of).code.startswith("@torch.no_grad()\ndef gaze_of")

    class Sized:
        @property
        def size(self):
            return 3

    assert show_source(Sized.size).code == "@property\ndef size(self):\n    return 3"


@pytest.mark.parametrize(
    ("obj", "words"),
    [
        (len, "len has no Python source .it is compiled"),
        (torch.add, "no Python source"),
        (torch.nn.functional.scaled_dot_product_attention, "no Python source"),
        (int, "int has no Python source"),
        (math, "math is a whole module"),
        (3, "value of the class int"),
        ("make_mask", "value of the class str"),
        (None, "value of the class NoneType"),
        (torch.nn.Linear(1, 1), "value of the class Linear"),
        (property(), "value of the class NoneType"),
    ],
)
def test_what_has_no_source(obj, words):
    with pytest.raises(ValueError, match=words):
        show_source(obj)


def test_what_was_made_in_a_notebook_is_named_so():
    scope = {"__name__": "__main__"}
    exec("class Mine:\n    pass", scope)
    with pytest.raises(ValueError, match="Mine was defined in this notebook"):
        show_source(scope["Mine"])
