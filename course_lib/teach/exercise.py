"""`exercise(answer, "03.itg_mask")`: judges what a learner wrote, and never stops a run.

An untouched stub prints one fixed line and hands on the reference, so "Run All" works for a learner
who did nothing. Only the learner's own object is ever judged, never what was handed on.
"""

from typing import Any

from course_lib.teach.judging import OPEN, RIGHT, Verdict, judge
from course_lib.teach.progress import note
from course_lib.teach.task import find_exercise


def exercise(answer: Any, name: str) -> Any:
    """Checks an answer, prints what the check found, and returns what later cells go on with.

    Args:
        answer: what the learner wrote: a function, a class or a value; `...` is a stub.
        name: id of the exercise, such as "03.itg_mask".

    Returns:
        The answer itself where it is right, or else the reference.

    Raises:
        ValueError: for an unknown id (the notebook's mistake, not the learner's).
    """
    task = find_exercise(name)
    verdict = judge(task, answer)
    print(report(name, verdict))
    if verdict.state != OPEN:
        trouble = note(f"exercise {name}", verdict.state == RIGHT)
        if trouble:
            print(f"  {trouble}")
    return answer if verdict.state == RIGHT else task.reference


def report(name: str, verdict: Verdict) -> str:
    """Returns the lines that a check prints."""
    if verdict.state == OPEN:
        return f"○ {name} not attempted: going on with the reference"
    if verdict.state == RIGHT:
        return f"✓ {name}: right (largest difference {verdict.largest:.1e})"
    lines = [f"✗ {name}, {verdict.property}", f"  {verdict.says}"]
    if verdict.cause:
        lines.append(f"  likely cause: {verdict.cause}")
    return "\n".join([*lines, "  going on with the reference; three hints stand above the cell"])
