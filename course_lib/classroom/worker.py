"""Runs one answer on the inputs of its exercise, in a process of its own, and leaves its outputs.

What it leaves are claims: the process belongs to whoever wrote the answer. Nothing here says
whether an output is right, and what could say it is closed or was never in this process.
"""

import ast
import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course_lib.classroom.answers import Answer, Cell, NoAnswer, find_answer
from course_lib.classroom.closing import close_answers
from course_lib.classroom.confine import confine
from course_lib.classroom.hidden import hidden_cases
from course_lib.classroom.plain import pack
from course_lib.teach.comparing import Fault
from course_lib.teach.judging import Ran, run_case
from course_lib.teach.task import EXERCISES, Case, Exercise, find_exercise
from course_lib.teach.time_limit import TookTooLong

RESULT = "outcomes"
ROOT = Path(__file__).parents[2]
_FILE = "<ipython-input-cell>"  # the name by which the line of a fault is looked for


@dataclass(frozen=True)
class Job:
    """What a worker gets.

    Args:
        cells: the code cells of a submission.
        name: id of the exercise.
        word: the instructor's word for hidden cases.
        folder: the hand-written hidden cases.
        scratch: an empty folder, the only one it may write to.
        memory: bytes that the answer may take.
    """

    cells: Sequence[Cell]
    name: str
    word: str
    folder: Path
    scratch: Path
    memory: int


def work(job: Job) -> None:
    """Runs a job; the outcome of every case, or why there is none, is left in `scratch`."""
    with contextlib.suppress(AttributeError, OSError):
        os.setsid()
    _silence()
    found = _found(job)
    with os.fdopen(os.open(job.scratch / RESULT, os.O_WRONLY | os.O_CREAT), "wb") as stream:
        stream.write(pack(found))
    os._exit(0)  # whatever threads and exit handlers the answer left behind


def _found(job: Job) -> dict[str, Any]:
    exercise = find_exercise(job.name)
    cases = [*exercise.cases(), *hidden_cases(job.name, job.word, job.folder)]
    try:
        answer = find_answer(job.cells, job.name, exercise.solution.__name__)
        given = {name: find_exercise(other).reference for name, other in answer.others}
    except (NoAnswer, ValueError, RecursionError, MemoryError) as error:
        return {"none": f"{error}"}
    close_answers(job.name, exercise)
    exercise = find_exercise(job.name)  # the same without its answers, for whoever walks the stack
    os.chdir(job.scratch)
    confine(job.scratch, (EXERCISES, job.folder, ROOT / "notebooks", ROOT / "tests"), job.memory)
    try:
        value = evaluate(answer, given)
    except BaseException as error:
        return {"none": f"its cell raises {_told(error)}"}
    return {"cases": outcomes(exercise, value, cases)}


def evaluate(answer: Answer, given: dict[str, Any]) -> Any:
    """Runs the statements of an answer in a fresh namespace; returns what is to be judged."""
    space = {"__name__": "__main__", "display": lambda *_, **__: None, **given}
    for one in answer.before:
        exec(compile(ast.Module([one.node], []), _FILE, "exec"), space)
    return eval(compile(ast.Expression(answer.value), _FILE, "eval"), space)


def outcomes(exercise: Exercise, value: Any, cases: list[Case]) -> list[dict[str, Any]]:
    """Runs case after case; one that takes too long is the last."""
    found: list[dict[str, Any]] = []
    for case in cases:
        try:
            ran = run_case(exercise, value, case)
        except BaseException as error:  # SystemExit and the like, which end a notebook's cell only
            ran = Ran(fault=Fault("runs", f"it raises {_told(error)}"), raised=type(error).__name__)
        found.append(outcome(ran))
        if ran.raised == TookTooLong.__name__:
            break
    return found


def outcome(ran: Ran) -> dict[str, Any]:
    """Returns what one case gave, as plain data."""
    if ran.fault is not None:
        return {"fault": [ran.fault.property, ran.fault.says], "raised": ran.raised}
    try:
        pack(ran.output)
    except ValueError as error:
        return {"fault": ["type", str(error)], "raised": ""}
    return {"output": ran.output}


def _told(error: BaseException) -> str:
    text = (str(error).splitlines() or [""])[0][:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _silence() -> None:
    """Sends what the answer prints nowhere: it counts for nothing, and there may be much of it."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
