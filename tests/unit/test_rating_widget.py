"""The rating sheet, clicked and typed into as a person would, and its picture on paper."""

import html
import json
import re
from itertools import pairwise

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from IPython.core.formatters import DisplayFormatter
from ipywidgets import Button, Text
from PIL import Image

from course_lib.evaluation.owl_eval import OwlAnswer, OwlEval, OwlQuestion
from course_lib.evaluation.owl_eval_folder import find_pictures
from course_lib.evaluation.owl_eval_toy import make_owl_eval
from course_lib.evaluation.ratings import GRADES, Item, items_of
from course_lib.teach.rating_figure import LINES, draw_rating
from course_lib.teach.rating_picture import html_of, words_of
from course_lib.teach.rating_widget import DONE, NO_ANSWER, STORED, RatingWidget
from course_lib.world.draw import draw_scene
from course_lib.world.language import canonical_caption

matplotlib.use("Agg")
OWL = make_owl_eval()
MODELS = ("joint-run", "blind-run")
ANSWERS = {
    model: {id: OwlAnswer(id, f"answer {id}{sign}", model) for id in (4, 5, 36)}
    for model, sign in zip(MODELS, ".!", strict=True)
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "r1.jsonl"


@pytest.fixture
def sheet(path):
    return RatingWidget(OWL, ANSWERS, path, "r1")


def kept(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def text_of(widget):
    return html.unescape(re.sub("<[^>]+>", " ", widget.value))


def values_of(widget):
    """Every text that a person, or a screen reader, can find in the widget."""
    own = [str(getattr(widget, name, "")) for name in ("value", "description", "placeholder")]
    return " ".join([*own, *(values_of(child) for child in getattr(widget, "children", ()))])


def controls_of(widget):
    children = getattr(widget, "children", ())
    return [widget] * isinstance(widget, Button | Text) + [
        found for child in children for found in controls_of(child)
    ]


def test_it_shows_question_answer_picture_and_progress(sheet):
    item = sheet.item
    question = OWL.question(item.question_id)
    assert f"question: {question.text}" in re.sub(r"\s+", " ", text_of(sheet.words))
    assert item.text in text_of(sheet.words)
    assert sheet.place.value == "answer 1 of 6, 0 rated"
    assert (sheet.progress.value, sheet.progress.max) == (0, 6)
    caption = html.escape(canonical_caption(OWL.scenes[question.image]))
    assert f'alt="{caption}"' in sheet.picture.value and "image/png" in sheet.picture.value


def test_a_click_keeps_a_rating_and_goes_on(sheet, path):
    first = sheet.item
    sheet.grade_buttons["B"].click()
    (row,) = kept(path)
    assert (row["rater"], row["code"], row["rating"]) == ("r1", first.code, "B")
    assert sheet.item.code != first.code
    assert sheet.place.value == "answer 2 of 6, 1 rated" and sheet.progress.value == 1


def test_a_key_does_what_the_button_does_and_the_box_is_empty_again(sheet, path):
    codes = []
    for typed, grade in (("a", "A"), ("D", "D"), (" c ", "C")):
        codes.append(sheet.item.code)
        sheet.keys.value = typed
        assert sheet.keys.value == ""
        assert kept(path)[-1]["rating"] == grade and kept(path)[-1]["code"] == codes[-1]
    assert len(set(codes)) == 3 and sheet.message.value == ""


@pytest.mark.parametrize("typed", ["x", "ab", "5", "<b>"])
def test_another_key_rates_nothing(sheet, path, typed):
    before = sheet.item
    sheet.keys.value = typed
    assert sheet.item is before and not path.exists() and sheet.keys.value == ""
    assert "is no rating: type one of A, B, C, D" in text_of(sheet.message)
    assert 'role="alert"' in sheet.message.value and "<b>" not in sheet.message.value
    sheet.keys.value = "a"
    assert sheet.message.value == ""


def test_white_space_alone_is_no_key(sheet, path):
    sheet.keys.value = " "
    assert sheet.keys.value == "" and sheet.message.value == "" and not path.exists()


def test_nothing_tells_whose_answer_it_is(sheet, path):
    for _ in range(6):
        seen = values_of(sheet.box) + repr(sheet)
        assert not any(model in seen for model in MODELS)
        assert sheet.item.code not in seen
        sheet.grade_buttons["A"].click()
    assert not any(model in path.read_text() for model in MODELS)


def test_the_order_mixes_models_and_is_the_seeds(path):
    def codes(seed):
        return [i.code for i in RatingWidget(OWL, ANSWERS, path, "r1", seed=seed).order]

    assert codes(0) == codes(0) != codes(1) and sorted(codes(0)) == sorted(codes(1))
    models = [i.model for i in RatingWidget(OWL, ANSWERS, path, "r1").order]
    assert models[:3] != [models[0]] * 3


def test_the_turns_before_stand_above_with_this_models_own_answers(sheet):
    while sheet.item.question_id != 5:
        sheet.skip_button.click()
    own = ANSWERS[sheet.item.model][4].text
    other = ANSWERS[next(m for m in MODELS if m != sheet.item.model)][4].text
    text = text_of(sheet.words)
    assert OWL.question(4).text in text and own in text and other not in text
    assert text.index(OWL.question(4).text) < text.index(OWL.question(5).text)


def test_closing_and_opening_goes_on_where_it_was_left(sheet, path):
    for key in "ab":
        sheet.keys.value = key
    waiting = sheet.item
    path.write_bytes(path.read_bytes() + b'{"rater": "r1", "ques')  # killed while writing
    again = RatingWidget(OWL, ANSWERS, path, "r1")
    assert again.item == waiting and again.place.value == "answer 3 of 6, 2 rated"
    again.keys.value = "c"
    assert [row["rating"] for row in kept(path)] == ["A", "B", "C"]
    other = RatingWidget(OWL, ANSWERS, path, "r2")
    assert other.place.value == "answer 1 of 6, 0 rated"


def test_a_rating_can_be_changed_by_going_back(sheet, path):
    first = sheet.item
    sheet.keys.value = "a"
    sheet.back_button.click()
    assert sheet.item is first
    assert "You rated this answer A; another choice replaces it." in text_of(sheet.message)
    styles = [button.button_style for button in sheet.grade_buttons.values()]
    assert styles == ["primary", "", "", ""] and sheet.grade_buttons["A"].icon == "check"
    sheet.grade_buttons["D"].click()
    assert sheet.file.grades[first.code] == "D" and sheet.progress.value == 1
    assert RatingWidget(OWL, ANSWERS, path, "r1").file.grades == {first.code: "D"}


def test_skipped_answers_come_again_at_the_end(sheet):
    skipped = sheet.item
    sheet.skip_button.click()
    for _ in range(5):
        assert sheet.item is not skipped
        sheet.keys.value = "b"
    assert sheet.item is skipped and sheet.place.value == "answer 1 of 6, 5 rated"


def test_the_end_is_told_and_nothing_is_lost(sheet, path):
    for _ in range(6):
        sheet.keys.value = "b"
    assert DONE in text_of(sheet.message) and sheet.progress.value == 6
    again = RatingWidget(OWL, ANSWERS, path, "r1")
    assert DONE in text_of(again.message) and again.place.value == "answer 1 of 6, 6 rated"
    again.grade_buttons["C"].click()
    assert len(kept(path)) == 7 and DONE in text_of(again.message)


def test_a_rating_that_cannot_be_written_is_told_and_the_answer_stays(sheet, path):
    before = sheet.item
    path.mkdir()
    sheet.keys.value = "a"
    assert "The rating was not kept" in text_of(sheet.message)
    assert sheet.item is before and sheet.progress.value == 0
    path.rmdir()
    sheet.keys.value = "a"
    assert sheet.progress.value == 1 and sheet.message.value == ""


def test_answers_are_escaped_and_place_holders_do_not_give_a_model_away(path):
    said = {4: OwlAnswer(4, "<script>x</script> & no\nmore"), 36: OwlAnswer(36, "模型放弃回答")}
    sheet = RatingWidget(OWL, {"m": said}, path, "r1")
    shown = {}
    for _ in range(2):
        shown[sheet.item.question_id] = sheet.words.value
        sheet.skip_button.click()
    assert "&lt;script&gt;x&lt;/script&gt; &amp; no<br>more" in shown[4]
    assert NO_ANSWER in shown[36] and "模" not in shown[36]


@pytest.fixture
def released(tmp_path):
    """Three questions about photographs, of which one is missing and one is no picture."""
    questions = [OwlQuestion(i, f"{i}.jpg", f"what is in photograph {i}?") for i in (1, 2, 3)]
    Image.effect_noise((900, 300), 80).convert("RGB").save(tmp_path / "1.jpg")
    (tmp_path / "2.jpg").write_text("not a picture")
    owl = OwlEval(tuple(questions))
    return owl, find_pictures(owl, tmp_path)


def test_photographs_come_from_the_users_own_folder(released, path):
    owl, pictures = released
    answers = {"m": {i: OwlAnswer(i, "a dog.") for i in (1, 2, 3)}}
    sheet = RatingWidget(owl, answers, path, "r1", pictures)
    assert len(sheet.order) == 2
    assert "Left out, because the image is missing: 1." in text_of(sheet.message)
    pixels = html_of(owl, "1.jpg", pictures)
    assert 'alt="image 1.jpg of OwlEval, of which no description was released"' in pixels
    assert "image/png" in pixels and len(pixels) < 400_000
    assert 'role="alert"' in html_of(owl, "2.jpg", pictures)
    assert "not an image" in html_of(owl, "2.jpg", pictures)
    assert "3.jpg is not in" in html_of(owl, "3.jpg", pictures)
    with pytest.raises(ValueError, match="None of 3 answers has its image: give `pictures`"):
        RatingWidget(owl, answers, path, "r1")
    nowhere = find_pictures(owl, path.parent / "nothing")
    with pytest.raises(ValueError, match="3 of 3 images are not in"):
        RatingWidget(owl, answers, path, "r1", nowhere)


def test_a_file_that_cannot_be_trusted_is_refused(path):
    path.write_text('{"rater": "r1"}\n')
    with pytest.raises(ValueError, match="line 1: It is no rating"):
        RatingWidget(OWL, ANSWERS, path, "r1")
    with pytest.raises(ValueError, match="names no rater"):
        RatingWidget(OWL, ANSWERS, path.with_name("new"), "")


def test_every_control_has_words_of_its_own(sheet):
    words = [control.description for control in controls_of(sheet.box)]
    assert len(words) == 4 + 1 + 2 == len(set(words)) and all(words)
    assert [word[0] for word in words[:4]] == list(GRADES)


def test_what_a_notebook_stores_is_one_line(sheet):
    data, metadata = DisplayFormatter().format(sheet)
    view = "application/vnd.jupyter.widget-view+json"
    assert set(data) == {"text/plain", view} and metadata == {}
    assert data["text/plain"] == repr(sheet) == STORED and len(STORED) < 100


# --- on paper ---


def texts_of(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_the_twin_shows_what_the_sheet_shows():
    item = next(i for i in items_of(OWL, ANSWERS).values() if i.question_id == 5)
    figure = draw_rating(OWL, item, place=(3, 6))
    texts = texts_of(figure)
    assert texts[0] == "answer 3 of 6" and texts[-4:] == [f"{g}: {w}" for g, w in GRADES.items()]
    assert f"asked before: {OWL.question(4).text}" in texts and f"answer: {item.text}" in texts
    assert f"question: {OWL.question(5).text}" in texts
    assert not any(model in " ".join(texts) for model in MODELS)
    assert np.array_equal(figure.axes[0].images[0].get_array(), draw_scene(OWL.scenes["4.png"]))
    again = draw_rating(OWL, item, place=(3, 6))
    assert texts_of(again) == texts
    assert (again.get_size_inches() == figure.get_size_inches()).all()
    plt.close("all")


def test_long_answers_are_shortened_and_the_question_stays():
    said = tuple((f"question {i}?", "word " * 60) for i in range(6))
    for text, cut in (("end.", False), ("word " * 900, True)):
        texts = texts_of(draw_rating(OWL, Item("c", 5, "m", text, said)))
        assert len(texts) == LINES + 2 + len(GRADES)
        assert f"question: {OWL.question(5).text}" in texts
        assert ("… (shortened on paper)" in texts) == cut
    assert "answer: (no answer)" in texts_of(draw_rating(OWL, Item("c", 5, "m", "")))
    plt.close("all")


def test_the_twin_of_a_photograph(released):
    owl, pictures = released
    figure = draw_rating(owl, Item("c", 1, "m", "a dog."), pictures)
    left, right, bottom, top = figure.axes[0].images[0].get_extent()
    assert (right - left) / (top - bottom) == pytest.approx(3, abs=0.05)
    with pytest.raises(ValueError, match=r"3\.jpg is not in"):
        draw_rating(owl, Item("c", 3, "m", "a dog."), pictures)
    assert words_of(owl, "1.jpg").startswith("image 1.jpg")
    plt.close("all")


def test_the_words_of_the_twin_stay_inside_it():
    said = tuple((f"question {i}?", "a rather long answer " * 8) for i in range(5))
    figure = draw_rating(OWL, Item("c", 5, "m", "the answer is long " * 30, said))
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert min(box.x0 for box in boxes) >= 0 and max(box.x1 for box in boxes) <= width
    assert min(box.y0 for box in boxes) >= 0 and max(box.y1 for box in boxes) <= height
    for above, below in pairwise(boxes):
        assert above.y0 - below.y1 > -2
    plt.close("all")
