"""Grading is fair: a solution gets all points, a known mistake loses its own, a stub gets none."""

import pytest

from course_lib.classroom.answers import find_answer
from course_lib.classroom.hidden import hidden_cases
from course_lib.classroom.marking import claimed, expect, mark, marked
from course_lib.classroom.notes import points_of
from course_lib.classroom.slicing import source_of
from course_lib.classroom.worker import evaluate, outcome, outcomes
from course_lib.teach.judging import OPEN, RIGHT, WRONG, run_case
from course_lib.teach.task import Case, find_exercise
from tests.classroom_cells import (
    WITH_EXERCISES,
    mistaken_sources,
    names_in,
    replaced,
    solved_cells,
    stub_cells,
)

WORD = "a word of the tests"
ALL = [(path, name) for path in WITH_EXERCISES for name in names_in(path)]
IDS = [name for _, name in ALL]


def answer_of(cells, name):
    return find_answer(cells, name, find_exercise(name).solution.__name__)


def leaned_text(cells, name):
    """What runs to get an answer: two submissions in which it is equal get equal marks."""
    answer = answer_of(cells, name)
    return source_of(answer.before), answer.others


def mark_here(cells, name):
    """Marks in this process: the same but for the confinement, and a hundred times faster."""
    task, answer = find_exercise(name), answer_of(cells, name)
    given = {own: find_exercise(other).reference for own, other in answer.others}
    value = evaluate(answer, given)
    cases = [*task.cases(), *hidden_cases(name, WORD)]
    found = [claimed(claim) for claim in outcomes(task, value, cases)]
    return marked(name, found, expect(name, WORD))


@pytest.mark.parametrize(("path", "name"), ALL, ids=IDS)
def test_the_solution_gets_all_points_and_the_stub_none(path, name):
    solved = mark(solved_cells(path), name, WORD)
    assert (solved.state, solved.points) == (RIGHT, points_of(name)), solved
    untouched = mark(stub_cells(path), name, WORD)
    assert (untouched.state, untouched.points) == (OPEN, 0), untouched


@pytest.mark.parametrize(("path", "name"), ALL, ids=IDS)
def test_each_known_mistake_loses_exactly_its_own_points(path, name):
    task, right = find_exercise(name), solved_cells(path)
    for mistake, source in zip(task.mistakes, mistaken_sources(name), strict=True):
        cells = replaced(right, name, source)
        found = mark_here(cells, name)
        assert (found.state, found.points, found.cause) == (WRONG, 0, mistake.cause), found
        for other in names_in(path):
            if other != name and leaned_text(cells, other) != leaned_text(right, other):
                assert mark_here(cells, other).state == RIGHT, (other, source)


@pytest.mark.parametrize("name", IDS)
def test_an_answer_that_knows_the_notebook_s_inputs_alone_fails_on_the_hidden_ones(name):
    task, expected = find_exercise(name), expect(name, WORD)
    shown = [outcome(run_case(task, task.reference, case)) for case in task.cases()]
    hidden = len(expected.says) - len(shown)
    assert hidden > 0
    parrot = [claimed(claim) for claim in [*shown, *[shown[-1]] * hidden]]
    found = marked(name, parrot, expected)
    assert (found.state, found.points) == (WRONG, 0)
    assert found.says.startswith("right on the inputs of the notebook's check, wrong on")


@pytest.mark.parametrize("name", IDS)
def test_hidden_inputs_are_right_for_another_word_too(name):
    task, word = find_exercise(name), f"another {WORD}"
    cases = [*task.cases(), *hidden_cases(name, word)]
    found = [claimed(outcome(run_case(task, task.solution, case))) for case in cases]
    assert marked(name, found, expect(name, word)).state == RIGHT


def test_another_word_draws_other_inputs():
    drawn = {word: [case.args for case in hidden_cases("03.itg_mask", word)] for word in "abcd"}
    assert len({str(args) for args in drawn.values()}) > 1
    assert all(isinstance(case, Case) for case in hidden_cases("01.block", "a"))


def test_unknown_exercises_and_a_missing_folder_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"did you mean '03.itg_mask'"):
        hidden_cases("03.itg_masks", "a")
    with pytest.raises(ValueError, match="grade from the course's repository"):
        hidden_cases("03.itg_mask", "a", tmp_path / "none")
