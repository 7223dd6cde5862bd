"""Questions about several pictures: drawn at random, answered, and drawn with what was read."""

import re
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from IPython.core.formatters import DisplayFormatter

from course_lib.data import chat_templates
from course_lib.data.chat_templates import HUMAN, chat_pieces
from course_lib.data.toy_owl import OwlScenes
from course_lib.evaluation.joint import JointAsker
from course_lib.instructions.teacher import Turn
from course_lib.teach import several_figure
from course_lib.teach.several_figure import (
    CLIP,
    Asked,
    answered,
    draw_question,
    draw_several,
    name_gaze,
    right_most,
)
from course_lib.teach.several_widget import STORED, SeveralWidget
from course_lib.teach.word_gaze import picture_gaze
from course_lib.world.documents import ORDINALS
from tests.tiny_owl import tiny_owl


class Knowing(JointAsker):
    """Says what it is told to, so that no training is needed."""

    said = "the second picture has a star."

    def answers(self, asked):
        return [self.said for _ in asked]


@pytest.fixture(scope="module")
def asker():
    opened = tiny_owl()
    data = OwlScenes(60, 1, "test", opened.encoder, clips=8)
    return Knowing(opened.model, opened.asker.chat, opened.asker.template, data)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def words_of(axis):
    return [text.get_text() for text in axis.texts]


def test_questions_are_drawn_for_any_number_of_pictures(asker):
    rng = np.random.default_rng(0)
    for count in (2, 3, 4):
        keys = set()
        for _ in range(20):
            asked = draw_question(asker.data, count, rng)
            assert len(asked.rows) == count == len(asked.parts) - 1
            assert asked.turn.question in asked.parts[-1]
            keys.add(asked.turn.key)
        assert keys == set(ORDINALS[:count])
    clip = draw_question(asker.data, CLIP, rng)
    assert clip.turn.question == "what moved?" and len(set(clip.rows)) == 2
    for count in (1, 5, "film"):
        with pytest.raises(ValueError, match=f"{count!r} pictures: ask about 2 to 4"):
            draw_question(asker.data, count, rng)
    still = OwlScenes(4, 1, "test", asker.data.encoder, encoded=False)
    with pytest.raises(ValueError, match="have no clip"):
        draw_question(still, CLIP, rng)


def test_the_figure_holds_question_answer_sign_truth_and_shares(asker):
    rng = np.random.default_rng(1)
    asked = [draw_question(asker.data, count, rng) for count in (2, 3, 4, CLIP)]
    figure = draw_several(asker, asked, head=(1, 0))
    assert len(figure.axes) == 4
    for axis, (one, said, right) in zip(figure.axes, answered(asker, asked), strict=True):
        texts = words_of(axis)
        assert texts[0] == one.turn.question and len(axis.images) == len(one.rows)
        truth = "" if right else f" (right: {one.turn.answer})"
        assert texts[1] == f"{'✓' if right else '✗'} {said}{truth}"
        assert right == (one.turn.key == "second")
        found = [text for text in texts if re.fullmatch(r"\d+%", text)]
        if one.turn.kind == "which":
            word, shares = name_gaze(asker, one)
            assert word in one.turn.question and shares.shape[2] == len(one.rows)
            assert (shares.sum(2) > 0).all() and (shares.sum(2) < 1).all()
            assert found == [f"{share:.0%}" for share in shares[1, 0]]
            assert any(f"what “{word}” reads" in text for text in texts)
        else:
            assert not found and "no bars: this question names no thing" in texts
        names = [text for text in texts if re.fullmatch(r"\w+ (picture|frame)", text)]
        thing = "frame" if one.turn.kind == "moved" else "picture"
        assert names == [f"{name} {thing}" for name in ORDINALS[: len(one.rows)]]
        for image, row in zip(axis.images, one.rows, strict=True):
            assert np.array_equal(image.get_array(), asker.data.images[row])
    with pytest.raises(ValueError, match="nothing to draw"):
        draw_several(asker, [])


def test_an_empty_answer_is_said(asker, monkeypatch):
    monkeypatch.setattr(asker, "said", "")
    asked = draw_question(asker.data, 2, np.random.default_rng(2))
    texts = words_of(draw_several(asker, [asked]).axes[0])
    assert texts[1].startswith("✗ (nothing) (right: ") and not any("%" in t for t in texts)


def test_an_answer_that_rambles_gives_way_to_the_right_one(asker, monkeypatch):
    monkeypatch.setattr(asker, "said", "the first picture shows two things. " * 9)
    asked = draw_question(asker.data, 4, np.random.default_rng(2))
    said = words_of(draw_several(asker, [asked]).axes[0])[1]
    assert len(said) <= several_figure.LINE + 2 and " … (right: the " in said


def test_the_name_is_read_where_the_question_says_it(asker):
    parts = ("first picture: ", " second picture: ", " which picture has a red star?")
    turn = Turn("which picture has a red star?", "", "second", "which")
    asked = Asked(parts, (3, 4), turn)
    ids = asker.chat(chat_pieces(asker.template, [chat_templates.Turn(HUMAN, parts)], False)).ids
    words = [asker.chat.tokenizer.decode([id]).strip() for id in ids]
    assert words.count("red") == 1 and words[words.index("red") + 1] == "star"
    whole = picture_gaze(asker.model, asker.data.image_inputs([3, 4]), ids)
    word, shares = name_gaze(asker, asked)
    assert word == "red" and torch.equal(shares, whole[:, :, words.index("red")])
    counted = right_most(asker, [asked, replace(asked, turn=replace(turn, key="first"))])
    assert torch.equal(counted, torch.full_like(counted, 0.5))  # one of the two, whichever
    assert torch.equal(right_most(asker, [asked]), (shares[:, :, 1] > shares[:, :, 0]).float())
    clip = draw_question(asker.data, CLIP, np.random.default_rng(3))
    with pytest.raises(ValueError, match="'what moved\\?' names nothing"):
        name_gaze(asker, clip)


def test_the_widget_asks_another_and_a_fault_is_a_sentence(asker, monkeypatch):
    shown = SeveralWidget(asker, (0, 1), seed=4)
    first = shown.view.value
    assert "<img" in first and "which picture has" in first and "second: " in first
    assert "in block 0, head 1" in first
    shown.button.click()
    assert shown.view.value != first
    shown.count.value = CLIP
    assert "what moved?" in shown.view.value and not plt.get_fignums()
    monkeypatch.setattr(several_figure, "picture_gaze", lambda *_: 1 / 0)
    shown.count.value = 2
    assert "cannot be asked. ZeroDivisionError" in shown.view.value
    data, _ = DisplayFormatter().format(shown)
    assert data["text/plain"] == STORED == repr(shown)
