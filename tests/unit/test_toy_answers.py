"""Answers in sentences against their keys: right ones, wrong ones, and those that look right."""

import numpy as np
import pytest

from course_lib.evaluation.toy_answers import claims, detail_score, score_answer
from course_lib.instructions.teacher import Turn
from course_lib.instructions.toy_rules import SEEN, conversation, detail, reasoning_turns
from course_lib.world.language import NUMBER_WORDS, canonical_caption
from course_lib.world.questions import QUESTION_TYPES
from course_lib.world.scene import (
    COLOURS,
    DIGITS,
    KINDS,
    PLACES,
    SIZES,
    Scene,
    Thing,
    sample_scenes,
)

VALUES = {
    "colour": COLOURS,
    "kind": KINDS,
    "size": SIZES,
    "where": PLACES,
    "is_there": ("yes", "no"),
    "how_many": NUMBER_WORDS[1:4],
    "parity": ("odd", "even"),
    "sides": ("zero", "three", "four", "ten"),
    "larger": DIGITS,
}

RIGHT = [
    ("red", "colour", "red"),
    ("red", "colour", " Red. "),
    ("red", "colour", "it is not blue, it is red."),
    ("red", "colour", "it isn't blue but red"),
    ("red", "colour", "it isn’t a blue thing; it is red"),
    ("red", "colour", "red, not blue."),
    ("red", "colour", "red rather than blue"),
    ("red", "colour", "red instead of blue"),
    ("red", "colour", "neither blue nor green. it is red."),
    ("red", "colour", "what colour is it, blue? it is red."),
    ("red", "colour", "the red thing is red."),
    ("red", "colour", "no, it is red"),
    ("7", "kind", "the number 7 is at top-left."),
    ("7", "kind", "it is a seven."),
    ("7", "kind", "seven, not 1."),
    ("circle", "kind", "the one at top-left is a small red circle."),
    ("circle", "kind", "it is not the number 7 but a circle"),
    ("1", "kind", "it is a one."),
    ("large", "size", "it is large, not small."),
    ("top-left", "where", "the red thing is in the top left corner."),
    ("top-left", "where", "not at bottom-left: top-left."),
    ("yes", "is_there", "yes, there is a red thing."),
    ("yes", "is_there", "yes, there is the number 7."),
    ("yes", "is_there", "there is a red thing."),
    ("yes", "is_there", "yes"),
    ("yes", "is_there", "yes, a red thing is there, not a blue one."),
    ("no", "is_there", "no."),
    ("no", "is_there", "no, there is no red thing."),
    ("no", "is_there", "there isn't a red thing."),
    ("no", "is_there", "there are no circles here."),
    ("no", "is_there", "no, there is no circle, but there is a star."),
    ("no", "is_there", "the picture does not show a circle."),
    ("no", "is_there", "none"),
    ("two", "how_many", "2"),
    ("two", "how_many", "there are two things: a 7 and a 3."),
    ("two", "how_many", "there are two large red things."),
    ("two", "how_many", "the one at top-left and the one at top-right are two things."),
    ("two", "how_many", "there are not three things, there are two things."),
    ("one", "how_many", "there is one thing."),
    ("odd", "parity", "the number at top-left is 7, and 7 is odd."),
    ("odd", "parity", "odd or even? it is odd."),
    ("odd", "parity", "7 is not even, 7 is odd."),
    ("three", "sides", "a triangle has 3 sides."),
    ("three", "sides", "the one thing at top-left is three-sided."),
    ("three", "sides", "three"),
    ("three", "sides", "it has three sides, not four."),
    ("zero", "sides", "a circle has no sides."),
    ("zero", "sides", "none."),
    ("ten", "sides", "10"),
    ("9", "larger", "the numbers are 3 and 9, and 9 is the largest."),
    ("9", "larger", "the numbers are 2, 7 and 9, and 9 is the largest."),
    ("9", "larger", "9 is larger than 3."),
    ("9", "larger", "9 is larger than 2, 7 and 3."),
    ("9", "larger", "the larger one is 9."),
    ("9", "larger", "the largest of 3 and 9 is 9."),
    ("9", "larger", "9 is larger than 3, and 3 is larger than 2."),
    ("9", "larger", "3 is not the largest, 9 is."),
    ("9", "larger", "3 is the smallest, 9 is the largest."),
    ("9", "larger", "nine"),
]
WRONG = [
    ("red", "colour", ""),
    ("red", "colour", "there is a thing."),
    ("red", "colour", "it is not red."),
    ("red", "colour", "it isn't red."),
    ("red", "colour", "it is not a small red circle."),
    ("red", "colour", "red or blue."),
    ("red", "colour", "it is red. it is blue."),
    ("red", "colour", "is it red?"),
    ("red", "colour", "it is bored."),
    ("red", "colour", "blue instead of red"),
    ("1", "kind", "nothing, there is none."),
    ("1", "kind", "the one at top-left is a circle."),
    ("1", "kind", "it is 11."),
    ("7", "kind", "7 or 1"),
    ("top-left", "where", "at top-left and bottom-left."),
    ("top-left", "where", "not at top-left."),
    ("top-left", "where", "top and left of bottom-right"),
    ("no", "is_there", "the number 7 is at top-left."),
    ("no", "is_there", "yes, there is no red thing."),
    ("no", "is_there", "no, there is a red thing."),
    ("no", "is_there", "I know nobody."),
    ("yes", "is_there", "no, there is a red thing."),
    ("yes", "is_there", "no red thing is there."),
    ("yes", "is_there", "is there a red thing?"),
    ("yes", "is_there", "yes and no, no"),
    ("one", "how_many", "none"),
    ("one", "how_many", "there are none."),
    ("one", "how_many", "there is a thing."),
    ("two", "how_many", "there are two things. there are three things."),
    ("two", "how_many", "more than two things"),
    ("two", "how_many", "one shape and one number."),
    ("odd", "parity", "even"),
    ("odd", "parity", "odd or even."),
    ("odd", "parity", "not odd"),
    ("odd", "parity", "it is oddly even"),
    ("three", "sides", "it has not three sides."),
    ("three", "sides", "three or four sides"),
    ("zero", "sides", "no, it has three sides."),
    ("one", "sides", "none"),
    ("9", "larger", "3 and 9"),
    ("9", "larger", "3 is the largest, 9 is not."),
    ("9", "larger", "3 is larger than 9."),
    ("9", "larger", "9 is not the largest."),
    ("3", "larger", "3 is the smallest."),
    ("3", "larger", "9 is larger than 3."),
]


@pytest.mark.parametrize(("key", "kind", "answer"), RIGHT)
def test_what_is_right_in_other_words_is_right(key, kind, answer):
    assert score_answer(key, kind, answer), claims(kind, answer)


@pytest.mark.parametrize(("key", "kind", "answer"), WRONG)
def test_what_only_looks_right_is_wrong(key, kind, answer):
    assert not score_answer(key, kind, answer), claims(kind, answer)


@pytest.mark.parametrize("kind", VALUES)
def test_a_word_alone_is_right_for_its_own_key_and_for_no_other(kind):
    for key in VALUES[kind]:
        right = [word for word in VALUES[kind] if score_answer(key, kind, word)]
        assert right == [key]


def test_the_teachers_sentences_are_right_for_their_own_key_and_for_no_other():
    """About 1,600 turns of all nine types, each against every value of its type."""
    seen = set()
    for split in ("train", "test", "combos"):
        for index, scene in enumerate(sample_scenes(120, 11, split)):
            rng = np.random.default_rng(index)
            for turn in [*conversation(scene, rng), *reasoning_turns(scene)]:
                seen.add(turn.kind)
                assert score_answer(turn, "", turn.answer)
                right = [v for v in VALUES[turn.kind] if score_answer(v, turn.kind, turn.answer)]
                assert right == [turn.key]
    assert seen == set(QUESTION_TYPES) and set(SEEN) < seen


def test_a_changed_word_makes_a_sentence_wrong():
    for index, scene in enumerate(sample_scenes(60, 12, "test")):
        for turn in conversation(scene, np.random.default_rng(index)):
            if turn.kind in ("colour", "size", "where", "kind", "how_many"):
                other = next(value for value in VALUES[turn.kind] if value != turn.key)
                changed = turn.answer.replace(turn.key, other)
                assert not score_answer(turn, "", changed)
                both = f"{turn.answer} {changed}"
                assert not score_answer(turn, "", both), "a contradiction is no answer"


def test_a_turn_brings_its_kind_and_a_key_needs_one():
    turn = Turn("what colour is it?", "it is red.", "red", "colour")
    assert score_answer(turn, "", "red") and score_answer(turn, "colour", "red")
    with pytest.raises(ValueError, match="Unknown kind of question ''"):
        score_answer("red", "", "red")
    with pytest.raises(ValueError, match="did you mean 'colour'"):
        score_answer("red", "color", "red")
    with pytest.raises(ValueError, match="'seven' answers no question of type 'colour'"):
        score_answer("seven", "colour", "red")
    with pytest.raises(ValueError, match="'' answers no question"):
        score_answer(Turn("a?", "b.", kind="sides"), "", "three")


SCENE = Scene(
    (
        Thing("circle", "red", "small", "top-left", (4, 4, 16, 16)),
        Thing("7", "blue", "large", "bottom-right", (25, 25, 22, 22), 3),
    )
)


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        (canonical_caption(SCENE), 1.0),
        ("a small red circle is at top-left.", 0.5),
        ("a small red circle is at top-left. a small blue 7 is at bottom-right.", 0.5),
        (f"{canonical_caption(SCENE)} there is a green star.", 2 / 3),
        (f"{canonical_caption(SCENE)} there is no green star.", 1.0),
        ("there is no small red circle at top-left.", 0.0),
        ("the picture does not show a small red circle at top-left.", 0.0),
        ("two things.", 0.0),
        ("", 0.0),
    ],
)
def test_a_description_is_scored_by_the_things_it_names_wholly_right(answer, score):
    assert detail_score(answer, SCENE) == pytest.approx(score)


def test_the_teachers_descriptions_are_wholly_right():
    for index, scene in enumerate(sample_scenes(60, 13, "test")):
        assert detail_score(detail(scene, np.random.default_rng(index))[0].answer, scene) == 1
