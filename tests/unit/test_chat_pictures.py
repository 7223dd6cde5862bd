"""The chat's three ways to a picture: picked, drawn, or a file of a person, whatever it holds."""

import io
import struct
import zlib
from html import escape

import matplotlib
import numpy as np
import pytest
import torch
from ipywidgets import Button, Checkbox, Dropdown, FileUpload, Text, ToggleButtons
from PIL import Image

from course_lib.data.images import load_image, to_pixel_values
from course_lib.evaluation.asking import answer_to
from course_lib.evaluation.unlike import UNLIKE
from course_lib.world.draw import draw_scene
from tests.tiny_runs import say

matplotlib.use("Agg")
NOISE = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)


def file_of(picture, kind="PNG"):
    stream = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(stream, kind)
    return stream.getvalue()


def png_that_claims(width, height):
    """A PNG of a few bytes whose header says that it is very large."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [head, b"IDAT" + zlib.compress(b"\0" * 10), b"IEND"]
    parts = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def upload(widget, content, name="picture.png"):
    """Sends a file as a browser does; returns what the chat says about it."""
    file = {"name": name, "type": "image/png", "size": len(content), "last_modified": 0}
    chooser = widget.chooser
    chooser.way.value = "upload"
    chooser.upload.set_state({"value": [{**file, "content": memoryview(content)}]})
    return chooser.message.value


def test_one_panel_is_open_at_a_time(widget):
    chooser = widget.chooser
    for way in ("pick", "upload", "draw", "pick"):
        chooser.way.value = way
        panels = chooser._panels.items()
        assert [name for name, panel in panels if panel.layout.display != "none"] == [way]


def test_a_drawing_is_asked_about_and_judged(widget, opened, monkeypatch):
    chooser = widget.chooser
    chooser.way.value = "draw"
    chooser.editor.rows[0]["kind"].value = "star"
    scene = chooser.editor.scene
    assert "Your drawing" in chooser.facts.value and "large red star" in chooser.facts.value
    pixels = to_pixel_values([draw_scene(scene)], 48)
    assert torch.equal(chooser.pixel_values, pixels)
    answer = answer_to(opened, pixels, "describe")[0]
    entry = say(widget, "describe")
    assert "<b>your drawing:</b> describe" in entry and escape(answer.strip()) in entry
    assert "✗ the scene says: a large red star at top-left and" in entry
    chooser.next_button.click()
    assert chooser.way.value == "pick" and "Scene 2 of 4" in chooser.facts.value


def test_an_upload_is_asked_about_without_a_verdict(widget, opened):
    content = file_of(NOISE)
    assert upload(widget, content) == "" and widget.chooser.upload.value == ()
    facts = widget.chooser.facts.value
    assert "picture.png, 90 × 60 pixels; the model sees it as 48 × 48" in facts
    assert UNLIKE in facts
    pixels = to_pixel_values([load_image(content)], 48)
    assert torch.equal(widget.chooser.pixel_values, pixels)
    text = "how many things are there?"
    assert text in [value for _, value in widget.examples.options]
    entry = say(widget, text)
    assert escape(answer_to(opened, pixels, text)[0].strip()) in entry and UNLIKE in entry
    assert "✓" not in entry and "✗" not in entry and "<b>picture.png:</b>" in entry
    widget.blind.value = True
    assert UNLIKE not in say(widget, text)


def test_the_name_of_a_file_is_escaped_wherever_it_stands(widget):
    upload(widget, file_of(NOISE), '"<i>.png')
    entry, chooser = say(widget, "describe"), widget.chooser
    for text in (entry, chooser.facts.value, chooser.picture.value):
        assert "&quot;&lt;i&gt;.png" in text and "<i>" not in text


def test_a_toy_scene_as_a_file_is_not_called_unlike(widget, scenes):
    upload(widget, file_of(scenes.images[1]))
    assert UNLIKE not in widget.chooser.facts.value
    assert np.array_equal(widget.chooser.current.image, scenes.images[1])


def test_an_upload_is_there_when_one_comes_back_to_it(widget):
    upload(widget, file_of(NOISE))
    image = widget.chooser.current.image
    widget.chooser.way.value = "draw"
    assert widget.chooser.current.image is not image
    widget.chooser.way.value = "upload"
    assert widget.chooser.current.image is image


DEEP = (np.arange(64 * 64, dtype=np.uint16) * 16).reshape(64, 64)
CLEAR = np.dstack([NOISE, np.zeros(NOISE.shape[:2], np.uint8)])


@pytest.mark.parametrize(
    ("content", "check"),
    [
        (file_of(Image.fromarray(DEEP)), lambda image: 100 < image.mean() < 155),
        (file_of(CLEAR), lambda image: image.min() == 255),
        (file_of(NOISE, "JPEG"), lambda image: image.std() > 10),
        (file_of(Image.new("L", (1, 1), 9)), lambda image: (image == 9).all()),
        (file_of(Image.new("1", (1, 900))), lambda image: (image == 0).all()),
    ],
    ids=["16 bits", "transparent", "jpeg", "one pixel", "very tall"],
)
def test_unusual_pictures_are_read(widget, content, check):
    assert upload(widget, content) == ""
    image = widget.chooser.current.image
    assert image.shape == (48, 48, 3) and image.dtype == np.uint8 and check(image)
    assert "model:" in say(widget, "describe")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (file_of(NOISE)[:2000], "damaged or cut short"),
        (b"not a picture, but a letter", "is not an image that can be read"),
        (b"", "is not an image that can be read"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "is not an image that can be read"),
        (png_that_claims(30_000, 30_000), "is too large"),
        (png_that_claims(5_000, 5_000), "is too large (5,000 x 5,000 pixels"),
        (png_that_claims(50, 50), "damaged or cut short"),
    ],
    ids=["cut", "text", "empty", "svg", "huge", "large", "hollow"],
)
def test_a_refused_file_gets_a_sentence_and_the_picture_stays(widget, content, sentence):
    before = widget.chooser.current
    message = upload(widget, content, "<b>.png")
    assert sentence in message and "The picture stays as it was." in message
    assert "&lt;b&gt;.png: " in message and "<b>" not in message and 'role="alert"' in message
    assert widget.chooser.current is before and "model:" in say(widget, "describe")
    assert upload(widget, content, "again.png").startswith('<p role="alert">again.png: ')
    assert upload(widget, file_of(NOISE)) == "" and widget.chooser.current is not before


def test_whatever_else_a_file_does_is_a_sentence(widget, monkeypatch):
    def full(_source):
        raise MemoryError("no room")

    monkeypatch.setattr("course_lib.teach.chat_picture.load_image", full)
    message = upload(widget, file_of(NOISE), f"{'long' * 30}.png")
    assert "….png" not in message and "…" in message and "longlong.png: MemoryError: no" in message


def controls_of(box):
    kinds = Button | Dropdown | Text | Checkbox | FileUpload | ToggleButtons
    below = [found for child in getattr(box, "children", ()) for found in controls_of(child)]
    return [box, *below] if isinstance(box, kinds) else below


def test_every_control_has_words_and_the_picture_too(widget):
    words = [control.description for control in controls_of(widget.box)]
    assert len(words) == 9 + 16 and all(words) and len(set(words)) == len(words)
    assert 'alt="scene 1; what is in it stands below"' in widget.chooser.picture.value
