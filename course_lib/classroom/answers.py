"""Finds, in the code cells of a submission, what a learner hands to `exercise(…, "03.itg_mask")`.

The call itself is never run: only its first argument counts, so a learner may rename a function,
and whatever a cell prints is worth nothing.
"""

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass

from course_lib.classroom.slicing import UNREADABLE, Statement, leaned_on, parsed, read, statements


@dataclass(frozen=True)
class Cell:
    """A code cell of a submission.

    Args:
        source: its text.
        names: ids of exercises that its tags and its nbgrader id name.
    """

    source: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """Where an answer stands, and what runs to get it.

    Args:
        before: statements to run, those of other cells and the cell's own.
        value: the expression that is judged.
        others: name that is assigned → exercise whose reference it then is, above this cell.
    """

    before: tuple[Statement, ...]
    value: ast.expr
    others: tuple[tuple[str, str], ...] = ()


class NoAnswer(Exception):
    """There is nothing to judge; the message says why, in a sentence for the learner."""


def call_of(node: ast.AST) -> tuple[str, ast.expr] | None:
    """Returns id and first argument of a call `exercise(answer, "03.itg_mask")`."""
    if not isinstance(node, ast.Call) or getattr(node.func, "id", "") != "exercise":
        return None
    words = {word.arg: word.value for word in node.keywords}
    first = node.args[0] if node.args else words.get("answer")
    name = node.args[1] if len(node.args) > 1 else words.get("name")
    if first is None or not isinstance(name, ast.Constant) or not isinstance(name.value, str):
        return None
    return name.value, first


def find_answer(cells: Sequence[Cell], name: str, wanted: str) -> Answer:
    """Finds an answer.

    Args:
        cells: the code cells of a submission, from top to bottom.
        name: id of the exercise.
        wanted: the name that the stub had, for a cell that has lost its last line.

    Raises:
        NoAnswer: when no cell holds the exercise, or its cell is no Python.
    """
    number = _cell_of(cells, name)
    try:
        body = parsed(cells[number].source)
    except UNREADABLE as error:
        line = f" (line {error.lineno} of the cell)" if getattr(error, "lineno", None) else ""
        raise NoAnswer(
            f"its cell is no valid Python: {getattr(error, 'msg', error)}{line}"
        ) from None
    last, value = _handed_over(body, name, wanted)
    others = _handed_on(cells[:number])
    all_of_it = statements([cell.source for cell in cells[:number]])
    all_of_it = [one for one in all_of_it if not one.gives & set(others) or not _calls(one.node)]
    own = [one for one in map(read, body[:last]) if "get_ipython" not in one.needs]
    all_of_it, end = [*all_of_it, *own], len(all_of_it) + len(own)
    needed = set(read(ast.Expr(value)).needs).union(*(one.needs for one in own))
    before = leaned_on(all_of_it, end, needed, given=others)
    mine = {id(one) for one in own}
    kept = [one for one in before if id(one) not in mine] + own
    used = set().union(needed, *(one.needs for one in before))
    return Answer(tuple(kept), value, tuple((k, v) for k, v in others.items() if k in used))


def _cell_of(cells: Sequence[Cell], name: str) -> int:
    calls = [i for i, cell in enumerate(cells) if _holds_call(cell.source, name)]
    # A cell that is no Python holds no call: it is known by its tag or by the look of its text.
    text = re.compile(rf"""exercise\(.*["']{re.escape(name)}["']""")
    marked = [i for i, c in enumerate(cells) if name in c.names or text.search(c.source)]
    if not calls and not marked:
        raise NoAnswer("no cell holds this exercise: its cell was deleted or its last line changed")
    return (calls or marked)[-1]


def _holds_call(source: str, name: str) -> bool:
    if name not in source:
        return False
    try:
        tree = ast.Module(parsed(source), [])
    except UNREADABLE:
        return False
    found = (call_of(node) for node in ast.walk(tree))
    return any(call is not None and call[0] == name for call in found)


def _handed_over(body: list[ast.stmt], name: str, wanted: str) -> tuple[int, ast.expr]:
    """Returns how many statements stand above the call, and what it gets."""
    for index in reversed(range(len(body))):
        for node in ast.walk(body[index]):
            call = call_of(node)
            if call is not None and call[0] == name:
                return index, call[1]
    return len(body), ast.parse(wanted, mode="eval").body


def _calls(node: ast.stmt) -> bool:
    return any(call_of(inner) is not None for inner in ast.walk(node))


def _handed_on(cells: Sequence[Cell]) -> dict[str, str]:
    """Returns name → exercise for every `name = exercise(…)` of the cells above."""
    found = {}
    for one in statements([cell.source for cell in cells]):
        value = getattr(one.node, "value", None)
        call = call_of(value) if isinstance(one.node, ast.Assign) and value is not None else None
        if call is not None:
            found |= dict.fromkeys(one.gives, call[0])
    return found
