"""What outcomes are worth: compared with the reference here, outside of the learner's process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from course_lib.classroom.answers import Cell
from course_lib.classroom.hidden import hidden_cases
from course_lib.classroom.jail import Limits, outcomes_of
from course_lib.classroom.notes import points_of
from course_lib.classroom.plain import pack, unpack
from course_lib.classroom.worker import outcome
from course_lib.teach.comparing import Fault
from course_lib.teach.judging import RIGHT, WRONG, Known, Ran, run_case, weigh
from course_lib.teach.task import Mistake, find_exercise

MISSING = "missing"
MOST_LETTERS = 300
HIDDEN = "other inputs than the notebook's"


@dataclass(frozen=True)
class Mark:
    """What one answer is worth.

    Args:
        name: id of the exercise.
        points: what it gets.
        of: what it could get.
        state: "right", "wrong", "open" (the stub) or "missing" (nothing that could be judged).
        says: why, in a sentence for the learner; no hidden input is given away.
        cause: the likely reason, where one is known.
        flags: what a person may want to look at; costs no point.
    """

    name: str
    points: int
    of: int
    state: str
    says: str = ""
    cause: str = ""
    flags: tuple[str, ...] = field(default=())


def mark(
    cells: Sequence[Cell],
    name: str,
    word: str,
    limits: Limits | None = None,
    folder: Path | None = None,
) -> Mark:
    """Marks the answer of a submission to one exercise: all of its points, or none.

    Args:
        cells: the code cells of the submission.
        name: id of the exercise.
        word: the instructor's word for hidden cases.
        limits: what the answer may take.
        folder: the hand-written hidden cases.
    """
    found = outcomes_of(cells, name, word, limits, folder)
    of = points_of(name)
    if not isinstance(found.get("cases"), list):
        return Mark(
            name, 0, of, MISSING, str(found.get("none", "nothing came back"))[:MOST_LETTERS]
        )
    return marked(name, [claimed(claim) for claim in found["cases"]], expect(name, word, folder))


def marked(name: str, yours: list[Ran], expected: Expected) -> Mark:
    """Marks outcomes: all points when every one of them is right."""
    of, missing = points_of(name), len(expected.says) - len(yours)
    yours = [*yours, *[Ran(fault=Fault("runs", "it did not come this far"))] * missing]
    task = find_exercise(name)
    verdict = weigh(expected.says, yours, expected.right, expected.known, task.tolerance)
    says = f"{verdict.property}: {verdict.says}" if verdict.state == WRONG else ""
    if verdict.says.startswith(HIDDEN):
        says = f"right on the inputs of the notebook's check, wrong on {HIDDEN}"
    points = of if verdict.state == RIGHT else 0
    return Mark(name, points, of, verdict.state, says[:MOST_LETTERS], verdict.cause)


@dataclass(frozen=True)
class Expected:
    """The right outcomes of an exercise, shown cases first, and where those of mistakes are got."""

    says: tuple[str, ...]
    right: tuple[Ran, ...]
    known: Known


@cache
def expect(name: str, word: str, folder: Path | None = None) -> Expected:
    """Runs the reference of an exercise on shown and hidden cases.

    Raises:
        ValueError: for an unknown exercise, or where the folder is missing.
    """
    task = find_exercise(name)

    def outcomes(answer: Any) -> list[Ran]:
        cases = [*task.cases(), *hidden_cases(name, word, folder)]
        return [claimed(outcome(run_case(task, answer, case))) for case in cases]

    @cache
    def known() -> list[tuple[Mistake, list[Ran]]]:
        return [(mistake, outcomes(mistake.answer)) for mistake in task.mistakes]

    hidden = len(hidden_cases(name, word, folder))
    says = (*(case.says for case in task.cases()), *[HIDDEN] * hidden)
    return Expected(says, tuple(outcomes(task.reference)), known)


def claimed(claim: Any) -> Ran:
    """Reads what a worker says of one case; a claim of another form is a fault."""
    strange = Ran(fault=Fault("type", "it gives nothing that can be compared"))
    if not isinstance(claim, dict):
        return strange
    if "output" in claim:
        try:
            return Ran(unpack(pack(claim["output"])))
        except ValueError:
            return strange
    fault = claim.get("fault")
    if not isinstance(fault, list | tuple) or len(fault) != 2:
        return strange
    property_, says = (str(part)[:MOST_LETTERS] for part in fault)
    return Ran(fault=Fault(property_, says), raised=str(claim.get("raised", "")))
