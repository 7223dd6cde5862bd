"""The syllabus: its minutes are those of the notebooks' headers, and fit into weeks and days."""

import re

import pytest

from course_lib.classroom.syllabus import (
    DAY,
    DAYS,
    TALK,
    TARGET,
    WEEK,
    WEEKS,
    minutes_of,
    notebooks_of,
    syllabus,
)
from course_lib.devtools.environment import find_notebooks
from course_lib.devtools.minutes import time_line
from course_lib.teach.task import find_exercise
from tests.classroom_cells import names_in

TOTAL = re.compile(r"In all: (\d+) h (\d+) min\.")


def test_the_document_is_what_the_script_makes():
    written = TARGET.read_text(encoding="utf-8")
    assert written == syllabus(), "run: python -m course_lib.classroom.syllabus"


def test_every_notebook_has_its_week():
    numbers = [number for _, week in WEEKS for number in week]
    assert numbers == sorted(set(numbers)) == [f"{n:02d}" for n in range(13)]
    covered = [path for number in numbers for path in notebooks_of(number)]
    assert covered == find_notebooks()
    assert all(notebooks_of(number) for number in numbers)
    text = syllabus()
    for target in re.findall(r"\]\(\.\./([^)]+)\)", text):
        assert (TARGET.parent.parent / target).exists(), target


@pytest.mark.parametrize("path", find_notebooks(), ids=lambda path: path.stem)
def test_minutes_are_those_of_the_header(path):
    found = minutes_of(path)
    if found is None:
        return
    try:
        line = time_line(path)
    except ValueError:  # a notebook that was never measured says so itself
        return
    assert f"about {found.read} minutes to read" in line
    assert f"{found.computing} of computing" in line
    assert found.in_all == found.read + found.exercises + TALK
    assert bool(found.exercises) == bool(names_in(path))


def test_weeks_and_days_are_not_too_long():
    before, after = syllabus().split("## A workshop of two days")
    weeks, days = ([int(h) * 60 + int(m) for h, m in TOTAL.findall(t)] for t in (before, after))
    assert len(days) == len(DAYS) == 2 and weeks
    assert max(weeks) <= WEEK and max(days) <= DAY


def test_the_workshop_s_exercises_are_of_its_notebooks():
    for _, chosen in DAYS:
        for number, names in chosen.items():
            inside = [name for path in notebooks_of(number) for name in names_in(path)]
            assert names and set(names) <= set(inside)
            assert all(find_exercise(name).minutes for name in names)
