"""What an exercise is made of, and how one is found by its id."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from course_lib.errors import unknown_name_error

EXERCISES = Path(__file__).parent / "exercises"


@dataclass(frozen=True)
class Case:
    """One input of a check.

    Args:
        says: the input in words, as the diagnosis names it: "1 query and 2 words".
        args: positional arguments of the answer.
        kwargs: named ones.
    """

    says: str
    args: tuple = ()
    kwargs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that people really give; an answer equal to it gets its cause as diagnosis.

    Args:
        answer: the wrong answer itself.
        property: what fails, in a few words: "text reads queries".
        cause: the likely reason, one sentence that does not give the answer away.
    """

    answer: Any
    property: str
    cause: str


def call(answer: Any, case: Case) -> Any:
    """Runs an answer that is a function; a value is its own output."""
    return answer(*case.args, **case.kwargs) if callable(answer) else answer


def refused(answer: Any, case: Case, counts: set[int], most: int) -> Any:
    """Runs an answer that has to raise a ValueError, and tells in words what it did.

    Args:
        answer: a function.
        case: its inputs.
        counts: numbers that the message has to name.
        most: of different numbers in a message: who lists all there are names none.
    """
    try:
        made = call(answer, case)
    except ValueError as error:
        named = set(map(int, re.findall(r"\d+", str(error))))
        said = counts <= named and len(named) <= most
        return "a ValueError with both counts" if said else "a ValueError without them"
    return made if made is ... else "raises nothing"


@dataclass(frozen=True)
class Exercise:
    """An exercise: its words, its answer, and what its check runs.

    Args:
        objective: id in the notebook's table of objectives, such as "03.4".
        title: a few words.
        difficulty: 1 (a line) to 3 (think first).
        minutes: how long it takes.
        contract: what the answer has to do, one sentence each.
        hints: idea, pseudo-code, almost code.
        solution: the answer as a learner would write it; its source is shown in the notebook.
        reference: what a right answer is compared with and later cells go on with: the library's
            own, or written another way than the solution. Never the learner's answer.
        cases: makes the inputs anew, the smallest first.
        mistakes: at least three.
        run: how answer and case make an output, where it is more than a call.
        tolerance: largest difference that counts as equal.
        seconds: time limit of one case.
    """

    objective: str
    title: str
    difficulty: int
    minutes: int
    contract: tuple[str, ...]
    hints: tuple[str, str, str]
    solution: Any
    reference: Any
    cases: Callable[[], list[Case]]
    mistakes: tuple[Mistake, ...]
    run: Callable[[Any, Case], Any] = call
    tolerance: float = 1e-5
    seconds: float = 10.0


def exercise_ids() -> list[str]:
    """Returns all ids in the order of the notebooks."""
    names = sorted(path.stem for path in EXERCISES.glob("e[0-9]*.py"))
    return [re.sub(r"^e(\d+[ab]?)_", r"\1.", name) for name in names]


def find_exercise(name: str) -> Exercise:
    """Returns an exercise by its id, such as "03.itg_mask".

    Raises:
        ValueError: for an unknown id, with the nearest known one.
    """
    if name not in exercise_ids():
        raise unknown_name_error("exercise", name, exercise_ids())
    module = "e" + name.replace(".", "_", 1)
    return importlib.import_module(f"course_lib.teach.exercises.{module}").EXERCISE
