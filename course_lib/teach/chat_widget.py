"""A chat about a picture, as a widget in a notebook.

It is made of plain ipywidgets, so that a test can click it, and what it leaves in a stored notebook
is one line that is the same on every machine. `chat_figure` draws on paper what it does.
"""

from __future__ import annotations

import html

import ipywidgets as widgets

from course_lib.data.toy import ToyScenes
from course_lib.evaluation.asking import OpenedRun, answer_to, check_has_language
from course_lib.teach.chat_figure import DESCRIBE, INK, RIGHT, sign_of
from course_lib.teach.chat_picture import Picture
from course_lib.teach.query_strip import QueryStrip
from course_lib.teach.question_box import QuestionBox
from course_lib.world.questions import Question

STORED = "A chat about held-out scenes: run this cell in JupyterLab. On paper, see the figure."
# A restarted kernel cannot say so itself: the sentence has to stand there before.
RESTARTED = (
    "<small>Nothing happens when you ask? Then the kernel was restarted: run the notebook again, "
    "from its first cell to this one.</small>"
)


class ChatWidget(QuestionBox):
    """Asks an opened run about held-out scenes, drawn scenes and uploaded pictures, in a notebook.

    Let a cell end with it. The answer grows word by word; then each query's gaze is shown. What a
    person types is shown escaped, and whatever is refused (an empty question, one beyond the
    context, a file that is no picture) becomes a sentence.

    Args:
        opened: an opened stage-2 run.
        data: the held-out scenes to ask about.
        row: the scene that is shown first.

    Raises:
        ValueError: for a run of stage 1, which has no language model.
    """

    stored = STORED

    def __init__(self, opened: OpenedRun, data: ToyScenes, row: int = 0) -> None:
        check_has_language(opened)
        super().__init__(data, row, "ask")
        self.opened = opened
        self.entries: list[str] = []
        self.transcript = widgets.HTML()
        self.strip = QueryStrip(opened)
        self.box = self._arranged()
        self.connect()

    def _arranged(self) -> widgets.VBox:
        wrapping = widgets.Layout(flex_flow="row wrap")
        asking = widgets.HBox([self.ask_button, self.blind, self.strip.wanted], layout=wrapping)
        rolling = widgets.Layout(max_height="320px", overflow="hidden auto")
        said = widgets.VBox([self.transcript], layout=rolling)
        talk = [self.examples, self.question, asking, said]
        note = widgets.HTML(RESTARTED)
        return widgets.VBox(
            [self.chooser.controls, self.beside_picture(talk), self.strip.view, note]
        )

    def clear(self) -> None:
        """Takes away the gaze on the last picture; what was said stays."""
        self.strip.clear()

    def ask(self) -> None:
        """Asks what stands in the text box; question and answer go on top of the transcript."""
        typed, blind, picture = self.question.value, self.blind.value, self.chooser.current
        where = html.escape(f"{picture.name}{', without the picture' if blind else ''}")
        head = f"<b>{where}:</b> {html.escape(typed)}"
        so_far = ""

        def grow(text: str) -> None:
            nonlocal so_far
            so_far = text
            self._write([head, f"<b>model:</b> {html.escape(text.strip())} …"])

        self.entries.insert(0, "")
        self.strip.clear()
        pixel_values = None if blind else self.chooser.pixel_values
        try:
            answer, notes = answer_to(self.opened, pixel_values, typed, on_token=grow)
        except (Exception, KeyboardInterrupt) as error:
            self._write([head, html.escape(_broken_off(error, so_far))])
            return
        notes = notes if blind else [*notes, *picture.notes]
        self._write([head, *self._said(typed, answer, notes, picture)])
        if pixel_values is not None:
            self.strip.show(picture.image, pixel_values)

    def _write(self, lines: list[str]) -> None:
        """Puts lines in place of the newest entry."""
        text = "<br>".join(lines)
        self.entries[0] = f'<p style="line-height:1.5">{text}</p>'
        self.transcript.value = "".join(self.entries)

    def _said(self, typed: str, answer: str, notes: list[str], picture: Picture) -> list[str]:
        """Returns the lines of an answer: itself, with a verdict where the right one is known, the
        words that the model really read, and the notes."""
        read = self.opened.asker.wording(typed)
        wording = f"it read: {read}" if read else "it read no words, which asks for the caption"
        line = f"<b>model:</b> {html.escape(answer.strip()) or '(nothing)'}"
        question: Question | None = picture.known.get(typed.strip().lower() if read else DESCRIBE)
        if question is not None:
            sign = sign_of(self.opened, answer, question)
            word = "right" if sign == RIGHT else f"the scene says: {question.answer}"
            line += f' <b style="color:{INK[sign]}">{sign} {word}</b>'
        return [line, *(f"<small>{html.escape(text)}</small>" for text in (wording, *notes))]


def _broken_off(error: BaseException, so_far: str) -> str:
    """Says why there is no answer, and how far it came."""
    if isinstance(error, ValueError) and not so_far:
        return str(error)
    after = f'The answer broke off after "{so_far.strip()}"' if so_far else "There is no answer"
    if isinstance(error, KeyboardInterrupt):
        return f"{after}: it was interrupted. Ask again."
    return (
        f"{after} ({type(error).__name__}: {error}). Ask again; if that does not help, run the "
        "notebook again from its first cell."
    )
