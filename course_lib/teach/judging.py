"""Judges an answer to an exercise: nothing raises, every fault becomes a sentence.

The diagnosis needs no rule of its own: an answer that gives what a known wrong answer gives, on
every input, made that mistake.
"""

from __future__ import annotations

import copy
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from course_lib.teach.comparing import Fault, difference, has_ellipsis, kind_of
from course_lib.teach.task import Case, Exercise, Mistake
from course_lib.teach.time_limit import TookTooLong, time_limit

OPEN, WRONG, RIGHT = "open", "wrong", "right"


@dataclass(frozen=True)
class Verdict:
    """What the check found.

    Args:
        state: OPEN, WRONG or RIGHT.
        property: which property failed.
        says: on which smallest input, and how.
        cause: the likely reason, empty where none is known.
        largest: largest difference of a right answer.
    """

    state: str
    property: str = ""
    says: str = ""
    cause: str = ""
    largest: float = 0.0


@dataclass(frozen=True)
class Ran:
    """The outcome of one case: an output, or a fault with the kind of what was raised."""

    output: Any = None
    fault: Fault | None = None
    raised: str = ""


Known = Callable[[], Iterable[tuple[Mistake, list[Ran]]]]


def judge(exercise: Exercise, answer: Any) -> Verdict:
    """Runs an answer on the exercise's cases, smallest first, and compares with the reference.

    Args:
        exercise: whose check it is.
        answer: what the learner wrote, of whatever kind.

    Returns:
        The verdict on the first case that fails; nothing is raised, but an interrupt by the user.
    """

    def outcomes(of: Any) -> Iterator[Ran]:
        return (run_case(exercise, of, case) for case in exercise.cases())

    def known() -> Iterator[tuple[Mistake, list[Ran]]]:
        return ((mistake, list(outcomes(mistake.answer))) for mistake in exercise.mistakes)

    says = [case.says for case in exercise.cases()]
    return weigh(says, outcomes(answer), outcomes(exercise.reference), known, exercise.tolerance)


def weigh(
    says: Sequence[str], yours: Iterable[Ran], right: Iterable[Ran], known: Known, tolerance: float
) -> Verdict:
    """Compares outcomes that were already got, or are got one by one as they are asked for.

    Args:
        says: each case in words.
        yours: the answer's outcomes, one a case; no more are asked for than are needed.
        right: those of the reference.
        known: gives known mistakes with theirs; called for a wrong answer alone.
        tolerance: largest difference that counts as equal.
    """
    largest, seen = 0.0, []
    yours = iter(yours)
    for number, (words, true) in enumerate(zip(says, right, strict=True)):
        seen.append(mine := next(yours))
        if number == 0 and mine.output is Ellipsis:
            return Verdict(OPEN)
        assert true.fault is None, f"the reference fails: {true.fault}"
        found = mine.fault or _compare(mine.output, true.output, tolerance)
        if isinstance(found, Fault):
            slow = mine.raised == TookTooLong.__name__
            mistake = None if slow else _recognised([*seen, *yours], known, tolerance)
            where = f"{words}: {found.says}" if words else found.says
            if mistake is None:
                return Verdict(WRONG, found.property, where)
            return Verdict(WRONG, mistake.property, where, mistake.cause)
        largest = max(largest, found)
    return Verdict(RIGHT, largest=largest)


def _compare(yours: Any, right: Any, tolerance: float) -> Fault | float:
    if has_ellipsis(yours):
        return Fault("complete", "a part of it is still `...`")
    return difference(yours, right, tolerance)


def run_case(exercise: Exercise, answer: Any, case: Case) -> Ran:
    """Runs one case with a seed, a time limit, and an eye on the inputs."""
    if not callable(answer) and callable(exercise.reference) and answer is not Ellipsis:
        return Ran(fault=Fault("type", f"it should be a function, yours is {kind_of(answer)}"))
    before = copy.deepcopy((case.args, case.kwargs))
    state = torch.random.get_rng_state()
    torch.manual_seed(0)
    try:
        with time_limit(exercise.seconds):
            output = exercise.run(answer, case)
    except TookTooLong:
        says = f"no answer within {exercise.seconds:g} seconds: does a loop never end?"
        return Ran(fault=Fault("time", says), raised=TookTooLong.__name__)
    except Exception as error:
        return Ran(fault=_raised(error), raised=type(error).__name__)
    finally:
        torch.random.set_rng_state(state)
    if _changed(before, (case.args, case.kwargs)):
        says = "it changes its own input in place: work on a copy (x.clone(), list(x), dict(x))"
        return Ran(fault=Fault("input unchanged", says), raised="changed")
    return Ran(output)


def _changed(before: Any, after: Any) -> bool:
    """Says whether plain data among the inputs differs; models are the answer's to change."""
    if isinstance(before, dict):
        if not isinstance(after, dict) or before.keys() != after.keys():
            return True
        return any(_changed(before[key], after[key]) for key in before)
    if isinstance(before, tuple | list):
        pairs = zip(before, after, strict=False)
        return len(before) != len(after) or any(_changed(a, b) for a, b in pairs)
    if isinstance(before, torch.Tensor | int | float | str):
        return isinstance(difference(after, before, 0.0), Fault)
    return False


def _raised(error: Exception) -> Fault:
    """Tells what was raised, and in which line of the learner's own code."""
    text = (str(error).splitlines() or [""])[0][:200]
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if "ipykernel" in frame.filename or frame.filename.startswith(("<ipython", "<stdin"))
    ]
    where = f" (line {lines[-1]} of the cell)" if lines else ""
    return Fault("runs", f"it raises {type(error).__name__}: {text}{where}")


def _recognised(yours: list[Ran], known: Known, tolerance: float) -> Mistake | None:
    """Returns the known mistake whose outcomes, on all cases, are those of the answer."""
    for mistake, theirs in known():
        pairs = zip(yours, theirs, strict=True)
        if all(_alike(mine, other, tolerance) for mine, other in pairs):
            return mistake
    return None


def _alike(mine: Ran, known: Ran, tolerance: float) -> bool:
    if mine.fault or known.fault:
        return mine.raised == known.raised != ""
    try:
        return isinstance(difference(mine.output, known.output, tolerance), float)
    except Exception:  # outputs of any kind: what cannot be compared is not alike
        return False
