"""What the rating sheet shows, on paper: a picture, a question, an answer, and the four grades."""

from __future__ import annotations

import textwrap

from matplotlib.figure import Figure

from course_lib.evaluation.owl_eval import OwlEval
from course_lib.evaluation.owl_eval_folder import Pictures
from course_lib.evaluation.ratings import GRADES, Item
from course_lib.teach import style
from course_lib.teach.chat_figure import LINE_INCHES, WIDTH_INCHES
from course_lib.teach.rating_picture import pixels_of
from course_lib.teach.rating_widget import shown_text

SIDE = 10  # lines that the picture is high and wide
LINE = 80  # characters beside it
LINES = 24  # of text, at most: a longer answer is shortened on paper
_HEIGHT = LINE_INCHES * 1.15


def draw_rating(
    owl: OwlEval, item: Item, pictures: Pictures | None = None, place: tuple[int, int] = (1, 1)
) -> Figure:
    """Draws one answer as it is put to a rater: nothing on it tells whose it is.

    Args:
        owl: the questions.
        item: the answer.
        pictures: where the images are, None for the toy world.
        place: which answer of how many it is.

    Returns:
        The figure; its words are text artists of its one axes.

    Raises:
        ValueError: for an image that is missing.
    """
    question = owl.question(item.question_id)
    pixels = pixels_of(owl, question.image, pictures)
    lines = _lines(question.text, item)
    rows = max(SIDE, len(lines) + len(GRADES) + 3) + 1
    figure, axis = style.figure(WIDTH_INCHES, _HEIGHT * rows)
    figure.subplots_adjust(left=0, right=1, top=1, bottom=0)
    high, wide = pixels.shape[0] / max(pixels.shape), pixels.shape[1] / max(pixels.shape)
    top = rows - 0.5
    axis.imshow(pixels, extent=(0.5, 0.5 + SIDE * wide, top - SIDE * high, top))
    lines = [(f"answer {place[0]} of {place[1]}", "normal"), *lines, ("rate it", "bold")]
    lines += [(f"{grade}: {words}", "normal") for grade, words in GRADES.items()]
    for number, (words, weight) in enumerate(lines):
        how = {"va": "baseline", "fontsize": 9, "parse_math": False, "fontweight": weight}
        axis.text(SIDE + 1.5, top - number - 0.8, words, color=style.INK, **how)
    axis.set(xlim=(0, WIDTH_INCHES / _HEIGHT), ylim=(0, rows), aspect="equal")
    axis.axis("off")
    return figure


def _lines(question: str, item: Item) -> list[tuple[str, str]]:
    """Returns (line, weight) of the turns before, the question and the answer."""
    before = [
        line
        for asked, answer in item.said
        for words in (f"asked before: {asked}", f"answered: {shown_text(answer)}")
        for line in _wrapped(words)
    ]
    asked = _wrapped(f"question: {question}")
    answer = _wrapped(f"answer: {shown_text(item.text)}")
    room = LINES - len(asked)
    if len(answer) > room:
        answer = [*answer[: room - 1], "… (shortened on paper)"]
    room -= len(answer)
    if len(before) > room:  # the turns before give way, the first of them first
        before = ["…", *before[len(before) - room + 1 :]] if room else []
    light = [(line, "normal") for line in before]
    return [*light, *((line, "bold") for line in asked), *((line, "normal") for line in answer)]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(" ".join(text.split()), LINE, break_on_hyphens=False)
