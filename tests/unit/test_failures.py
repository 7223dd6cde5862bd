"""The failure detector: right on labelled answers, its thresholds chosen on one half of them."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from course_lib.evaluation.failures import (
    KINDS,
    PHOTOGRAPHS,
    TOY,
    Rules,
    failure_rate,
    find_failure,
    labelled_answers,
)
from course_lib.evaluation.scene_grammar import broken_phrase, speaks_of_picture
from course_lib.instructions.toy_rules import detail
from course_lib.instructions.validate import unknown_words
from course_lib.world.language import captions
from course_lib.world.scene import sample_scenes
from course_lib.world.vocabulary import symbols

ANSWERS = labelled_answers()
HALVES = {half: [a for a in ANSWERS if a.half == half] for half in ("choose", "held out")}


def called(answer, rules=TOY):
    failure = find_failure(answer.text, answer.ended, rules)
    return "good" if failure is None else failure.kind


def right(answers, rules=TOY):
    return sum(called(answer, rules) == answer.label for answer in answers) / len(answers)


def kind_of(text, ended=True, rules=TOY):
    failure = find_failure(text, ended, rules)
    return failure and failure.kind


# --- the labelled answers ------------------------------------------------------------------------


def test_there_are_200_different_answers_in_two_halves_of_every_kind():
    assert len(ANSWERS) == 200 and len({(a.text, a.ended) for a in ANSWERS}) == 200
    counts = {half: Counter(a.label for a in found) for half, found in HALVES.items()}
    assert sum(counts["choose"].values()) == 100 == sum(counts["held out"].values())
    for label in (*KINDS, "good"):
        assert abs(counts["choose"][label] - counts["held out"][label]) <= 1
        assert counts["choose"][label] >= 5
    known = set(symbols())
    for answer in ANSWERS:
        assert set(unknown_words(answer.text)) <= known, answer.text
        assert answer.ended or answer.label != "good"


def test_it_is_right_on_the_whole_and_on_the_half_that_chose_nothing():
    assert right(ANSWERS) >= 0.95
    assert right(HALVES["held out"]) >= 0.95


@pytest.mark.parametrize("label", (*KINDS, "good"))
def test_no_kind_is_missed(label):
    some = [answer for answer in ANSWERS if answer.label == label]
    assert right(some) >= 0.9
    said = [answer for answer in ANSWERS if called(answer) == label]
    assert sum(answer.label == label for answer in said) / len(said) >= 0.9


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("loop_short", (2, 4, 8)),
        ("loop_long", (3, 5)),
        ("marks", (3, 80)),
        ("phrase", (3, 2, 6)),
        ("sentence", (3, 4)),
        ("least_words", (4, 5)),
        ("least_about", (0.3, 0.7, 0.9)),
    ],
)
def test_no_other_threshold_is_better_on_the_choosing_half(name, values):
    chosen = right(HALVES["choose"])
    for value in values:
        assert right(HALVES["choose"], replace(TOY, **{name: value})) <= chosen


@pytest.mark.parametrize(
    "off",
    [
        {"loop_short": 99, "loop_long": 99, "marks": 999},
        {"phrase": 99, "sentence": 99, "loop_long": 99},
        {"least_about": 0.0},
        {"broken": None},
        {"about": None},
    ],
    ids=lambda off: "-".join(off),
)
def test_every_rule_is_needed(off):
    assert right(ANSWERS, replace(TOY, **off)) < right(ANSWERS) - 0.02


def test_stop_tokens_are_needed_to_see_endless_answers():
    blind = [replace(answer, ended=True) for answer in ANSWERS if answer.label == "endless"]
    assert right(blind) == 0


def test_what_the_world_says_is_never_called_a_failure():
    rng = np.random.default_rng(0)
    for scene in sample_scenes(400, 5, "test") + sample_scenes(200, 5, "combos"):
        told = detail(scene, rng)[0].answer
        for text in [*captions(scene), told]:
            assert find_failure(text) is None
            assert kind_of(text, ended=False) == "endless"
        assert not any(find_failure(text.rstrip(".")) for text in captions(scene))
        assert kind_of(told.rstrip(".")) == "fragment"


# --- reasons -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "reason"),
    [
        (" \n", "empty", "no word"),
        ("... !", "empty", "no word"),
        ("red red red circle.", "repetition", "'red' is said 3 times in a row"),
        ("a small a small a small a", "repetition", "'a small' is said 3 times"),
        ("a 7 at top-left and a 7 at top-left and", "repetition", "top-left and' is said 2"),
        ("it is red red red, a circle.... yes", "repetition", "'red' is said 3 times"),
        ("a red circle.....", "repetition", r"'\.' is said 5 times"),
        ("the 7 is red. it is odd. the 7 is red.", "repetition", "'the 7 is red' comes 2 times"),
        ("click here for more.", "off_topic", "0 of 1 sentences"),
        ("a red 7 at top-left. the sky is blue. snow is white.", "off_topic", "1 of 3 sentences"),
        ("a large.", "fragment", "2 words are no description"),
        ("there is a small red.", "fragment", "a noun is missing behind 'a small'"),
        ("the 7 is red. the 7 is at.", "fragment", "ends with 'at'"),
        ("a red 7 is at top-left. the other two places", "fragment", "last sentence breaks off"),
        ("with a large red star.", "fragment", "begins with 'with'"),
        ("a red 7. square at top-left.", "fragment", "no article stands before 'square'"),
    ],
)
def test_the_reason_says_where_it_shows(text, kind, reason):
    failure = find_failure(text)
    assert failure.kind == kind
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(failure.reason)


def test_the_first_kind_that_applies_is_told():
    loop = "click here. click here. click here."
    assert kind_of(loop, ended=False) == "repetition"
    assert kind_of("click here for", ended=False) == "endless"
    assert find_failure("a red 7 at top-left.", ended=False).reason == "no stop came within 5 words"
    assert kind_of("", ended=False) == "empty"


@pytest.mark.parametrize(
    "text",
    ["a red, a green and a blue circle.", "the top-left is empty.", "is it a 6? yes, a small 6."],
)
def test_phrases_that_look_broken_and_are_not(text):
    assert find_failure(text) is None
    assert broken_phrase(text.split("?")[0] + "?" * ("?" in text)) == ""


def test_a_sentence_goes_on_with_what_was_spoken_of():
    assert speaks_of_picture("it is red.", before=True) is True
    assert speaks_of_picture("it is red.", before=False) is False
    assert speaks_of_picture("yes, it is.") is None
    assert speaks_of_picture("a triangle has three sides.") is False


PHOTO = "A man in a dark coat walks two dogs along the beach. The sea behind them is calm."


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (PHOTO, None),
        ("a man in a coat walks two dogs along the beach", None),
        (PHOTO + " He looks at the", "fragment"),
        (PHOTO + " " + PHOTO, "repetition"),
        ("the dog and the dog and the dog and the dog", "repetition"),
        ("A man walks with the", "fragment"),
        ("beach dog", "fragment"),
    ],
)
def test_photographs_have_no_topic_and_no_grammar_but_all_other_rules(text, kind):
    assert kind_of(text, rules=PHOTOGRAPHS) == kind
    assert kind_of(PHOTO, ended=False, rules=PHOTOGRAPHS) == "endless"


# --- rates ---------------------------------------------------------------------------------------


def test_rates_are_shares_of_all_answers():
    answers = [
        ("a red circle at top-left.", True),
        ("", True),
        ("a 7 and a 2.", False),
        ("at", True),
    ]
    found = failure_rate(answers)
    assert found["rate"] == 0.75 and set(found["by_kind"]) == set(KINDS)
    assert [k for k, share in found["by_kind"].items() if share] == ["empty", "endless", "fragment"]
    assert sum(found["by_kind"].values()) == found["rate"]
    with pytest.raises(ValueError, match="at least one image"):
        failure_rate([])


def test_rules_are_a_value_that_nobody_changes():
    assert Rules() == TOY and PHOTOGRAPHS.about is None
    with pytest.raises(AttributeError):
        TOY.phrase = 9
