"""The chat widget, driven as a person would, its static twin, and what both of them ask with."""

import asyncio
from html import escape

import matplotlib
import numpy as np
import pytest
import torch
from IPython.core.formatters import DisplayFormatter

from course_lib.commands.blip2 import Opened
from course_lib.data.toy import ToyScenes
from course_lib.evaluation.asking import answer_to
from course_lib.evaluation.toy import Answerer
from course_lib.teach import chat_figure, chat_widget, question_box
from course_lib.teach.chat_figure import draw_answers, known_questions, sign_of
from course_lib.teach.chat_widget import STORED, ChatWidget
from course_lib.world.language import canonical_caption
from course_lib.world.questions import Question
from tests.tiny_runs import LANGUAGES, say, tiny_run

matplotlib.use("Agg")


@pytest.mark.parametrize("kind", LANGUAGES)
def test_a_typed_question_is_asked_as_evaluation_asks_it(kind):
    opened = tiny_run(kind)
    data = ToyScenes(3, 0, "test", opened.encoder)
    answerer = Answerer(opened.model, opened.tokenizer, data)
    rows, text = [0, 1, 2], "what is at top-left?"
    images = [data.pixel_values([row]) for row in rows]
    assert answerer.answers(rows, [text] * 3) == [answer_to(opened, i, text)[0] for i in images]
    assert answerer.captions(rows) == [answer_to(opened, i, "Describe.")[0] for i in images]
    assert answerer.answers([0], [text], images=False) == [answer_to(opened, None, text)[0]]


def test_a_click_puts_question_and_answer_into_the_transcript(widget, opened, scenes):
    entry = say(widget, "is there a red thing?")
    answer = answer_to(opened, scenes.pixel_values([0]), "is there a red thing?")[0]
    assert answer and f"<b>model:</b> {escape(answer)}" in entry
    assert "scene 1:</b> is there a red thing?" in entry
    assert "it read: question: is there a red thing? answer:" in entry
    assert widget.transcript.value == entry
    say(widget, "describe")
    assert "it read no words" in widget.entries[0] and widget.transcript.value.endswith(entry)


def press_enter(widget):
    widget.question._handle_custom_msg({"event": "submit"}, [])


def test_the_enter_key_asks(widget):
    widget.question.value = "how many things are there?"
    assert widget.entries == []
    press_enter(widget)
    assert len(widget.entries) == 1


def heads_of(widget):
    return [entry.partition("<br>")[0].partition("</b> ")[2] for entry in widget.entries]


def test_enter_before_the_letters_that_a_busy_kernel_gets_late_asks_the_whole_text(
    widget, monkeypatch
):
    monkeypatch.setattr(question_box, "QUIET", 0.2)

    async def kernel():
        for typed in ("is there a red thing?", "describe", ""):
            widget.question.value = typed[:1]
            press_enter(widget)
            await asyncio.sleep(0.05)
            widget.question.value = typed
            await asyncio.sleep(0.6)
        widget.question.value = "describe"
        await asyncio.sleep(0.6)
        press_enter(widget)
        await asyncio.sleep(0.6)
        press_enter(widget)  # the same again
        await asyncio.sleep(0.6)

    asyncio.run(kernel())
    assert heads_of(widget) == ["describe", "describe", "", "describe", "is there a red thing?"]
    assert "The prompt is empty: ask something" in widget.entries[2]


def test_a_second_question_waits_until_the_first_is_answered(widget, monkeypatch):
    monkeypatch.setattr(question_box, "QUIET", 0.05)
    widget.question.value = "describe"

    async def kernel():
        with widget._asking:
            widget.ask_button.click()
            await asyncio.sleep(0.3)
            assert widget.entries == []
        await asyncio.sleep(0.3)

    asyncio.run(kernel())
    assert heads_of(widget) == ["describe"]


def test_typed_text_is_escaped(widget):
    entry = say(widget, "<img src=x onerror=alert(1)> & <image>")
    assert "<img" not in entry and "<image>" not in entry
    assert "&lt;img src=x onerror=alert(1)&gt; &amp; &lt;image&gt;" in entry


def test_an_unknown_word_is_named_with_near_ones(widget):
    entry = say(widget, "is there a cirkle?")
    assert "does not know &#x27;cirkle&#x27;; near it: circle" in entry and "model:" in entry


@pytest.mark.parametrize("text", ["", "   "])
def test_an_empty_prompt_gets_one_sentence(widget, text):
    entry = say(widget, text)
    assert "The prompt is empty: ask something" in entry and "model:" not in entry
    assert "model:" in say(widget, "describe")


def test_a_prompt_beyond_the_context_gets_one_sentence(widget):
    assert "reads 40 at most" in say(widget, "red " * 60)


def test_scenes_go_round_and_bring_their_own_examples(widget, scenes):
    seen, chooser = [], widget.chooser
    for row in (0, 1, 2, 3, 0):
        assert chooser.row == row and f"Scene {row + 1} of 4" in chooser.facts.value
        assert canonical_caption(scenes.scenes[row]) in chooser.facts.value
        texts = [question.text for question in known_questions(scenes.scenes[row], row)]
        assert [value for _, value in widget.examples.options] == ["", *texts]
        assert widget.examples.value == ""
        seen.append(chooser.picture.value)
        chooser.next_button.click()
    assert seen[0] == seen[4] and len(set(seen)) == 4 and "image/png" in seen[0]
    chooser.previous_button.click()
    chooser.previous_button.click()
    assert chooser.row == 3 and "scene 4:" in say(widget, "describe")


def test_an_example_fills_the_text_box_as_often_as_it_is_chosen(widget):
    for _ in range(2):
        widget.question.value = "something else"
        widget.examples.value = "how many things are there?"
        assert widget.question.value == "how many things are there?"


def test_without_the_picture_the_language_model_answers_alone(widget, opened, scenes):
    text = "what is at bottom-left?"
    blind = answer_to(opened, None, text)[0]
    assert blind != answer_to(opened, scenes.pixel_values([0]), text)[0]
    widget.blind.value = True
    entry = say(widget, text)
    assert "scene 1, without the picture:" in entry and f"<b>model:</b> {escape(blind)}" in entry


def test_a_verdict_is_given_where_the_scene_states_the_answer(widget, scenes, monkeypatch):
    question = known_questions(scenes.scenes[0])[1]
    answer = {"text": question.answer}
    monkeypatch.setattr(chat_widget, "answer_to", lambda *_, **__: (answer["text"], []))
    assert "✓ right" in say(widget, f" {question.text.upper()} ")
    answer["text"] = "<b>wrong</b>"
    entry = say(widget, question.text)
    assert f"✗ the scene says: {question.answer}" in entry and "&lt;b&gt;wrong" in entry
    assert "✓" not in say(widget, "who?") and "✗" not in say(widget, "who?")


def test_a_stage_1_run_is_refused(opened, scenes):
    first = Opened(torch.nn.Linear(1, 1), opened.encoder, opened.tokenizer, {})
    for make in (ChatWidget, lambda run, data: draw_answers(run, data, [])):
        with pytest.raises(ValueError, match="stage-2"):
            make(first, scenes)


def test_what_a_notebook_stores_is_the_same_everywhere(widget, opened, scenes):
    say(widget, "describe")
    view = "application/vnd.jupyter.widget-view+json"
    for one in (widget, ChatWidget(opened, scenes, row=2)):
        data, metadata = DisplayFormatter().format(one)
        assert set(data) == {"text/plain", view} and metadata == {}
        assert data["text/plain"] == repr(one) == STORED
        assert data[view]["model_id"] == one.box.model_id
    assert "0x" not in STORED and "\\x" not in STORED and len(STORED) < 100


def test_every_known_question_has_the_scenes_own_answer(opened, scenes):
    for scene in scenes.scenes:
        questions = known_questions(scene)
        assert sign_of(opened, canonical_caption(scene), questions[0]) == "✓"
        assert {"colour", "kind", "size", "is_there", "how_many"} <= {q.type for q in questions}


def figure_texts(figure):
    return [text.get_text() for axis in figure.axes for text in axis.texts]


def test_the_twin_holds_the_models_answers(opened, scenes):
    asked = [(row, q) for row in (2, 0) for q in known_questions(scenes.scenes[row])[1:4]]
    figure = draw_answers(opened, scenes, asked)
    texts = figure_texts(figure)
    assert len(figure.axes) == 2 and texts[::2] == [question.text for _, question in asked]
    for (row, question), text in zip(asked, texts[1::2], strict=True):
        answer = answer_to(opened, scenes.pixel_values([row]), question.text)[0]
        assert text.startswith(sign_of(opened, answer, question))
        assert answer.split()[0] == text.split()[1] and text.endswith(f"{question.answer})")
    drawn = figure.axes[0].images[0].get_array()
    assert np.array_equal(drawn, scenes.images[2])
    matplotlib.pyplot.close(figure)


def test_the_twin_marks_right_and_wrong_by_sign_and_colour(opened, scenes, monkeypatch):
    asked = [(0, Question("kind", "what is at top-left?", "7")), (0, Question("sides", "?", "ten"))]
    answers = iter([("7.", []), ("word " * 48, []), ("", []), ("ten", [])])
    monkeypatch.setattr(chat_figure, "answer_to", lambda *_: next(answers))
    first, second = (draw_answers(opened, scenes, asked) for _ in range(2))
    right, wrong = (text for text in first.axes[0].texts[1::2])
    assert right.get_text() == "✓ 7." and right.get_color() == "#0072B2"
    assert wrong.get_text().startswith("✗ word") and wrong.get_color() == "#D55E00"
    assert wrong.get_text().endswith("… (the scene says: ten)") and "\n" not in wrong.get_text()
    assert figure_texts(second)[1::2] == ["✗ (nothing) (the scene says: 7)", "✓ ten"]
    assert (first.get_size_inches() == second.get_size_inches()).all()
    matplotlib.pyplot.close("all")


def test_the_twin_refuses_to_draw_nothing(opened, scenes):
    with pytest.raises(ValueError, match="at least one"):
        draw_answers(opened, scenes, [])
