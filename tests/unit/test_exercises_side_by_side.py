"""What notebook 11's exercises call right is what the comparison does."""

import pytest

from course_lib.comparison import table
from course_lib.comparison.budget import inherited_cost as by_cards
from course_lib.comparison.contestants import CONTESTANTS
from course_lib.comparison.measures import _mean
from course_lib.teach.exercise import report
from course_lib.teach.exercises.e11_above_blind import above_blind
from course_lib.teach.exercises.e11_inherited_cost import inherited_cost
from course_lib.teach.exercises.e11_mean_over_types import mean_over_types
from course_lib.teach.judging import RIGHT, WRONG, judge
from course_lib.teach.task import exercise_ids, find_exercise
from tests.hidden_inputs import check_fair

IDS = [name for name in exercise_ids() if name.startswith("11.")]
WORD = "a word of the tests"


def test_there_is_one_for_each_objective():
    assert sorted(find_exercise(name).objective for name in IDS) == [
        f"11.{number}" for number in range(1, 8)
    ]


def test_inherited_samples_are_those_of_the_comparison():
    runs = ("blip2-stage1", "blip2-opt")
    cost = {run: by_cards((run,))["samples"] for run in runs} | {"model": 7.0}
    for one in CONTESTANTS.values():
        links = {"blip2-stage1": (), "blip2-opt": ("blip2-stage1",), "model": one.inherits[-1:]}
        assert inherited_cost("model", links, cost) == by_cards(one.inherits)["samples"]


@pytest.mark.parametrize("asked", [20, 50, 400])
def test_types_at_their_prior_are_those_of_the_table(asked):
    seen = {"colour": 0.9, "size": 0.62, "parity": 0.55, "sides": 0.2, "kind": 0.4}
    blind = {"colour": 0.3, "size": 0.50, "parity": 0.52, "sides": 0.3, "kind": 0.38}
    scores = {"vqa_by_type": seen, "blind_by_type": blind, "per_type": asked}
    added, enough, weak = above_blind(seen, blind, asked)
    assert weak == table.at_prior([{"model": "llava", "scores": scores}], "llava")
    assert (added >= table.BAR) == enough and added == pytest.approx(_mean(seen) - _mean(blind))


def test_a_mean_over_types_is_that_of_the_comparison():
    shares = {"colour": 0.75, "size": 0.5}
    answers = [("colour", n < 3) for n in range(4)] + [("size", n < 1) for n in range(2)]
    assert mean_over_types(answers) == (pytest.approx(_mean(shares)), "size")


@pytest.mark.parametrize("word", [WORD, "another"])
@pytest.mark.parametrize("name", IDS)
def test_hidden_inputs_are_fair(name, word):
    check_fair(name, word)


# Right answers of another form, which have to pass.


def _by_recursion(run, links, cost):
    def behind(one):
        return set(links[one]).union(*map(behind, links[one]))

    return sum(map(cost.get, behind(run)))


def _by_loops(answers):
    shares = {}
    for kind in dict(answers):
        own = [right for name, right in answers if name == kind]
        shares[kind] = own.count(True) / len(own)
    return [sum(shares.values()) / len(shares), sorted(shares, key=lambda k: (shares[k], k))[0]]


def _by_counting(clock, warm, seconds):
    gaps = [b - a for a, b in zip(clock[warm - 1 :], clock[warm:], strict=False)]
    return int(max(seconds * len(gaps) // sum(gaps), 1))


MAY_BE = {
    "11.inherited_cost": _by_recursion,
    "11.mean_over_types": _by_loops,
    "11.steps_in_seconds": _by_counting,
}


@pytest.mark.parametrize("name", MAY_BE)
def test_a_right_answer_of_another_form_passes(name):
    verdict = judge(find_exercise(name), MAY_BE[name])
    assert verdict.state == RIGHT, report(name, verdict)


# And wrong ones that are on no list: the check finds by itself what fails.

REFUSED = [
    ("11.above_blind", lambda seen, blind, asked: (0.1, True), "length"),
    ("11.inherited_cost", lambda run, links, cost: sorted(links[run]), "type"),
    ("11.pareto_front", lambda models: [], "length"),
    ("11.rank_flip", lambda curves, inherited, budget: "heir", "type"),
    ("11.shared_ranks", lambda right, asked: {"A": 1}, "keys"),
    ("11.steps_in_seconds", lambda clock, warm, seconds: round(seconds), "values"),
]


@pytest.mark.parametrize(("name", "answer", "property"), REFUSED, ids=[row[0] for row in REFUSED])
def test_a_wrong_answer_that_is_on_no_list_is_refused(name, answer, property):
    verdict = judge(find_exercise(name), answer)
    assert (verdict.state, verdict.property) == (WRONG, property), report(name, verdict)
