"""Scores of captions and answers, on cases that can be counted by hand."""

import pytest

from course_lib.evaluation.captions import (
    attribute_shares,
    caption_scores,
    named_things,
    things_right,
)
from course_lib.evaluation.vqa import is_right, vqa_scores
from course_lib.world import Scene, Thing, sample_scenes
from course_lib.world.language import canonical_caption, captions
from course_lib.world.questions import Question

SCENE = Scene(
    (
        Thing("circle", "red", "small", "top-left", (4, 4, 16, 16)),
        Thing("7", "blue", "large", "bottom-right", (25, 25, 22, 22), scan=3),
    )
)


@pytest.mark.parametrize(
    ("text", "right", "total"),
    [
        (canonical_caption(SCENE), 2, 2),
        ("a large blue 7 at bottom-right and a small red circle at top-left.", 2, 2),
        ("a small red circle at top-left.", 1, 2),
        ("a small red circle at top-left and a large blue 1 at bottom-right.", 1, 2),
        ("a small red circle at top-left and a small red circle at top-left.", 1, 2),
        ("a red circle at top-left and a large blue 7 at bottom-right.", 1, 2),
        (canonical_caption(SCENE)[:-1] + " and a small green star at top-right.", 2, 3),
        ("", 0, 2),
        ("and and at at the", 0, 2),
    ],
)
def test_things_right_counts_by_hand(text, right, total):
    assert things_right(text, SCENE) == (right, total)


def test_every_form_with_all_attributes_is_read():
    for scene in sample_scenes(50, 0):
        for text in captions(scene)[:2]:
            assert things_right(text, scene) == (len(scene.things),) * 2


def test_a_first_attribute_stands():
    assert named_things("a small red red circle at top-left")[0]["colour"] == "red"


def test_caption_scores_of_the_truth_and_of_nothing():
    scenes = sample_scenes(8, 0)
    perfect = caption_scores([canonical_caption(scene) for scene in scenes], scenes)
    assert perfect["things_right"] == perfect["exact"] == 1.0 and perfect["cider"] > 1
    nothing = caption_scores(["the"] * 8, scenes)
    assert nothing["things_right"] == nothing["exact"] == 0.0


def test_counts_must_fit():
    with pytest.raises(ValueError, match="1 captions for 2 scenes"):
        caption_scores(["x"], sample_scenes(2, 0))
    with pytest.raises(ValueError, match="1 answers to 0 questions"):
        vqa_scores(["x"], [])


def test_types_count_the_same_whatever_their_number():
    questions = [Question("colour", "?", "red")] * 3 + [Question("size", "?", "small")]
    scores = vqa_scores(["red", "red", "blue", "small"], questions)
    assert scores["by_type"] == {"colour": 2 / 3, "size": 1.0}
    assert scores["all"] == pytest.approx(5 / 6)


@pytest.mark.parametrize(("answer", "right"), [("Red.", True), (" red ", True), ("red red", False)])
def test_case_space_and_full_stop_do_not_matter(answer, right):
    assert is_right(answer, Question("colour", "?", "red")) == right


def test_attributes_are_counted_one_by_one_at_their_places():
    blue = Scene((Thing("star", "blue", "small", "top-left", (4, 4, 16, 16)),))
    said = ["a large red circle at top-left and a large blue 1 at bottom-left.", ""]
    found = attribute_shares(said, [SCENE, blue])
    # The circle's colour and shape are right, its size is not; the 7 and the star are not named.
    assert found["colour"] == pytest.approx(1 / 3) and found["size"] == 0
    assert found["shape"] == 1 / 2 and found["digit"] == 0
    # top-left, bottom-left and bottom-right of the first scene, top-left of the second.
    assert found["place"] == 1 / 4
    right = attribute_shares([canonical_caption(SCENE)], [SCENE])
    assert right == {"colour": 1, "size": 1, "shape": 1, "digit": 1, "place": 1}
    assert "digit" not in attribute_shares(["a small thing."], [blue])


def test_of_two_things_named_at_one_place_the_first_counts():
    said = "a small red circle at top-left and a large blue star at top-left."
    found = attribute_shares([said], [SCENE])
    assert found["colour"] == 1 / 2 and found["place"] == 1 / 2


def test_attributes_need_one_caption_a_scene():
    with pytest.raises(ValueError, match="shorter"):
        attribute_shares(["a", "b"], [SCENE])
