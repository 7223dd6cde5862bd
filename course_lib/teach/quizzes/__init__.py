"""The questions of the quizzes, one file a notebook, and the loader that refuses a faulty one.

`q03.json` holds {"questions": […]} for notebook 03, each {objective, question, options}, each
option {text, right, reason}. Progress is kept by a question's number: a new one goes to the end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course_lib.errors import unknown_name_error

QUIZZES = Path(__file__).parent
FEWEST, MOST = 3, 4


@dataclass(frozen=True)
class Option:
    """One answer to choose.

    Args:
        text: the answer.
        right: whether it is the right one.
        reason: why it is right, or what is wrong with it.
    """

    text: str
    right: bool
    reason: str


@dataclass(frozen=True)
class Question:
    """A question with one right option.

    Args:
        objective: id in the notebook's table of objectives, such as "03.4".
        question: its words.
        options: three or four.
    """

    objective: str
    question: str
    options: tuple[Option, ...]


def quiz_names(folder: Path = QUIZZES) -> list[str]:
    """Returns the notebooks that have a quiz, such as "03"."""
    return sorted(path.stem.removeprefix("q") for path in folder.glob("q[0-9]*.json"))


def load_quiz(notebook: str, folder: Path = QUIZZES) -> tuple[Question, ...]:
    """Reads the quiz of a notebook.

    Args:
        notebook: its number, such as "03".
        folder: where the quizzes lie.

    Returns:
        Its questions in order.

    Raises:
        ValueError: for a notebook without a quiz, or a file with a fault: which question has it.
    """
    if notebook not in quiz_names(folder):
        raise unknown_name_error("quiz", notebook, quiz_names(folder))
    path = folder / f"q{notebook}.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # bad JSON and bad UTF-8
        raise ValueError(f"{path.name} is no JSON: {error}.") from None
    rows = found.get("questions") if isinstance(found, dict) else None
    if not isinstance(rows, list) or not rows:
        raise ValueError(
            f'{path.name} has to hold {{"questions": […]}} with at least one question.'
        )
    questions: list[Question] = []
    for number, row in enumerate(rows, start=1):
        question = _question(row, notebook, _fault_at(path.name, number, row))
        if any(question.question == other.question for other in questions):
            raise _fault_at(path.name, number, row)("is asked twice.")
        questions.append(question)
    return tuple(questions)


def quiz_objectives(folder: Path = QUIZZES) -> dict[str, str]:
    """Returns "quiz 03.1" → objective, for every question of every quiz."""
    return {
        question_id(notebook, number): question.objective
        for notebook in quiz_names(folder)
        for number, question in enumerate(load_quiz(notebook, folder), start=1)
    }


def question_id(notebook: str, number: int) -> str:
    """Returns the name under which an attempt is kept; the first question has number 1."""
    return f"quiz {notebook}.{number}"


def _fault_at(file: str, number: int, row: Any) -> Callable[[str], ValueError]:
    """Returns what makes the error of one question: it names the question, then its fault."""
    words = row.get("question") if isinstance(row, dict) else None
    named = f" ({words!r})" if isinstance(words, str) and words.strip() else ""
    return lambda says: ValueError(f"{file}, question {number}{named}: {says}")


def _question(row: Any, notebook: str, fault: Callable[[str], ValueError]) -> Question:
    _check_fields(row, {"objective": str, "question": str, "options": list}, "it", fault)
    if not re.fullmatch(rf"{re.escape(notebook)}\.\d+", row["objective"]):
        says = f"objective {row['objective']!r} should be one of this notebook, as {notebook}.1."
        raise fault(says)
    if not FEWEST <= len(row["options"]) <= MOST:
        raise fault(f"{len(row['options'])} options, it needs {FEWEST} or {MOST}.")
    for letter, option in zip("abcd", row["options"], strict=False):
        fields = {"text": str, "right": bool, "reason": str}
        _check_fields(option, fields, f"option {letter}", fault)
    options = tuple(Option(**option) for option in row["options"])
    right = sum(option.right for option in options)
    if right != 1:
        raise fault(f"{right} options are right, exactly one has to be.")
    for field in ("text", "reason"):
        if len({getattr(option, field) for option in options}) < len(options):
            raise fault(f"two options have the same {field}.")
    return Question(row["objective"], row["question"], options)


def _check_fields(
    row: Any, fields: dict[str, type], what: str, fault: Callable[[str], ValueError]
) -> None:
    if not isinstance(row, dict):
        raise fault(f"{what} has to be an object with {', '.join(fields)}.")
    if set(row) != set(fields):
        raise fault(f"{what} has the fields {', '.join(row)}; it needs {', '.join(fields)}.")
    for name, kind in fields.items():
        if not isinstance(row[name], kind) or (kind is str and not row[name].strip()):
            wanted = {str: "some text", bool: "true or false", list: "a list"}[kind]
            raise fault(f"{name} of {what} has to be {wanted}.")
