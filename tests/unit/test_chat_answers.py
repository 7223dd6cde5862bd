"""The chat's answer as it grows, and what each query read of the picture afterwards."""

import io
import re
from base64 import b64decode
from html import escape, unescape

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.evaluation.asking import answer_to
from course_lib.teach import chat_widget, query_strip
from course_lib.teach.chat_widget import RESTARTED, ChatWidget
from course_lib.teach.query_strip import gaze_in_words, last_gaze
from tests.tiny_runs import LANGUAGES, say, tiny_run

matplotlib.use("Agg")


@pytest.mark.parametrize("kind", LANGUAGES)
@pytest.mark.parametrize("blind", [False, True])
def test_the_answer_comes_word_by_word_and_is_the_same(kind, blind):
    opened = tiny_run(kind)
    pixels = None if blind else torch.randn(1, 3, 48, 48, generator=torch.manual_seed(0))
    for text in ("what is at top-left?", "describe"):
        seen = []
        answer, notes = answer_to(opened, pixels, text, 12, on_token=seen.append)
        assert (answer, notes) == answer_to(opened, pixels, text, 12)
        assert len(seen) > 1 and seen[-1] == answer
        lengths = [len(part) for part in seen]
        assert lengths == sorted(lengths) and all(answer.startswith(part) for part in seen)


def test_the_transcript_grows_with_the_answer(widget, opened, scenes):
    shown = []
    widget.transcript.observe(lambda change: shown.append(change["new"]), "value")
    entry = say(widget, "describe")
    answer = answer_to(opened, scenes.pixel_values([0]), "describe")[0].strip()
    growing = [text for text in shown if text.endswith(" …</p>")]
    assert len(growing) > 1 and f"{escape(answer)} …" in growing[-1]
    assert all(answer.startswith(unescape(t.split("</b> ")[-1][:-6])) for t in growing)
    assert shown[-1] == entry and "…" not in entry and len(widget.entries) == 1


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (RuntimeError("no memory <b>"), "(RuntimeError: no memory &lt;b&gt;). Ask again"),
        (ValueError("late"), "(ValueError: late)"),
        (KeyboardInterrupt(), "it was interrupted. Ask again."),
    ],
)
def test_a_failure_in_the_middle_leaves_a_sentence(widget, monkeypatch, error, sentence):
    real = chat_widget.answer_to

    def breaks(*args, on_token):
        def tell(text):
            on_token(text)
            if text.count(" "):
                raise error

        return real(*args, on_token=tell)

    monkeypatch.setattr(chat_widget, "answer_to", breaks)
    entry = say(widget, "describe")
    assert "The answer broke off after" in entry and sentence in entry and "model:" not in entry
    assert widget.strip.view.value == ""
    monkeypatch.setattr(chat_widget, "answer_to", real)
    assert "model:" in say(widget, "describe") and len(widget.entries) == 2


def test_a_failure_before_the_first_word_is_said(widget, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("weights are gone")

    monkeypatch.setattr(chat_widget, "answer_to", fails)
    assert "There is no answer (RuntimeError: weights are gone)" in say(widget, "describe")


def test_a_restarted_kernel_is_explained_beforehand(widget):
    assert widget.box.children[-1].value == RESTARTED and "restarted" in RESTARTED


def strip_of(widget):
    """Returns the PNG of the strip as an array, and its text alternative."""
    found = re.fullmatch(
        r'<img style="[^"]*" alt="([^"]+)" src="data:image/png;base64,(.+)">',
        widget.strip.view.value,
    )
    return np.asarray(Image.open(io.BytesIO(b64decode(found[2])))), unescape(found[1])


def test_an_answer_brings_what_each_query_reads(widget, opened, scenes):
    assert widget.strip.view.value == ""
    say(widget, "describe")
    drawn, words = strip_of(widget)
    weights = last_gaze(opened, scenes.pixel_values([0]))
    assert drawn.shape[1] > 300 and words == gaze_in_words(weights)
    assert weights.shape == (4, 37) and torch.allclose(weights.sum(1), torch.ones(4))
    assert plt.get_fignums() == []
    widget.chooser.next_button.click()
    assert widget.strip.view.value == ""
    say(widget, "describe")
    assert strip_of(widget)[1] != words
    widget.blind.value = True
    say(widget, "describe")
    assert widget.strip.view.value == ""


def test_the_strip_goes_and_comes_with_its_checkbox(widget):
    widget.strip.wanted.value = False
    say(widget, "describe")
    assert widget.strip.view.value == ""
    widget.strip.wanted.value = True
    assert strip_of(widget)[1].startswith("The patch that each query reads most")


def test_words_name_the_patch_and_the_class_token():
    weights = torch.full((2, 37), 0.01)
    weights[0, 1 + 8], weights[1, 0], weights[1, 36] = 0.64, 0.5, 0.15
    words = gaze_in_words(weights)
    assert "of 6 rows and 6 columns" in words
    assert (
        "query 0: row 2, column 3 (0.64), query 1: row 6, column 6 (0.15; the class token 0.50)"
        in (words)
    )


def test_a_head_without_cross_attention_has_no_strip(scenes):
    opened = tiny_run("opt")
    for layer in opened.model.vpg.head.layers:
        layer.cross_attention = None
    strip = ChatWidget(opened, scenes).strip
    assert not strip.works and strip.wanted.layout.display == "none" and not strip.wanted.value
    strip.show(scenes.images[0], scenes.pixel_values([0]))
    strip.wanted.value = True
    assert strip.view.value == ""


@pytest.mark.parametrize("broken", [torch.full((4, 37), torch.nan), torch.ones(4, 11)])
def test_a_gaze_that_cannot_be_drawn_is_a_sentence(widget, monkeypatch, broken):
    monkeypatch.setattr(query_strip, "last_gaze", lambda *_: broken)
    assert "model:" in say(widget, "describe")
    assert "What the queries read cannot be shown. ValueError" in widget.strip.view.value
    assert plt.get_fignums() == []
