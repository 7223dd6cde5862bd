"""One question, six answers, as a widget: pick or draw a scene, ask, and see what each one read.

It is made of plain ipywidgets, so that a test can click it, and what it leaves in a stored notebook
is one line. `six_figure` draws on paper what it shows.
"""

from __future__ import annotations

import html
import io
import textwrap
from collections.abc import Mapping

import ipywidgets as widgets
import matplotlib.pyplot as plt

from course_lib.data.toy import ToyScenes
from course_lib.evaluation.asking import OpenedRun, check_has_language
from course_lib.teach.chat_widget import RESTARTED
from course_lib.teach.picture_png import img_of
from course_lib.teach.question_box import QuestionBox
from course_lib.teach.shown_box import alert
from course_lib.teach.six_figure import Answered, ask_one, draw_columns, said_in_words

STORED = "One question to six models: run this cell in JupyterLab. On paper, see the figure."


class SixWidget(QuestionBox):
    """Puts one question about one picture to several models, and shows the answers side by side.

    Let a cell end with it. A model that refuses a question (too long for its context) says so in
    its line, and the others answer.

    Args:
        six: name of a model for people → its opened run.
        data: the held-out scenes to ask about.
        row: the scene that is shown first.

    Raises:
        ValueError: for no model, or a run of stage 1, which has no language model.
    """

    stored = STORED

    def __init__(self, six: Mapping[str, OpenedRun], data: ToyScenes, row: int = 0) -> None:
        if not six:
            raise ValueError("There is nobody to ask: give at least one opened run.")
        for opened in six.values():
            check_has_language(opened)
        super().__init__(data, row, "ask all")
        self.six = dict(six)
        self.message, self.view = widgets.HTML(), widgets.HTML()
        self.box = self._arranged()
        self.connect()

    def _arranged(self) -> widgets.VBox:
        wrapping = widgets.Layout(flex_flow="row wrap")
        asking = widgets.HBox([self.ask_button, self.blind], layout=wrapping)
        middle = self.beside_picture([self.examples, self.question, asking, self.message])
        return widgets.VBox([self.chooser.controls, middle, self.view, widgets.HTML(RESTARTED)])

    def clear(self) -> None:
        """Takes away the answers about the last picture."""
        self.message.value = self.view.value = ""

    def ask(self) -> None:
        """Asks all models what stands in the text box; a fault is a sentence."""
        typed, picture = self.question.value.strip(), self.chooser.current
        if not typed:
            self._say("The question is empty: type one, or choose an example.")
            return
        pixels = None if self.blind.value else self.chooser.pixel_values
        known, answers = picture.known.get(typed.lower()), {}
        for number, (name, opened) in enumerate(self.six.items(), 1):
            self._say(f"asking {number} of {len(self.six)} …")
            try:
                answers[name] = ask_one(opened, pixels, typed, known)
            except Exception as error:
                answers[name] = Answered(f"no answer: {error}", "", None)
        blind = ", without the picture" if pixels is None else ""
        asked = textwrap.shorten(typed, 200, placeholder=" …")
        head = [f"{picture.name}{blind}: {asked}"]
        if known is not None:
            head.append(f"the scene says: {known.answer}")
        head += list(picture.notes)
        self._say("")
        self._show(picture.image, head, answers)

    def _show(self, image: object, head: list[str], answers: dict[str, Answered]) -> None:
        figure = draw_columns(image, head, {title: [one] for title, one in answers.items()})
        stream = io.BytesIO()
        try:
            figure.savefig(stream, format="png")
        finally:
            plt.close(figure)  # a notebook would show it once more below its next cell
        lines = said_in_words(answers)
        words = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
        picture = img_of(stream.getvalue(), f"{' '.join(head)} {' '.join(lines)}")
        self.view.value = f"{picture}<details><summary>in words</summary><ul>{words}</ul></details>"

    def _say(self, text: str) -> None:
        self.message.value = alert(text)
