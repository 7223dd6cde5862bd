"""What the instructor's edition says beside a notebook and behind each of its exercises."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from course_lib.devtools.exercise_cells import STARS
from course_lib.devtools.minutes import computing
from course_lib.teach.task import find_exercise

PROMPTS = Path(__file__).parents[2] / "classroom" / "discussion.json"


def points_of(name: str) -> int:
    """Returns what an exercise is worth: its difficulty, 1 to 3."""
    return find_exercise(name).difficulty


@cache
def prompts() -> dict[str, list[str]]:
    """Returns exercise → questions to discuss with a class; none where the file is missing."""
    if not PROMPTS.exists():
        return {}
    return json.loads(PROMPTS.read_text(encoding="utf-8"))


def exercise_notes(name: str) -> str:
    """Returns the Markdown behind an exercise: minutes, common mistakes, what to discuss."""
    task = find_exercise(name)
    head = (
        f"**For the instructor: {name}, {task.title}.** Points: {points_of(name)}, "
        f"about {task.minutes} minutes, objective {task.objective}."
    )
    rows = [f"| {_cell(m.property)} | {_cell(m.cause)} |" for m in task.mistakes]
    mistakes = "\n".join(["| Common mistakes: what fails | the likely cause |", "|---|---|", *rows])
    asked = prompts().get(name, [])
    discuss = "\n".join(["**To discuss**", "", *(f"- {question}" for question in asked)])
    return "\n\n".join([head, mistakes, *([discuss] if asked else [])])


def notebook_notes(names: Sequence[str], stem: str) -> str:
    """Returns the Markdown that opens an instructor's notebook: what takes how long.

    Args:
        names: its exercises, in order.
        stem: its file name without ending.
    """
    rows, total = [], 0
    for name in names:
        task = find_exercise(name)
        total += task.minutes
        about = f"{STARS[task.difficulty]} | {points_of(name)} | {task.minutes} | {total}"
        rows.append(f"| {name} | {task.title} | {task.objective} | {about} |")
    points = sum(map(points_of, names))
    exercises = f"{len(names)} exercise{'s' * (len(names) > 1)}"
    head = (
        f"**For the instructor.** {exercises}, together {points} points and about {total} "
        f"minutes. {_computes(stem)} The students' edition has neither the solutions nor these "
        "notes."
    )
    table = [
        "| exercise | | objective | difficulty | points | minutes | in all |",
        "|" + "---|" * 7,
    ]
    return "\n\n".join([head, "\n".join([*table, *rows])])


def _computes(stem: str) -> str:
    try:
        return (
            f"From top to bottom one CPU thread computes for at most {computing(Path(stem))} min."
        )
    except ValueError:
        return "How long it computes was not measured yet."


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")
