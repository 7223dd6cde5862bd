"""One file is one idea: at most 250 lines a file, at most 60 lines a function."""

import ast

import pytest

from course_lib.devtools.environment import ROOT

MAX_FILE_LINES = 250
MAX_FUNCTION_LINES = 60
FILES = sorted((ROOT / "course_lib").rglob("*.py")) + sorted((ROOT / "data_scripts").rglob("*.py"))


def long_functions(source: str) -> list[str]:
    """Returns `name: lines` for every function longer than the limit, its docstring included."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, functions)]
    sizes = [(node.name, node.end_lineno - node.lineno + 1) for node in nodes]
    return [f"{name}: {size} lines" for name, size in sizes if size > MAX_FUNCTION_LINES]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_and_function_sizes(path):
    source = path.read_text(encoding="utf-8")
    lines = len(source.splitlines())
    assert lines <= MAX_FILE_LINES, f"{path.name} has {lines} lines: split it by idea"
    assert long_functions(source) == []


def test_the_measure_sees_a_long_function():
    body = "\n".join(["    x = 1"] * MAX_FUNCTION_LINES)
    assert long_functions(f"def f():\n{body}\n") == [f"f: {MAX_FUNCTION_LINES + 1} lines"]
    assert long_functions(f"def f():\n{body[:-10]}\n") == []
