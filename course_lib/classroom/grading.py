"""A folder of submissions becomes two CSV files and a page for each student."""

import csv
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import nbformat

from course_lib.classroom.edition import code_cells
from course_lib.classroom.feedback import page
from course_lib.classroom.flags import flags_of
from course_lib.classroom.jail import Limits
from course_lib.classroom.marking import MISSING, Mark, mark
from course_lib.classroom.notes import points_of
from course_lib.classroom.submissions import Submission, find_submissions, read_cells
from course_lib.devtools.environment import NOTEBOOKS, find_notebooks
from course_lib.devtools.exercise_cells import exercise_of
from course_lib.errors import atomic_path

MARKS, GRADES = "marks.csv", "grades.csv"


@dataclass(frozen=True)
class Graded:
    """A submission and its marks, one an exercise of the notebook."""

    submission: Submission
    marks: tuple[Mark, ...]

    @property
    def points(self) -> int:
        """How many points it got."""
        return sum(mark.points for mark in self.marks)

    @property
    def of(self) -> int:
        """How many it could get."""
        return sum(mark.of for mark in self.marks)


def exercises_of(notebook: Path) -> list[str]:
    """Returns the ids of a committed notebook's exercises, in order."""
    names = map(exercise_of, code_cells(nbformat.read(notebook, as_version=4)))
    return [name for name in names if name]


def grade(submission: Submission, word: str, limits: Limits | None = None) -> Graded:
    """Grades one submission; whatever is in it, every exercise gets a mark.

    Args:
        submission: of a notebook that the course has.
        word: the instructor's word for hidden cases.
        limits: what one answer may take.
    """
    names = exercises_of(NOTEBOOKS / f"{submission.notebook}.ipynb")
    try:
        cells = read_cells(submission.path)
    except (ValueError, OSError) as error:
        marks = [Mark(name, 0, points_of(name), MISSING, str(error)) for name in names]
        return Graded(submission, tuple(marks))
    marks = [
        replace(mark(cells, name, word, limits), flags=flags_of(cells, name)) for name in names
    ]
    return Graded(submission, tuple(marks))


def grade_folder(
    folder: Path,
    out: Path,
    word: str,
    limits: Limits | None = None,
    tell: Callable[[str], None] = print,
) -> list[Graded]:
    """Grades a folder of submissions and writes `marks.csv`, `grades.csv` and `feedback/`.

    Args:
        folder: with a folder for each student.
        out: where the results go.
        word: the instructor's word for hidden cases.
        limits: what one answer may take.
        tell: gets a line for each submission.

    Raises:
        ValueError: when the folder holds no submission.
    """
    found, left_out = find_submissions(folder, [path.stem for path in find_notebooks()])
    for line in left_out:
        tell(f"left out: {line}")
    graded = []
    for submission in found:
        graded.append(grade(submission, word, limits))
        points = f"{graded[-1].points} of {graded[-1].of} points"
        tell(f"{submission.student}, {submission.notebook}: {points}")
    write_results(graded, out)
    return graded


def write_results(graded: list[Graded], out: Path) -> None:
    """Writes both CSV files and the pages."""
    out.mkdir(parents=True, exist_ok=True)
    rows = [
        (*_whose(one), m.name, m.points, m.of, m.state, m.says, m.cause, "; ".join(m.flags))
        for one in graded
        for m in one.marks
    ]
    head = ("student", "notebook", "exercise", "points", "of", "state", "says", "cause", "look at")
    _write(out / MARKS, [head, *rows])
    totals = [(*_whose(one), one.points, one.of) for one in graded]
    _write(out / GRADES, [("student", "notebook", "points", "of"), *totals])
    taken: set[str] = set()
    for student in dict.fromkeys(one.submission.student for one in graded):
        own = [one for one in graded if one.submission.student == student]
        text = page(student, [(one.submission.notebook, one.marks) for one in own])
        target = out / "feedback" / f"{_file_name(student, taken)}.html"
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(target) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _whose(one: Graded) -> tuple[str, str]:
    return one.submission.student, one.submission.notebook


def _write(path: Path, rows: Iterable[tuple]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([_safe(value) for value in row] for row in rows)


def _safe(value: object) -> object:
    """A spreadsheet would run a text that begins like a formula: an apostrophe stops that."""
    text = " ".join(str(value).splitlines())
    return f"'{text}" if isinstance(value, str) and text.startswith(("=", "+", "-", "@")) else text


def _file_name(student: str, taken: set[str]) -> str:
    """Returns a name that is a file name everywhere, and nobody else's."""
    plain = re.sub(r"[^\w.-]", "_", student).strip(".") or "student"
    name, number = plain, 1
    while name.casefold() in taken:
        number += 1
        name = f"{plain}-{number}"
    taken.add(name.casefold())
    return name
