"""Asking with any number of pictures, and the scores of text alone, several pictures, clips."""

import pytest
import torch

from course_lib.data.toy_owl import OwlScenes
from course_lib.evaluation import joint
from course_lib.evaluation.joint import JointAsker, clip_scores, several_scores, text_scores
from course_lib.instructions.toy_text import TEXT_KINDS
from course_lib.world.questions import QUESTION_TYPES
from tests.tiny_owl import tiny_owl


@pytest.fixture(scope="module")
def asker():
    opened = tiny_owl()
    data = OwlScenes(80, 1, "test", opened.encoder, clips=12)
    asker = opened.asker
    return JointAsker(opened.model, asker.chat, asker.template, data)


class Knowing(JointAsker):
    """Answers from what it is told beforehand, so that scores need no training."""

    def __init__(self, asker, say):
        super().__init__(asker.model, asker.chat, asker.template, asker.data)
        self.say = say

    def answers(self, asked):
        return [self.say(parts, rows) for parts, rows in asked]


def test_answers_come_in_the_order_asked_whatever_their_length(asker, monkeypatch):
    monkeypatch.setattr(joint, "LONGEST", 4)
    asked = [
        (("what is it? what is it? what is it?",), ()),
        (("", " what is there?"), (3,)),
        (("first picture: ", " second picture: ", " which?"), (4, 5)),
        (("hello",), ()),
    ]
    together = asker.answers(asked)
    alone = [asker.answers([one])[0] for one in asked]
    assert together == alone and len(set(alone)) > 1
    other = asker.answers([(asked[1][0], (60,))])[0]
    assert isinstance(other, str)


def test_pictures_matter_and_their_order_does(asker):
    parts = ("first picture: ", " second picture: ", " which?")
    prompts = [asker._prompt(0, parts, rows) for rows in ((4, 5), (5, 4))]
    assert prompts[0] == prompts[1]
    batches = [
        {"input_ids": torch.tensor([prompts[0]]), **asker.data.image_inputs(list(rows))}
        for rows in ((4, 5), (5, 4))
    ]
    with torch.no_grad():
        first, second = (asker.model.logits(batch)[0, -1] for batch in batches)
    assert (first - second).abs().max() > 1e-3


def test_images_and_places_have_to_be_as_many(asker):
    for rows in ((), (1, 2)):
        with pytest.raises(ValueError, match=rf"Prompt 1 comes with {len(rows)} images? .* for 1"):
            asker.answers([(("hi",), ()), (("", " what?"), rows)])


def test_a_prompt_that_does_not_fit_says_which_and_how_long(asker):
    with pytest.raises(ValueError, match=r"Prompt 1 takes 4\d\d positions.* 384 with the answer"):
        asker.answers([(("hi",), ()), (("red " * 400,), ())])


def test_text_scores_count_types_and_kinds_alike(asker):
    found = text_scores(Knowing(asker, lambda parts, rows: "yes, red is odd."), 4)
    assert list(found["by_kind"]) == list(TEXT_KINDS[:-1])
    assert set(found["told"]) == set(QUESTION_TYPES)
    assert found["by_kind"]["told"] == pytest.approx(sum(found["told"].values()) / 9)
    assert found["all"] == pytest.approx(sum(found["by_kind"].values()) / 4)
    assert 0 < found["told"]["is_there"] < 1 and found["by_kind"]["repeat"] == 0


def test_several_scores_are_told_apart_by_the_number_of_pictures(asker):
    shown = []

    def say(parts, rows):
        shown.append((len(rows), parts[-1]))
        return "the second picture."

    found = several_scores(Knowing(asker, say), 30)
    assert found["chance"] == {"2": 0.5, "3": 1 / 3, "4": 0.25}
    assert sorted({count for count, _ in shown}) == [0, 2, 3, 4] and len(shown) == 270
    for count, chance in found["chance"].items():
        assert abs(found["which"][count] - chance) < 0.3
    assert set(found["inside"]) == {"2", "3", "4"} and max(found["inside"].values()) < 0.2
    assert found["in_words"] == found["which"]  # this one says the same to both


def test_clip_scores_are_of_colour_and_kind(asker):
    keys = {clip.turn.key: clip for clip in asker.data.clips}
    truth = {(c.before, c.after): c.turn.key for c in keys.values()}
    right = Knowing(asker, lambda parts, rows: truth[rows[0], rows[-1]] if rows else "nothing")
    found = clip_scores(right, 12)
    assert found["moved"] == 1.0 and found["in_words"] == 0.0
    assert 1 / 3 <= found["chance"] <= 0.5
    assert (
        clip_scores(Knowing(asker, lambda *_: "the red circle and the blue star"), 12)["moved"] < 1
    )
    assert clip_scores(asker, 4)["moved"] < 1
