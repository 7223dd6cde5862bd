"""One question to several models: answers, what each one read, the figure and the widget."""

from html import escape

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from IPython.core.formatters import DisplayFormatter

from course_lib.data.toy import ToyScenes
from course_lib.evaluation.asking import answer_to
from course_lib.evaluation.interleaved_asking import InterleavedAsker
from course_lib.teach.chat_figure import known_questions
from course_lib.teach.query_strip import last_gaze
from course_lib.teach.six_figure import answer_gaze, ask_one, draw_six, lit, said_in_words
from course_lib.teach.six_widget import STORED, SixWidget
from tests.tiny_owl import tiny_owl
from tests.tiny_runs import tiny_encoder, tiny_llava, tiny_run
from tests.unit.test_gated_vlm import TOKENIZERS, tiny

QUESTION = "what is at top-left?"


def tiny_flamingo(llava):
    model = tiny(closed=False, encoder=tiny_encoder(drop_cls=True))
    tokenizer = TOKENIZERS["llama"]
    return type(llava)(model, model.vpg.encoder, tokenizer, {}, InterleavedAsker(tokenizer))


@pytest.fixture(scope="module")
def six():
    llava = tiny_llava()
    found = {"BLIP-2": tiny_run("opt"), "LLaVA": llava, "mPLUG-Owl": tiny_owl()}
    return found | {"Flamingo": tiny_flamingo(llava)}


@pytest.fixture(scope="module")
def scenes(six):
    return ToyScenes(4, 0, "test", six["BLIP-2"].encoder)


def test_each_kind_of_head_has_a_map(six, scenes):
    pixels = scenes.pixel_values([0])
    maps = {name: answer_gaze(opened, pixels, QUESTION, "red") for name, opened in six.items()}
    assert {name: len(found) for name, found in maps.items()} == {
        "BLIP-2": 37,
        "LLaVA": 36,
        "mPLUG-Owl": 37,
        "Flamingo": 36,
    }
    for name, found in maps.items():
        assert found.min() >= 0 and 0 < found.sum() <= 1 + 1e-5, name
    assert torch.allclose(maps["BLIP-2"], last_gaze(six["BLIP-2"], pixels).mean(0))
    assert maps["Flamingo"].sum() == pytest.approx(1, abs=1e-5)
    other = answer_gaze(six["LLaVA"], scenes.pixel_values([1]), QUESTION, "red")
    assert not torch.allclose(maps["LLaVA"], other, atol=1e-4)
    assert answer_gaze(six["LLaVA"], pixels, QUESTION, "") is None


def test_an_answer_is_that_of_the_chat_and_has_its_sign(six, scenes):
    pixels, known = scenes.pixel_values([0]), known_questions(scenes.scenes[0])[1]
    for name, opened in six.items():
        found = ask_one(opened, pixels, known.text, known)
        assert found.answer == answer_to(opened, pixels, known.text)[0].strip(), name
        right = opened.asker.is_right(found.answer, known)
        assert found.sign == ("✓" if right else "✗")
    blind = ask_one(six["LLaVA"], None, known.text)
    assert (blind.sign, blind.weights) == ("", None)
    assert blind.answer == answer_to(six["LLaVA"], None, known.text)[0].strip()


def test_the_figure_holds_every_question_and_answer(six, scenes):
    asked = known_questions(scenes.scenes[1], 1)[1:3]
    figure = draw_six(six, scenes, 1, asked)
    (axis,) = figure.axes
    words = " ".join(" ".join(text.get_text() for text in axis.texts).split())
    assert all(question.text in words and question.answer in words for question in asked)
    assert all(name in words for name in six)
    assert len(axis.images) == 1 + len(six)
    plt.close(figure)
    with pytest.raises(ValueError, match="nothing to draw"):
        draw_six({}, scenes)


def test_what_is_read_most_stays_bright():
    image, weights = np.full((48, 48, 3), 200, np.uint8), torch.full((37,), 0.01)
    weights[0], weights[1 + 8] = 0.9, 0.2  # the class token; second row, third column
    shown = lit(image, weights)
    assert shown.shape == image.shape and (shown[8:16, 16:24] == 200).all()
    assert shown[0, 0, 0] < 70
    with pytest.raises(ValueError, match="square of patches"):
        lit(image, torch.ones(30))


def ask(widget, text):
    widget.question.value = text
    widget.ask_button.click()
    return widget.view.value


def test_a_click_asks_all_of_them(six, scenes):
    widget = SixWidget(six, scenes)
    shown = ask(widget, QUESTION)
    pixels = scenes.pixel_values([0])
    for name, opened in six.items():
        answer = answer_to(opened, pixels, QUESTION)[0].strip()
        assert name in shown and (not answer or escape(answer) in shown)
    assert "data:image/png;base64," in shown and not widget.message.value
    assert not plt.get_fignums()
    widget.blind.value = True
    assert "without the picture" in ask(widget, QUESTION)
    widget.chooser.next_button.click()
    assert widget.view.value == ""


def test_a_drawn_scene_is_asked_about_and_enter_asks(six, scenes):
    widget = SixWidget(dict(list(six.items())[:1]), scenes)
    widget.chooser.way.value = "draw"
    widget.question.value = "Describe"
    widget.question._handle_custom_msg({"event": "submit"}, [])
    assert "your drawing: Describe" in widget.view.value
    assert "the scene says: " in widget.view.value


def test_bad_questions_get_a_sentence_and_nothing_raises(six, scenes):
    widget = SixWidget(six, scenes)
    assert ask(widget, "   ") == "" and "The question is empty" in widget.message.value
    assert ask(widget, "red " * 900).count("no answer: ") >= len(six)
    shown = ask(widget, "<img src=x onerror=alert(1)>")
    assert "<img src=x" not in shown and "&lt;img src=x" in shown


def test_who_cannot_answer_is_refused(scenes, six):
    with pytest.raises(ValueError, match="nobody to ask"):
        SixWidget({}, scenes)
    blind = type(six["LLaVA"])(torch.nn.Linear(1, 1), None, None, {}, None)
    with pytest.raises(ValueError, match="stage-1 run"):
        SixWidget({"stage 1": blind}, scenes)


def test_what_a_notebook_stores_is_one_line(six, scenes):
    data, _ = DisplayFormatter().format(SixWidget(six, scenes))
    assert data["text/plain"] == STORED


def test_the_same_in_words(six, scenes):
    known = known_questions(scenes.scenes[0])[1]
    said = {"A": ask_one(six["BLIP-2"], scenes.pixel_values([0]), known.text, known, gaze=False)}
    (line,) = said_in_words(said)
    assert line.startswith(("A (right): ", "A (wrong): ")) and said["A"].weights is None
