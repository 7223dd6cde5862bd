"""Which picture a chat is about: picked among held-out scenes, drawn, or uploaded.

It is made of plain ipywidgets. Whatever is refused becomes a sentence, and the picture stays.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import ipywidgets as widgets
import numpy as np
import torch
from PIL import Image

from course_lib.data.images import load_image, to_pixel_values
from course_lib.data.toy import ToyScenes
from course_lib.evaluation.unlike import unlike_notes
from course_lib.teach.chat_figure import DESCRIBE, known_questions
from course_lib.teach.picture_png import picture_html
from course_lib.teach.scene_editor import SceneEditor
from course_lib.world.draw import draw_scene
from course_lib.world.language import canonical_caption
from course_lib.world.questions import Question
from course_lib.world.scene import Scene

WAYS = ("pick", "draw", "upload")
ANYWHERE = (DESCRIBE, "how many things are there?", "what is at top-left?")
UPLOAD_HELP = (
    "PNG, JPEG, WebP, GIF or TIFF, up to 20 megapixels. A file over 10 MB never arrives here: make "
    "it smaller first."
)


@dataclass(frozen=True)
class Picture:
    """One picture that can be asked about.

    Args:
        image: (height, width, 3) uint8, the pixels that the model sees.
        name: what the transcript calls it.
        facts: what stands below it, in HTML.
        alt: what is read aloud in place of the image.
        known: the questions whose right answer is known, by their text.
        notes: sentences that belong to every answer about it.
    """

    image: np.ndarray
    name: str
    facts: str
    alt: str
    known: dict[str, Question] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def examples(self) -> tuple[str, ...]:
        """Questions to choose from."""
        return tuple(self.known) or ANYWHERE


def picture_of_scene(
    scene: Scene, image: np.ndarray, name: str, title: str, seed: int = 0
) -> Picture:
    """Makes the picture of a scene, whose caption and answers are known."""
    caption = canonical_caption(scene)
    facts = f"{title}<details><summary>what is in it</summary>{caption}</details>"
    known = {question.text: question for question in known_questions(scene, seed)}
    return Picture(image, name, facts, f"{name}; what is in it stands below", known)


class PictureChooser:
    """Shows one picture and the three ways to another.

    Args:
        data: the held-out scenes; its encoder says which size a picture gets.
        row: the scene that is shown first.
    """

    def __init__(self, data: ToyScenes, row: int = 0) -> None:
        self.data, self.row = data, row
        self._listeners: list[Callable[[], object]] = []
        self._uploaded: Picture | None = None
        self.picture, self.facts, self.message = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.way = widgets.ToggleButtons(options=WAYS, description="picture")
        self.previous_button = widgets.Button(description="previous scene")
        self.next_button = widgets.Button(description="next scene")
        self.editor = SceneEditor()
        self.upload = widgets.FileUpload(accept="image/*", description="choose a file")
        self.upload.layout = widgets.Layout(width="160px", flex="0 0 auto")
        self._panels = {
            "pick": widgets.HBox([self.previous_button, self.next_button]),
            "draw": self.editor.controls,
            "upload": widgets.HBox([self.upload, widgets.HTML(UPLOAD_HELP)]),
        }
        self.controls = widgets.VBox([self.way, *self._panels.values(), self.message])
        self.shown = widgets.VBox([self.picture, self.facts])
        self._connect()
        self._change_way()

    def _connect(self) -> None:
        self.previous_button.on_click(lambda _: self.show_scene(self.row - 1))
        self.next_button.on_click(lambda _: self.show_scene(self.row + 1))
        self.way.observe(lambda _: self._change_way(), "value")
        self.editor.on_change(lambda _: self._show_drawing())
        self.upload.observe(self._take_file, "value")

    def on_change(self, listener: Callable[[], object]) -> None:
        """Calls `listener()` whenever another picture is shown."""
        self._listeners.append(listener)

    @property
    def pixel_values(self) -> torch.Tensor:
        """What the model reads of the picture, (1, 3, height, width)."""
        return to_pixel_values([self.current.image], self.data.encoder.image_size)

    def show_scene(self, row: int) -> None:
        """Shows a held-out scene; rows go round at both ends."""
        self.row = row
        if self.way.value != "pick":
            self.way.value = "pick"  # whose change shows the scene
        else:
            self._show_scene()

    def _show_scene(self) -> None:
        self.row %= len(self.data)
        name, title = f"scene {self.row + 1}", f"Scene {self.row + 1} of {len(self.data)}."
        scene, image = self.data.scenes[self.row], self.data.images[self.row]
        self._show(picture_of_scene(scene, image, name, title, self.row))

    def _show_drawing(self) -> None:
        scene = self.editor.scene
        self._show(picture_of_scene(scene, draw_scene(scene), "your drawing", "Your drawing."))

    def _change_way(self) -> None:
        """Opens one panel; until a file has come, "upload" leaves the picture as it is."""
        for way, panel in self._panels.items():
            panel.layout.display = None if way == self.way.value else "none"
        self.message.value = ""
        if self.way.value == "pick":
            self._show_scene()
        elif self.way.value == "draw":
            self._show_drawing()
        elif self._uploaded is not None:
            self._show(self._uploaded)

    def _take_file(self, change: dict) -> None:
        """Shows the file that was chosen, or says why it is refused."""
        if not change["new"]:
            return
        file = change["new"][0]
        name = _short(str(file["name"]))
        try:
            self._uploaded = self._read(name, bytes(file["content"]))
        except Exception as error:  # whatever a file does, the notebook goes on
            kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
            self._say(f"{name}: {kind}{error} The picture stays as it was.")
        else:
            self.message.value = ""
            self._show(self._uploaded)
        self.upload.value = ()  # so that the same file can be chosen again

    def _read(self, name: str, content: bytes) -> Picture:
        """Reads a file as the model will see it: in its few pixels.

        Raises:
            ValueError: for a file that is no picture, damaged, or too large.
        """
        picture, size = load_image(content), self.data.encoder.image_size
        image = np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC))
        notes = unlike_notes(self.data.encoder, to_pixel_values([image], size))
        width, height = picture.size
        facts = f"{name}, {width} × {height} pixels; the model sees it as {size} × {size}."
        lines = [html.escape(line) for line in (facts, *notes)]
        return Picture(image, name, "<br>".join(lines), facts, notes=notes)

    def _show(self, picture: Picture) -> None:
        self.current = picture
        self.picture.value = picture_html(picture.image, picture.alt)
        self.facts.value = picture.facts
        for listener in self._listeners:
            listener()

    def _say(self, text: str) -> None:
        self.message.value = f'<p role="alert">{html.escape(text)}</p>'


def _short(name: str) -> str:
    """Keeps both ends of a long file name."""
    return name if len(name) <= 40 else f"{name[:24]}…{name[-12:]}"
