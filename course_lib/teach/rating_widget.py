"""A sheet to rate OwlEval answers on, A to D: blind, shuffled, by keys or buttons, resumed.

It is made of plain ipywidgets, so that a test can click it, and what it leaves in a stored notebook
is one line. `rating_figure` draws on paper what it shows. Plain ipywidgets hear no keys outside a
text box, so there is one for them: a letter in it rates at once and it is empty again.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path

import ipywidgets as widgets

from course_lib.evaluation.owl_eval import OwlAnswer, OwlEval, is_empty
from course_lib.evaluation.owl_eval_folder import Pictures
from course_lib.evaluation.ratings import GRADES, Item, RatingFile, blind_order, items_of
from course_lib.teach.rating_picture import html_of
from course_lib.teach.shown_box import ShownBox, alert

STORED = "A sheet to rate answers on: run this cell in JupyterLab. On paper, see the figure."
NO_ANSWER = "(no answer)"
DONE = "All answers are rated. Go back to change one; the file holds every rating."


def shown_text(answer: str) -> str:
    """Returns an answer as raters see it: a place-holder would tell whose file it is from."""
    return NO_ANSWER if is_empty(answer) else answer.strip()


class RatingWidget(ShownBox):
    """Shows one answer after the other with its question and picture, and keeps what is chosen.

    Let a cell end with it. Each choice is on disk before the next answer comes, so the same cell
    goes on where it was left, after a closed tab or a restarted kernel. Answers whose image is
    missing are left out and counted.

    Args:
        owl: the questions.
        answers: name of a model → question id → answer.
        path: the file that the ratings are appended to.
        rater: a name or a number; everybody rates under their own.
        pictures: where the images are; None for the toy world, which draws its own.
        seed: of the order; raters who take different ones get tired of different answers.

    Raises:
        ValueError: without an answer that can be shown, or for a file that cannot be trusted.
    """

    stored = STORED

    def __init__(
        self,
        owl: OwlEval,
        answers: Mapping[str, Mapping[int, OwlAnswer]],
        path: Path,
        rater: str,
        pictures: Pictures | None = None,
        seed: int = 0,
    ) -> None:
        self.owl, self.pictures = owl, pictures
        items = items_of(owl, answers)
        self.file = RatingFile(path, items, rater)
        self.order = [item for item in blind_order(items.values(), seed) if self._has_image(item)]
        self.left_out = len(items) - len(self.order)
        if not self.order:
            raise ValueError(
                f"None of {len(items)} answers has its image: "
                f"{pictures.complaint() if pictures else 'give `pictures`.'}"
            )
        self.progress = widgets.IntProgress(max=len(self.order), description="rated")
        self.place, self.message = widgets.HTML(), widgets.HTML()
        self.picture, self.words = widgets.HTML(), widgets.HTML()
        self.grade_buttons = {
            grade: widgets.Button(
                description=f"{grade}: {words}", layout=widgets.Layout(width="auto")
            )
            for grade, words in GRADES.items()
        }
        self.keys = widgets.Text(
            description="key", placeholder="A, B, C or D", layout=widgets.Layout(width="200px")
        )
        self.back_button = widgets.Button(description="back")
        self.skip_button = widgets.Button(description="next without a rating")
        self.skip_button.layout.width = "auto"
        self.box = self._arranged()
        self._connect()
        self.at = self._next_unrated(-1)
        self._show()

    def _has_image(self, item: Item) -> bool:
        image = self.owl.question(item.question_id).image
        return image in self.owl.scenes or bool(self.pictures and image in self.pictures.found)

    def _arranged(self) -> widgets.VBox:
        wrapping = widgets.Layout(flex_flow="row wrap")
        fixed = widgets.Layout(flex="0 0 auto", max_width="440px")
        said = widgets.VBox([self.words], layout=widgets.Layout(flex="1", min_width="0"))
        return widgets.VBox(
            [
                widgets.HBox([self.progress, self.place], layout=wrapping),
                widgets.HBox([widgets.VBox([self.picture], layout=fixed), said]),
                widgets.VBox(list(self.grade_buttons.values())),
                widgets.HBox([self.keys, self.back_button, self.skip_button], layout=wrapping),
                self.message,
            ]
        )

    def _connect(self) -> None:
        for grade, button in self.grade_buttons.items():
            button.on_click(lambda _, grade=grade: self.rate(grade))
        self.back_button.on_click(lambda _: self.move(-1))
        self.skip_button.on_click(lambda _: self.move(1))
        self.keys.observe(self._on_key, "value")

    def _on_key(self, change: dict) -> None:
        typed = str(change["new"]).strip()
        if not change["new"]:
            return
        self.keys.value = ""
        if typed.upper() in GRADES:
            self.rate(typed.upper())
        elif typed:
            self._say(f"{typed!r:.20} is no rating: type one of {', '.join(GRADES)}.")

    def _next_unrated(self, start: int) -> int:
        """Returns the first place behind `start`, going round, whose answer has no rating."""
        count = len(self.order)
        places = [(start + step) % count for step in range(1, count + 1)]
        return next((p for p in places if self.order[p].code not in self.file.grades), start)

    @property
    def item(self) -> Item:
        """The answer that is shown."""
        return self.order[self.at]

    def rate(self, grade: str) -> None:
        """Keeps a rating of the answer that is shown and goes on to the next without one."""
        try:
            self.file.rate(self.item.code, grade)
        except (ValueError, OSError) as error:
            self._say(f"The rating was not kept: {error}")
            return
        self.at = max(self._next_unrated(self.at), 0)
        self._show()

    def move(self, step: int) -> None:
        """Shows another answer, rated or not; both ends are connected."""
        self.at = (self.at + step) % len(self.order)
        self._show()

    def _show(self) -> None:
        self.at = max(self.at, 0)  # -1 where all were rated before
        item, count = self.item, len(self.order)
        question = self.owl.question(item.question_id)
        rated = sum(known.code in self.file.grades for known in self.order)
        self.progress.value = rated
        self.place.value = f"answer {self.at + 1} of {count}, {rated} rated"
        self.picture.value = html_of(self.owl, question.image, self.pictures)
        turns = [*item.said, (question.text, item.text)]
        texts = [(html.escape(asked), _lines_of(answer)) for asked, answer in turns]
        parts = [f"<p>asked before: {asked}<br>answered: {said}</p>" for asked, said in texts[:-1]]
        asked, said = texts[-1]
        parts.append(f"<p><b>question:</b> {asked}</p><p><b>answer:</b> {said}</p>")
        self.words.value = f'<div style="line-height:1.5">{"".join(parts)}</div>'
        given = self.file.grades.get(item.code)
        for grade, button in self.grade_buttons.items():
            button.button_style = "primary" if grade == given else ""
            button.icon = "check" if grade == given else ""
        self._say(self._state(rated, given))

    def _state(self, rated: int, given: str | None) -> str:
        """Says what a person has to know about where they are; "" for nothing."""
        lines = [DONE] if rated == len(self.order) else []
        lines += [f"You rated this answer {given}; another choice replaces it."] if given else []
        if self.left_out:
            lines.append(f"Left out, because the image is missing: {self.left_out}.")
        return " ".join(lines)

    def _say(self, text: str) -> None:
        self.message.value = alert(text)


def _lines_of(answer: str) -> str:
    return html.escape(shown_text(answer)).replace("\n", "<br>")
