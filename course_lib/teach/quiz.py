"""`quiz("03")`: the questions of a notebook; each option has its reason, be it right or wrong.

Where a chapter has two notebooks, each shows the questions about its own objectives:
`quiz("09", ("09.5", "09.6"))`. It works offline and by keyboard, and is made of plain ipywidgets. A
stored notebook keeps the questions as text without the answers, which is also what a reader on
paper sees.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence

import ipywidgets as widgets

from course_lib.errors import unknown_name_error
from course_lib.teach import style
from course_lib.teach.progress import note
from course_lib.teach.quizzes import Question, load_quiz, question_id
from course_lib.teach.shown_box import ShownBox

RIGHT = ("✓ right", style.look("right").colour)
WRONG = ("✗ not this one", style.look("wrong").colour)
LINE = 100  # characters on a line of the stored text
# A radio button's label has the height of one line, and its button stands behind its text: options
# of several lines need room, and their button in front.
STYLE = (
    "<style>.course-quiz .widget-radio-box label"
    "{display:flex;align-items:flex-start;height:auto;line-height:1.45;padding:2px 0}"
    ".course-quiz .widget-html-content{line-height:1.45}"
    ".course-quiz .widget-radio-box input{order:-1;flex:none;height:1.45em;margin:0 8px 0 1px}"
    "</style>"
)


class Quiz(ShownBox):
    """A quiz that a cell ends with.

    Args:
        notebook: its number, under which attempts are kept.
        questions: in order.
        numbers: of the questions in their file, by which attempts are kept; None counts from 1.
    """

    def __init__(
        self,
        notebook: str,
        questions: tuple[Question, ...],
        numbers: Sequence[int] | None = None,
    ) -> None:
        self.notebook, self.questions = notebook, questions
        self.numbers = range(1, len(questions) + 1) if numbers is None else numbers
        self.right: set[int] = set()
        self.choices = [_radio_buttons(question) for question in questions]
        narrow = {"width": "90px", "flex": "0 0 auto"}
        self.buttons = [widgets.Button(description="check", layout=narrow) for _ in questions]
        self.reasons = [widgets.HTML() for _ in questions]
        self.score = widgets.HTML()
        parts: list[widgets.Widget] = [widgets.HTML(STYLE)]
        for index, question in enumerate(questions):
            words = f"<b>{index + 1}.</b> {html.escape(question.question)}"
            row = widgets.HBox([self.buttons[index], self.reasons[index]])
            parts += [widgets.HTML(words), self.choices[index], row]
            self._connect(index)
        self.box = widgets.VBox([*parts, self.score])
        self.box.add_class("course-quiz")
        self._count()

    def _connect(self, index: int) -> None:
        def check(_button: widgets.Button) -> None:
            self.check(index)

        def forget(_change: dict) -> None:  # a reason belongs to the option it was given for
            self.reasons[index].value = ""

        self.buttons[index].on_click(check)
        self.choices[index].observe(forget, "value")

    def check(self, index: int) -> None:
        """Shows the reason of the chosen option, and keeps the attempt.

        Args:
            index: of the question, the first is 0.
        """
        chosen = self.choices[index].value
        if chosen is None:
            self.reasons[index].value = "Choose an option first."
            return
        option = self.questions[index].options[chosen]
        sign, ink = RIGHT if option.right else WRONG
        if option.right:
            self.right.add(index)
        trouble = note(question_id(self.notebook, self.numbers[index]), option.right)
        lines = [f'<b style="color:{ink}">{sign}:</b> {html.escape(option.reason)}']
        lines += [f"<small>{html.escape(trouble)}</small>"] if trouble else []
        self.reasons[index].value = "<br>".join(lines)
        self._count()

    def _count(self) -> None:
        self.score.value = f"<b>{len(self.right)} of {len(self.questions)} right.</b>"

    def __repr__(self) -> str:
        """The questions and their options as text, without the answers."""
        count = len(self.questions)
        lines = [f"Quiz of notebook {self.notebook}, {count} question{'s' if count > 1 else ''}."]
        lines[0] += " In JupyterLab: choose an option, then check; each has its reason."
        for number, question in enumerate(self.questions, start=1):
            lines += ["", *_wrapped(question.question, f"{number}. ")]
            for letter, option in zip("abcd", question.options, strict=False):
                lines += _wrapped(option.text, f"   {letter}) ")
        return "\n".join(lines)


def quiz(notebook: str, objectives: Sequence[str] = ()) -> Quiz:
    """Returns the quiz of a notebook; let a cell end with it.

    Args:
        notebook: its number, such as "03".
        objectives: the questions about these alone, such as ("09.5", "09.6"); () asks them all.

    Raises:
        ValueError: for a notebook without a quiz, a file with a fault, or an objective that no
            question is about.
    """
    questions = load_quiz(notebook)
    known = {question.objective for question in questions}
    for objective in objectives:
        if objective not in known:
            raise unknown_name_error(f"objective of quiz {notebook}", objective, sorted(known))
    wanted = [
        (number, question)
        for number, question in enumerate(questions, start=1)
        if not objectives or question.objective in objectives
    ]
    numbers, asked = zip(*wanted, strict=True)
    return Quiz(notebook, asked, numbers)


def _radio_buttons(question: Question) -> widgets.RadioButtons:
    options = [(option.text, index) for index, option in enumerate(question.options)]
    wide = widgets.Layout(width="100%")
    return widgets.RadioButtons(options=options, value=None, layout=wide)


def _wrapped(text: str, start: str) -> list[str]:
    indent = " " * len(start)
    how = {"initial_indent": start, "subsequent_indent": indent, "break_on_hyphens": False}
    return textwrap.wrap(text, LINE, **how)
