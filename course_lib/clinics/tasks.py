"""Repairs as exercises of their own: found by id, judged like any other, never stopping a run."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from course_lib.errors import unknown_name_error
from course_lib.teach.exercise import report
from course_lib.teach.judging import RIGHT, judge
from course_lib.teach.task import Exercise

_HERE = Path(__file__).parent


def clinic_names() -> list[str]:
    """Returns the models that have a clinic, in alphabetical order."""
    return sorted(p.stem.removeprefix("repairs_") for p in _HERE.glob("repairs_*.py"))


def repairs_of(model: str) -> dict[str, Exercise]:
    """Returns the repairs of a model's clinic by id, such as "llava.expand_image".

    Raises:
        ValueError: for a model without a clinic, with the nearest one.
    """
    if model not in clinic_names():
        raise unknown_name_error("clinic", model, clinic_names())
    listed = importlib.import_module(f"course_lib.clinics.repairs_{model}").REPAIRS
    return {f"{model}.{task.solution.__name__}": task for task in listed}


def find_repair(name: str) -> Exercise:
    """Returns a repair by its id.

    Raises:
        ValueError: for an unknown id, with the nearest one.
    """
    known = {k: v for model in clinic_names() for k, v in repairs_of(model).items()}
    if name not in known:
        raise unknown_name_error("repair", name, known)
    return known[name]


def repair(answer: Any, name: str) -> Any:
    """Judges a repair, prints what the check found, and returns what later cells go on with.

    Unlike `exercise` it keeps no progress: a clinic has no objectives of its own.

    Args:
        answer: the learner's function; one that returns `...` is a stub.
        name: id of the repair.

    Returns:
        The answer itself where it is right, or else the reference.

    Raises:
        ValueError: for an unknown id.
    """
    task = find_repair(name)
    verdict = judge(task, answer)
    print(report(name, verdict))
    return answer if verdict.state == RIGHT else task.reference
