"""The scene editor, moved as a person would move it, and its picture on paper."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from IPython.core.formatters import DisplayFormatter
from ipywidgets import Button, Dropdown

from course_lib.teach.editor_figure import NO_WORDS, draw_editor
from course_lib.teach.picture_png import picture_html
from course_lib.teach.scene_editor import KEPT, START, STORED, SceneEditor, scene_of
from course_lib.world.draw import draw_scene
from course_lib.world.language import canonical_caption
from course_lib.world.scene import COLOURS, FIRST_TEST_SCAN, HELD_OUT, KINDS, PLACES, SIZES

matplotlib.use("Agg")
CIRCLE = ("circle", "red", "large", "top-left")


@pytest.fixture
def editor():
    return SceneEditor()


def shown_lines(editor):
    return [line.layout.display != "none" for line in editor._lines]


def controls_of(widget):
    children = getattr(widget, "children", ())
    return [widget] * isinstance(widget, Button | Dropdown) + [
        found for child in children for found in controls_of(child)
    ]


def test_it_starts_with_a_scene_its_picture_and_its_caption(editor):
    caption = "a large red circle at top-left and a small blue 7 at bottom-right."
    assert canonical_caption(editor.scene) == caption
    assert caption in editor.caption.value and editor.message.value == ""
    assert editor.picture.value == picture_html(draw_scene(editor.scene), caption)
    assert shown_lines(editor) == [True, True, False]


def test_a_choice_is_drawn_at_once(editor):
    seen, before = [], editor.picture.value
    editor.on_change(lambda scene: seen.append(canonical_caption(scene)))
    row = editor.rows[0]
    row["kind"].value, row["colour"].value, row["size"].value = "star", "purple", "small"
    row["place"].value = "bottom-left"
    first = "a small purple star at bottom-left"
    assert seen[-1] == f"{first} and a small blue 7 at bottom-right." and len(seen) == 4
    assert editor.picture.value != before and seen[-1] in editor.caption.value


def test_every_name_of_the_world_can_be_chosen(editor):
    for field, names in {"kind": KINDS, "colour": COLOURS, "size": SIZES, "place": PLACES}.items():
        assert editor.rows[0][field].options == names
    editor.remove_buttons[1].click()
    for kind in KINDS:
        editor.rows[0]["kind"].value = kind
        assert editor.scene.things[0].kind == kind


def test_two_things_at_one_place_are_refused_and_the_last_scene_stays(editor):
    scene, picture = editor.scene, editor.picture.value
    editor.rows[1]["place"].value = "top-left"
    assert "a large red circle at top-left, and a small blue 7 at top-left" in editor.message.value
    assert "Move or remove one" in editor.message.value and KEPT in editor.message.value
    assert 'role="alert"' in editor.message.value
    assert editor.scene is scene and editor.picture.value == picture
    editor.rows[0]["place"].value = "bottom-right"  # so that two things can change places
    assert editor.message.value == ""
    assert [thing.kind for thing in editor.scene.things] == ["7", "circle"]


@pytest.mark.parametrize("button", [0, 1])
def test_removing_either_thing_ends_a_conflict(editor, button):
    editor.rows[1]["place"].value = "top-left"
    editor.remove_buttons[button].click()
    assert editor.message.value == "" and len(editor.scene.things) == 1
    assert editor.scene.things[0].kind == ("7", "circle")[button]


def test_things_are_added_up_to_three_and_removed_down_to_one(editor):
    editor.add_button.click()
    assert shown_lines(editor) == [True] * 3
    assert canonical_caption(editor.scene).count(" at ") == 3
    scene = editor.scene
    editor.add_button.click()
    assert "3 things are the most" in editor.message.value and editor.scene is scene
    editor.remove_buttons[0].click()
    assert [t.place for t in editor.scene.things] == ["top-right", "bottom-right"]
    editor.remove_buttons[1].click()
    editor.remove_buttons[0].click()
    assert "at least one thing" in editor.message.value and len(editor.scene.things) == 1
    assert shown_lines(editor) == [True, False, False]


def test_a_thing_is_added_while_two_are_in_conflict(editor):
    editor.rows[1]["place"].value = "top-left"
    editor.add_button.click()
    assert editor.things()[2][3] == "top-right" and "one place" in editor.message.value


def test_a_pair_that_training_never_shows_is_named(editor):
    colour, kind = min(HELD_OUT)
    editor.rows[0]["kind"].value, editor.rows[0]["colour"].value = kind, colour
    assert f"No training scene shows a {colour} {kind}." in editor.message.value
    editor.rows[1]["kind"].value, editor.rows[1]["colour"].value = "9", "orange"
    assert "or an orange 9." in editor.message.value


def test_every_control_has_words_of_its_own(editor):
    words = [control.description for control in controls_of(editor.box)]
    assert len(words) == 3 * 5 + 1 == len(set(words)) and all(words)


def test_what_a_notebook_stores_is_one_line(editor):
    data, metadata = DisplayFormatter().format(editor)
    view = "application/vnd.jupyter.widget-view+json"
    assert set(data) == {"text/plain", view} and metadata == {}
    assert data["text/plain"] == repr(editor) == STORED and len(STORED) < 100


def test_a_scene_is_the_same_every_time_and_a_thing_wherever_it_is():
    seven = ("7", "blue", "small")
    there, here = scene_of([(*seven, "top-left")]), scene_of([CIRCLE, (*seven, "top-right")])
    assert there.things[0].scan == here.things[1].scan >= FIRST_TEST_SCAN
    left, right = draw_scene(there)[:24, :24], draw_scene(here)[:24, 24:]
    assert np.array_equal(left, right)
    assert scene_of(START) == scene_of(START[::-1]) != scene_of(START, seed=1)
    assert np.ptp(draw_scene(scene_of(START))) > 100


@pytest.mark.parametrize(
    ("things", "sentence"),
    [
        ([], "one to three things, not 0"),
        ([(*CIRCLE[:3], place) for place in PLACES], "not 4"),
        ([("circl", *CIRCLE[1:])], "did you mean 'circle'"),
        ([("circle", "pink", "large", "top-left")], "Unknown colour 'pink'"),
        ([("circle", "red")], "give kind, colour, size, place"),
        ([(7, "red", "large", "top-left")], "Unknown kind '7'"),
        ([CIRCLE, CIRCLE], "Two things are in one place"),
    ],
)
def test_no_scene_gets_a_sentence(things, sentence):
    for make in (scene_of, SceneEditor):
        with pytest.raises(ValueError, match=sentence):
            make(things)


def figure_texts(figure):
    return [text.get_text() for text in figure.axes[0].texts if text.get_text()]


@pytest.mark.parametrize(("short", "ending"), [(False, " answer:"), (True, " short answer:")])
def test_the_twin_shows_picture_caption_and_what_is_asked(short, ending):
    scene = scene_of(START)
    figure = draw_editor(scene, short)
    texts = figure_texts(figure)
    assert canonical_caption(scene) in texts and NO_WORDS in texts
    asked = texts.index(f"question: how many things are there?{ending}")
    assert texts[asked + 1] == "two"
    assert np.array_equal(figure.axes[0].images[0].get_array(), draw_scene(scene))
    again = draw_editor(scene, short)
    assert figure_texts(again) == texts
    assert (again.get_size_inches() == figure.get_size_inches()).all()
    plt.close("all")


def test_the_words_of_the_twin_stay_inside_it():
    things = [(k, "yellow", "large", p) for k, p in zip("379", PLACES[1:], strict=True)]
    figure = draw_editor(scene_of(things), short=True)
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text()]
    assert min(box.x0 for box in boxes) >= 0 and max(box.x1 for box in boxes) <= width
    assert min(box.y0 for box in boxes) >= 0 and max(box.y1 for box in boxes) <= height
    for index, box in enumerate(boxes):
        for other in boxes[:index]:
            assert box.x0 > other.x1 or other.x0 > box.x1 or other.y0 - box.y1 > -2
    plt.close(figure)
