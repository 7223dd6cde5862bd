"""Shows the library's own code in a notebook, so that text and code cannot drift apart.

show_source(make_mask)
show_source(QFormerLayer.forward, fold=True)
"""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from types import ModuleType
from typing import Any

LINE = 100  # characters, as in the library's own files
_QUOTES = '"""'
_DOCUMENTED = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class Source:
    """Code of a function or class: a code block in a notebook, plain text anywhere else.

    Args:
        name: dotted name of what it is, for its first line.
        code: its lines, the first one without indentation.
    """

    def __init__(self, name: str, code: str) -> None:
        self.name, self.code = name, code

    def __repr__(self) -> str:
        return f"# {self.name}\n{self.code}"

    def _repr_markdown_(self) -> str:
        fence = "```"
        while fence in self.code:
            fence += "`"
        return f"{fence}python\n{self!r}\n{fence}"


def show_source(obj: Any, fold: bool = False) -> Source:
    """Finds the Python code of a function, method, property or class; let a cell end with it.

    Args:
        obj: the function or class itself, not its result.
        fold: True shortens each docstring to one line.

    Returns:
        What a notebook shows as a code block and `print` as text.

    Raises:
        ValueError: for what has no Python source of its own.
    """
    obj = _unwrapped(obj)
    try:
        code = textwrap.dedent(inspect.getsource(obj)).strip("\n")
    except (TypeError, OSError):
        raise ValueError(_no_source(obj)) from None
    return Source(f"{obj.__module__}.{obj.__qualname__}", _folded(code) if fold else code)


def _unwrapped(obj: Any) -> Any:
    """Looks through what stands around a function; refuses what is neither function nor class."""
    if isinstance(obj, property):
        obj = obj.fget
    if isinstance(obj, functools.partial):
        obj = obj.func
    if isinstance(obj, ModuleType):
        raise ValueError(
            f"{obj.__name__} is a whole module: name one function or class of it, or open its file."
        )
    if not callable(obj) or not hasattr(obj, "__qualname__"):
        kind = type(obj).__name__
        raise ValueError(
            f"This is a value of the class {kind}, which has no source: show its class with "
            "show_source(type(...)), or a function."
        )
    return inspect.unwrap(obj)


def _no_source(obj: Any) -> str:
    name = getattr(obj, "__qualname__", repr(obj))
    if getattr(obj, "__module__", None) == "__main__":
        return f"{name} was defined in this notebook: look for it in the cells above."
    return f"{name} has no Python source (it is compiled): read its documentation with help()."


def _folded(code: str) -> str:
    """Shortens each docstring to the beginning that fits one line; all else stays as it is."""
    try:
        tree = ast.parse(code)
    except SyntaxError:  # a part of a statement, such as a lambda
        return code
    lines = code.split("\n")
    documented = [node for node in ast.walk(tree) if isinstance(node, _DOCUMENTED)]
    docs = [node.body[0].value for node in documented if ast.get_docstring(node) is not None]
    # From the last to the first, so that line numbers stay true.
    for doc in sorted(docs, key=lambda doc: -doc.lineno):
        head = lines[doc.lineno - 1]
        if doc.lineno == doc.end_lineno or _QUOTES not in head:
            continue
        opening = head[: head.index(_QUOTES) + len(_QUOTES)]
        behind = lines[doc.end_lineno - 1].encode()[doc.end_col_offset :].decode()
        paragraph = inspect.cleandoc(doc.value).split("\n\n")[0]
        short = textwrap.shorten(paragraph, LINE - len(opening) - len(_QUOTES), placeholder=" …")
        lines[doc.lineno - 1 : doc.end_lineno] = [f"{opening}{short}{_QUOTES}{behind}"]
    return "\n".join(lines)
