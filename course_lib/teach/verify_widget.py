"""People verify curated pairs: accept, edit or reject each, by keys or buttons, resumed.

It is made of plain ipywidgets, so that a test can click it, and what it leaves in a stored notebook
is one line. `verify_figure` draws on paper what it shows, and `curation.decisions` applies a file
of decisions without it. Plain ipywidgets hear no keys outside a text box, so there is one for them:
a letter in it decides at once and it is empty again.
"""

from __future__ import annotations

import html
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import ipywidgets as widgets
import numpy as np
from PIL import Image

from course_lib.curation.decisions import ACCEPT, EDIT, REJECT, DecisionFile
from course_lib.curation.proposing import Proposal
from course_lib.data.images import load_image
from course_lib.teach.picture_png import img_of, picture_html
from course_lib.teach.shown_box import ShownBox, alert

STORED = "A sheet to verify captions on: run this cell in JupyterLab. On paper, see the figure."
DONE = "Every pair is decided; the file holds it all. Undo takes the last decision back."
KEYS = {"a": "accept", "e": "edit", "r": "reject", "u": "undo"}
SMALL = 96  # pixels; a smaller picture is enlarged to sharp squares
SIDE = 420  # pixels, at most, of a larger one

PictureOf = Callable[[str], Path | np.ndarray]


def picture_of_pair(picture: Path | np.ndarray, words: str) -> str:
    """Returns a picture as an <img> with a text alternative.

    Args:
        picture: a file, or pixels (height, width, 3), uint8.
        words: what is read aloud in its place.
    """
    if isinstance(picture, np.ndarray) and max(picture.shape) <= SMALL:
        return picture_html(picture, words)
    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else load_image(picture)
    if max(image.size) <= SMALL:
        return picture_html(np.asarray(image), words)
    image.thumbnail((SIDE, SIDE))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return img_of(stream.getvalue(), words, f"max-width:100%;max-height:{SIDE}px;display:block")


class VerifyWidget(ShownBox):
    """Shows one pair after the other and writes each decision as it is made.

    Let a cell end with it. Whoever closes the tab or restarts the kernel goes on at the first pair
    without a decision. Nobody sees a pair twice; "undo" takes the last decision back.

    Args:
        proposals: what is decided about.
        path: the file that decisions are appended to.
        picture_of: image_id → a file or pixels.
        words_of: image_id → what is read aloud in place of the picture; who verifies has to know
            what is in it. None says that nobody described it.

    Raises:
        ValueError: without a proposal, or for a file that cannot be trusted.
    """

    stored = STORED

    def __init__(
        self,
        proposals: Sequence[Proposal],
        path: Path,
        picture_of: PictureOf,
        words_of: Callable[[str], str] | None = None,
    ) -> None:
        self.file = DecisionFile(path, proposals)
        self.proposals, self.picture_of, self.words_of = list(proposals), picture_of, words_of
        self.progress = widgets.IntProgress(max=len(self.proposals), description="decided")
        self.place, self.message = widgets.HTML(), widgets.HTML()
        self.picture, self.words = widgets.HTML(), widgets.HTML()
        tall = widgets.Layout(width="auto", height="110px")
        self.caption = widgets.Textarea(description="caption", disabled=True, layout=tall)
        self.buttons = {name: _button(f"{name} ({key})") for key, name in KEYS.items()}
        self.save_button, self.cancel_button = _button("save the edit"), _button("cancel the edit")
        self.keys = widgets.Text(
            description="key", placeholder="a, e, r or u", layout=widgets.Layout(width="200px")
        )
        self.box = self._arranged()
        self._connect()
        self._show()

    def _arranged(self) -> widgets.VBox:
        wrapping = widgets.Layout(flex_flow="row wrap")
        fixed = widgets.Layout(flex="0 0 auto", max_width="440px")
        text = widgets.Layout(flex="1", min_width="0")
        # A layout of its own: it is hidden alone.
        own = widgets.Layout(flex_flow="row wrap")
        self.editing = widgets.HBox([self.save_button, self.cancel_button], layout=own)
        deciding = widgets.HBox([*self.buttons.values(), self.keys], layout=wrapping)
        said = widgets.VBox([self.words, self.caption, self.editing], layout=text)
        return widgets.VBox(
            [
                widgets.HBox([self.progress, self.place], layout=wrapping),
                widgets.HBox([widgets.VBox([self.picture], layout=fixed), said]),
                deciding,
                self.message,
            ]
        )

    def _connect(self) -> None:
        acts = (self.accept, self.edit, self.reject, self.undo)
        self._acts = dict(zip(KEYS.values(), acts, strict=True))
        for name, button in self.buttons.items():
            button.on_click(lambda _, name=name: self._acts[name]())
        self.save_button.on_click(lambda _: self.save())
        self.cancel_button.on_click(lambda _: self._show())
        self.keys.observe(self._on_key, "value")

    def _on_key(self, change: dict) -> None:
        typed = str(change["new"]).strip()
        if not change["new"]:
            return
        self.keys.value = ""
        if not self.caption.disabled:
            self._say("Save or cancel the edit first.")
        elif typed.lower() in KEYS:
            self._acts[KEYS[typed.lower()]]()
        elif typed:
            self._say(f"{typed!r:.20} is no key: type one of {', '.join(KEYS)}.")

    @property
    def at(self) -> Proposal | None:
        """The pair that is shown: the first without a decision, None where there is none."""
        return next((p for p in self.proposals if p.image_id not in self.file.made), None)

    def accept(self) -> None:
        """Keeps the pair as it is."""
        self._decide(ACCEPT)

    def reject(self) -> None:
        """Leaves the pair out."""
        self._decide(REJECT)

    def edit(self) -> None:
        """Opens the caption for editing; `save` keeps what stands there then."""
        if self.at is None:
            self._say(DONE)
            return
        self._open(True)
        self._say("Change the caption, then save the edit.")

    def save(self) -> None:
        """Keeps the pair with the caption that stands in the box."""
        self._decide(EDIT, self.caption.value)

    def undo(self) -> None:
        """Takes the last decision back; its pair comes again."""
        try:
            self.file.undo()
        except (ValueError, OSError) as error:
            self._say(str(error))
            return
        self._show()

    def _decide(self, decision: str, caption: str | None = None) -> None:
        proposal = self.at
        if proposal is None:
            self._say(DONE)
            return
        try:
            self.file.decide(proposal.image_id, decision, caption)
        except (ValueError, OSError) as error:
            self._say(f"The decision was not kept: {error}")
            return
        self._show()

    def _open(self, editing: bool) -> None:
        """Shows the box's two buttons while it can be written in, and hides them otherwise."""
        self.caption.disabled = not editing
        self.editing.layout.display = None if editing else "none"
        for name in ("accept", "edit", "reject"):
            self.buttons[name].disabled = editing or self.at is None
        self.buttons["undo"].disabled = editing or not self.file.made

    def _show(self) -> None:
        proposal, made = self.at, self.file.made
        self.progress.value = len(made)
        kept = sum(bool(decision.caption) for decision in made.values())
        self.place.value = f"{len(made)} of {len(self.proposals)} decided, {kept} kept"
        self._open(False)
        if proposal is None:
            self.picture.value = self.words.value = self.caption.value = ""
            self._say(DONE)
            return
        self.picture.value = self._picture(proposal.image_id)
        said = html.escape(proposal.said.strip()) or "(nothing)"
        self.words.value = (
            f'<div style="line-height:1.5"><b>image {html.escape(proposal.image_id)}</b>'
            f"<br>the model said: {said}</div>"
        )
        self.caption.value = proposal.caption
        self._say("")

    def _picture(self, image_id: str) -> str:
        words = self.words_of(image_id) if self.words_of else _undescribed(image_id)
        try:
            return picture_of_pair(self.picture_of(image_id), words)
        except (ValueError, OSError, KeyError) as error:
            told = f"Image {image_id} cannot be shown ({error}): reject the pair, or mend the file."
            return f'<p role="alert">{html.escape(told)}</p>'

    def _say(self, text: str) -> None:
        self.message.value = alert(text)


def _button(words: str) -> widgets.Button:
    return widgets.Button(description=words, layout=widgets.Layout(width="auto"))


def _undescribed(image_id: str) -> str:
    return f"image {image_id}, which nobody has described"
