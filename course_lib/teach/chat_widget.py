"""A chat about held-out toy scenes, as a widget in a notebook.

It is made of plain ipywidgets, so that a test can click it, and what it leaves in a stored notebook
is one line that is the same on every machine. `chat_figure` draws on paper what it does.
"""

from __future__ import annotations

import html
import io

import ipywidgets as widgets
import numpy as np
from PIL import Image

from course_lib.data.toy import ToyScenes
from course_lib.evaluation.asking import OpenedRun, answer_to, check_has_language, framed
from course_lib.teach.chat_figure import DESCRIBE, INK, RIGHT, known_questions, sign_of
from course_lib.world.language import canonical_caption
from course_lib.world.questions import Question

STORED = "A chat about held-out scenes: run this cell in JupyterLab. On paper, see the figure."
PICTURE_PIXELS = 240


class ChatWidget:
    """Asks an opened run about held-out scenes, in a notebook.

    Let a cell end with it. What a person types is shown escaped, and whatever is refused (an empty
    question, one beyond the context) becomes a sentence in the transcript.

    Args:
        opened: an opened stage-2 run.
        data: the held-out scenes to ask about.
        row: the scene that is shown first.

    Raises:
        ValueError: for a run of stage 1, which has no language model.
    """

    def __init__(self, opened: OpenedRun, data: ToyScenes, row: int = 0) -> None:
        check_has_language(opened)
        self.opened, self.data = opened, data
        self.entries: list[str] = []
        wide = widgets.Layout(width="100%")
        size = f"{PICTURE_PIXELS}px"
        self.picture = widgets.Image(format="png", layout=widgets.Layout(width=size, height=size))
        self.facts = widgets.HTML()
        self.previous_button = widgets.Button(description="previous scene")
        self.next_button = widgets.Button(description="next scene")
        self.examples = widgets.Dropdown(description="examples", layout=wide)
        self.question = widgets.Text(
            description="question", placeholder="type one, or choose an example", layout=wide
        )
        self.ask_button = widgets.Button(description="ask", button_style="primary")
        self.blind = widgets.Checkbox(description="without the picture", indent=False)
        self.transcript = widgets.HTML()
        self.box = self._arranged()
        self._connect()
        self.show(row)

    def _arranged(self) -> widgets.HBox:
        turning = widgets.HBox([self.previous_button, self.next_button])
        asking = widgets.HBox([self.ask_button, self.blind])
        scene = [self.picture, self.facts, turning]
        talk = [self.examples, self.question, asking, self.transcript]
        fixed = widgets.Layout(flex="0 0 auto", width="320px")
        rest = widgets.Layout(flex="1", min_width="0")
        return widgets.HBox([widgets.VBox(scene, layout=fixed), widgets.VBox(talk, layout=rest)])

    def _connect(self) -> None:
        self.previous_button.on_click(lambda _: self.show(self.row - 1))
        self.next_button.on_click(lambda _: self.show(self.row + 1))
        self.ask_button.on_click(lambda _: self.ask())
        self.examples.observe(self._take_example, "value")
        self.question.on_msg(self._on_message)

    def _take_example(self, change: dict) -> None:
        if change["new"]:
            self.question.value = change["new"]
            self.examples.value = ""  # so that the same example can be chosen again

    def _on_message(self, _widget: widgets.Text, content: dict, _buffers: list) -> None:
        """Asks when Enter is pressed: the text box then sends "submit"."""
        if content.get("event") == "submit":
            self.ask()

    def show(self, row: int) -> None:
        """Shows a scene and examples of questions about it; rows go round at both ends."""
        self.row = row % len(self.data)
        scene = self.data.scenes[self.row]
        self.known = {question.text: question for question in known_questions(scene, self.row)}
        self.picture.value = png_of(self.data.images[self.row])
        self.facts.value = (
            f"Scene {self.row + 1} of {len(self.data)}."
            f"<details><summary>what is in it</summary>{canonical_caption(scene)}</details>"
        )
        self.examples.options = [("choose one", ""), *((text, text) for text in self.known)]

    def ask(self) -> None:
        """Asks what stands in the text box; question and answer go on top of the transcript."""
        typed, blind = self.question.value, self.blind.value
        pixel_values = None if blind else self.data.pixel_values([self.row])
        try:
            answer, notes = answer_to(self.opened, pixel_values, typed)
        except ValueError as error:
            lines = [html.escape(str(error))]
        else:
            lines = self._said(typed, answer, notes)
        where = f"scene {self.row + 1}{', without the picture' if blind else ''}"
        lines = [f"<b>{where}:</b> {html.escape(typed)}", *lines]
        self.entries.insert(0, f"<p>{'<br>'.join(lines)}</p>")
        self.transcript.value = "".join(self.entries)

    def _said(self, typed: str, answer: str, notes: list[str]) -> list[str]:
        """Returns the lines of an answer: itself, with a verdict where the scene states one, the
        words that the model really read, and the notes."""
        read = framed(typed, self.opened.model.language.is_encoder_decoder)
        wording = f"it read: {read}" if read else "it read no words, which asks for the caption"
        line = f"<b>model:</b> {html.escape(answer.strip()) or '(nothing)'}"
        question: Question | None = self.known.get(typed.strip().lower() if read else DESCRIBE)
        if question is not None:
            sign = sign_of(answer, question)
            word = "right" if sign == RIGHT else f"the scene says: {question.answer}"
            line += f' <b style="color:{INK[sign]}">{sign} {word}</b>'
        return [line, *(f"<small>{html.escape(text)}</small>" for text in (wording, *notes))]

    def __repr__(self) -> str:
        return STORED

    def _repr_mimebundle_(self, **kwargs: object) -> dict:
        """Shows the widget; the text beside it holds no bytes of the picture and no address."""
        return {**(self.box._repr_mimebundle_(**kwargs) or {}), "text/plain": STORED}


def png_of(image: np.ndarray) -> bytes:
    """Returns a scene as PNG, each of its pixels enlarged to a sharp square."""
    size = (PICTURE_PIXELS, PICTURE_PIXELS)
    stream = io.BytesIO()
    Image.fromarray(image).resize(size, Image.Resampling.NEAREST).save(stream, "PNG")
    return stream.getvalue()
