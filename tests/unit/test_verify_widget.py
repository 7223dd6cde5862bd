"""The sheet of curated pairs, clicked and typed into as a person would, and on paper."""

import json

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from IPython.core.formatters import DisplayFormatter
from ipywidgets import Button, Text, Textarea
from PIL import Image

from course_lib.curation.curated_set import kept_captions
from course_lib.curation.decisions import read_decisions
from course_lib.curation.proposing import Proposal
from course_lib.teach.picture_png import picture_html
from course_lib.teach.verify_figure import draw_pairs
from course_lib.teach.verify_widget import DONE, STORED, VerifyWidget
from course_lib.world.draw import draw_scenes
from course_lib.world.language import canonical_caption
from course_lib.world.scene import sample_scenes

matplotlib.use("Agg")
SCENES = dict(zip("abcd", sample_scenes(4, 0, "train"), strict=True))
PIXELS = dict(zip("abcd", draw_scenes(list(SCENES.values())), strict=True))
PROPOSALS = [
    Proposal(name, f"a red {n} is at top-left.", f"red {n} & <b>") for n, name in enumerate("abcd")
]


def words_of(image_id):
    return canonical_caption(SCENES[image_id])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "decisions.jsonl"


@pytest.fixture
def sheet(path):
    return VerifyWidget(PROPOSALS, path, PIXELS.get, words_of)


def click(sheet, name):
    sheet.buttons[name].click()


def press(sheet, key):
    sheet.keys.value = key


def shown(sheet):
    return sheet.at and sheet.at.image_id


def decided(path):
    return {id: d.decision for id, d in read_decisions(path, PROPOSALS).items()}


def test_it_starts_with_the_first_pair_its_picture_and_both_texts(sheet):
    assert shown(sheet) == "a" and sheet.caption.value == PROPOSALS[0].caption
    assert sheet.picture.value == picture_html(PIXELS["a"], words_of("a"))
    assert "the model said: red 0 &amp; &lt;b&gt;" in sheet.words.value
    assert sheet.place.value == "0 of 4 decided, 0 kept" and sheet.progress.max == 4
    assert sheet.caption.disabled and sheet.editing.layout.display == "none"
    assert sheet.buttons["undo"].disabled and sheet.message.value == ""


def test_buttons_decide_and_each_decision_is_on_disk_at_once(sheet, path):
    click(sheet, "accept")
    assert decided(path) == {"a": "accept"} and shown(sheet) == "b"
    click(sheet, "reject")
    assert decided(path) == {"a": "accept", "b": "reject"}
    assert sheet.progress.value == 2 and sheet.place.value == "2 of 4 decided, 1 kept"
    click(sheet, "edit")
    assert not sheet.caption.disabled and sheet.editing.layout.display is None
    assert sheet.buttons["accept"].disabled and sheet.buttons["undo"].disabled
    sheet.caption.value = "a blue 2 is at top-right."
    sheet.save_button.click()
    assert shown(sheet) == "d" and sheet.caption.disabled
    made = read_decisions(path, PROPOSALS)
    assert made["c"].decision == "edit" and made["c"].caption == "a blue 2 is at top-right."


def test_keys_decide_and_the_box_is_empty_again(sheet, path):
    for key, state in (("a", "accept"), ("R", "reject")):
        press(sheet, key)
        assert sheet.keys.value == "" and list(decided(path).values())[-1] == state
    press(sheet, "u")
    assert decided(path) == {"a": "accept"} and shown(sheet) == "b"
    press(sheet, "e")
    assert not sheet.caption.disabled and "save the edit" in sheet.message.value
    press(sheet, "a")
    assert "Save or cancel the edit first" in sheet.message.value and len(decided(path)) == 1
    sheet.caption.value = "changed."
    sheet.cancel_button.click()
    assert sheet.caption.value == PROPOSALS[1].caption and shown(sheet) == "b"


@pytest.mark.parametrize("typed", ["x", "ar", "accept", "é"])
def test_what_is_no_key_decides_nothing_and_is_said(sheet, path, typed):
    press(sheet, typed)
    assert "is no key: type one of a, e, r, u" in sheet.message.value
    assert sheet.keys.value == "" and not path.exists()


def test_the_same_cell_goes_on_where_it_was_left(sheet, path):
    press(sheet, "a")
    press(sheet, "r")
    again = VerifyWidget(PROPOSALS, path, PIXELS.get, words_of)
    assert shown(again) == "c" and again.place.value == "2 of 4 decided, 1 kept"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])  # killed in the middle of the second line
    cut = VerifyWidget(PROPOSALS, path, PIXELS.get, words_of)
    assert shown(cut) == "b"
    press(cut, "r")
    assert path.read_bytes() == whole


def test_at_the_end_it_says_so_and_undo_still_works(sheet, path):
    for key in "aara":
        press(sheet, key)
    assert shown(sheet) is None and DONE in sheet.message.value and sheet.picture.value == ""
    assert all(sheet.buttons[name].disabled for name in ("accept", "edit", "reject"))
    for key in "are":
        press(sheet, key)
        assert len(decided(path)) == 4 and DONE in sheet.message.value
    click(sheet, "undo")
    assert shown(sheet) == "d" and len(decided(path)) == 3 and sheet.message.value == ""
    for _ in range(4):
        press(sheet, "u")
    assert "Nothing is decided yet" in sheet.message.value and shown(sheet) == "a"


def test_an_edit_without_words_is_refused_and_stays_open(sheet, path):
    press(sheet, "e")
    sheet.caption.value = "  "
    sheet.save_button.click()
    assert "was not kept" in sheet.message.value and "is empty" in sheet.message.value
    assert (
        not path.exists() and not sheet.caption.disabled and 'role="alert"' in sheet.message.value
    )


def test_two_sheets_on_one_file_do_not_decide_twice(sheet, path):
    other = VerifyWidget(PROPOSALS, path, PIXELS.get, words_of)
    press(sheet, "a")
    press(other, "r")
    assert "was decided already, in line 1" in other.message.value
    press(other, "r")
    assert decided(path) == {"a": "accept", "b": "reject"}


def test_the_headless_way_keeps_what_the_clicks_kept(sheet, path):
    for key in "ara":
        press(sheet, key)
    kept = kept_captions(PROPOSALS, read_decisions(path, PROPOSALS))
    assert kept == {"a": PROPOSALS[0].caption, "c": PROPOSALS[2].caption}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        del line["of"]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert kept_captions(PROPOSALS, read_decisions(path, PROPOSALS)) == kept


def test_pictures_come_from_files_as_well_and_a_missing_one_gets_a_sentence(path, tmp_path):
    large = np.zeros((300, 600, 3), np.uint8)
    Image.fromarray(PIXELS["a"]).save(tmp_path / "a.png")
    Image.fromarray(large).save(tmp_path / "b.jpg")
    files = {"a": tmp_path / "a.png", "b": tmp_path / "b.jpg", "c": tmp_path / "none.jpg"}
    sheet = VerifyWidget(PROPOSALS, path, files.__getitem__)
    alt = "image a, which nobody has described"
    assert sheet.picture.value == picture_html(PIXELS["a"], alt)
    press(sheet, "a")
    assert 'alt="image b, which nobody has described"' in sheet.picture.value
    assert "max-height:420px" in sheet.picture.value
    for name in ("c", "d"):
        press(sheet, "r")
        assert f"Image {name} cannot be shown" in sheet.picture.value
        assert 'role="alert"' in sheet.picture.value


def test_every_control_has_words_of_its_own(sheet):
    def controls(widget):
        found = [widget] * isinstance(widget, Button | Text | Textarea)
        return found + [c for child in getattr(widget, "children", ()) for c in controls(child)]

    words = [control.description for control in controls(sheet.box)]
    assert len(words) == 8 == len(set(words)) and all(words)


def test_what_a_notebook_stores_is_one_line(sheet):
    data, metadata = DisplayFormatter().format(sheet)
    view = "application/vnd.jupyter.widget-view+json"
    assert set(data) == {"text/plain", view} and metadata == {}
    assert data["text/plain"] == repr(sheet) == STORED and len(STORED) < 100


def test_no_proposal_and_a_file_of_other_proposals_are_refused(path):
    with pytest.raises(ValueError, match="no proposal to decide about"):
        VerifyWidget([], path, PIXELS.get)
    path.write_text('{"image_id": "zz", "decision": "accept"}\n')
    with pytest.raises(ValueError, match="Unknown image 'zz'"):
        VerifyWidget(PROPOSALS, path, PIXELS.get)


# --- on paper ------------------------------------------------------------------------------------


@pytest.fixture
def decisions(sheet, path):
    for key in "ar":
        press(sheet, key)
    press(sheet, "e")
    sheet.caption.value = "a blue 2 is at top-right."
    sheet.save_button.click()
    return read_decisions(path, PROPOSALS)


def test_the_twin_shows_every_pair_with_its_verdict(decisions):
    figure = draw_pairs(PROPOSALS, decisions, PIXELS.get)
    texts = [[text.get_text() for text in axis.texts] for axis in figure.axes]
    assert [row[-1] for row in texts] == [
        "✓ accepted",
        "✗ rejected",
        "✓ edited: a blue 2 is at top-right.",
        "not decided yet",
    ]
    assert texts[0][:2] == ["said: red 0 & <b>", "caption: a red 0 is at top-left."]
    for axis, pixels in zip(figure.axes, PIXELS.values(), strict=True):
        assert np.array_equal(axis.images[0].get_array(), pixels)
    with pytest.raises(ValueError, match="nothing to draw"):
        draw_pairs([], {}, PIXELS.get)
    plt.close("all")


def test_the_words_of_the_twin_stay_inside_it(decisions):
    long = "a small red circle is at top-left. " * 30
    pairs = [Proposal("a", long, long), *PROPOSALS[1:]]
    figure = draw_pairs(pairs, {k: d for k, d in decisions.items() if k != "a"}, PIXELS.get)
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    boxes = [t.get_window_extent() for axis in figure.axes for t in axis.texts]
    assert min(box.x0 for box in boxes) >= 0 and max(box.x1 for box in boxes) <= width
    assert min(box.y0 for box in boxes) >= 0 and max(box.y1 for box in boxes) <= height
    for index, box in enumerate(boxes):
        for other in boxes[:index]:
            assert box.x0 > other.x1 or other.x0 > box.x1 or other.y0 - box.y1 > -2
    plt.close(figure)
