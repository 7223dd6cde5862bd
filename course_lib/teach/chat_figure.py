"""What the chat widget does, on paper: scenes, questions, and what the model really answers."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.data.toy import ToyScenes
from course_lib.evaluation.asking import OpenedRun, answer_to, check_has_language
from course_lib.teach import style
from course_lib.world.language import canonical_caption
from course_lib.world.questions import QUESTION_TYPES, Question, ask
from course_lib.world.scene import Scene

DESCRIBE = "describe"
RIGHT, WRONG = "✓", "✗"
INK = {RIGHT: style.look("right").colour, WRONG: style.look("wrong").colour}
LINE = 95  # characters on a line of the figure
LINE_INCHES = 0.17
WIDTH_INCHES = 8.5


def known_questions(scene: Scene, seed: int = 0) -> list[Question]:
    """Returns questions whose right answer the scene states: its caption, and one of each type."""
    rng = np.random.default_rng(seed)
    asked = [ask(scene, rng, type) for type in QUESTION_TYPES]
    caption = Question("caption", DESCRIBE, canonical_caption(scene).rstrip("."))
    return [caption, *(question for question in asked if question is not None)]


def sign_of(opened: OpenedRun, answer: str, question: Question) -> str:
    """Returns ✓ for an answer that is right in the run's own style, ✗ for a wrong one."""
    return RIGHT if opened.asker.is_right(answer, question) else WRONG


def draw_answers(
    opened: OpenedRun, data: ToyScenes, asked: Sequence[tuple[int, Question]]
) -> Figure:
    """Draws scenes with questions and the model's answers beside them.

    Right answers carry ✓, wrong ones ✗ and what the scene says, so that no colour is needed to
    tell them apart. The size of the figure depends on what is asked, not on what is answered.

    Args:
        opened: an opened stage-2 run.
        data: the scenes.
        asked: (row of a scene, question) pairs, as `balanced_questions` and `known_questions` give
            them; what is asked about one scene stands together.

    Returns:
        The figure, one axes a scene; questions and answers are its text artists.

    Raises:
        ValueError: for a run of stage 1, or when nothing is asked.
    """
    check_has_language(opened)
    if not asked:
        raise ValueError("There is nothing to draw: give at least one (row, question) pair.")
    by_row: dict[int, list[Question]] = {}
    for row, question in asked:
        by_row.setdefault(row, []).append(question)
    heights = [max(7, sum(map(_lines_of, questions)) + 1) for questions in by_row.values()]
    figure, axes = style.figure(
        WIDTH_INCHES,
        LINE_INCHES * sum(heights),
        rows=len(by_row),
        squeeze=False,
        gridspec_kw={"height_ratios": heights, "hspace": 0},
    )
    figure.subplots_adjust(left=0, right=1, top=1, bottom=0)
    for axis, height, (row, questions) in zip(axes.flat, heights, by_row.items(), strict=True):
        pixels = data.pixel_values([row])
        said = [answer_to(opened, pixels, question.text)[0] for question in questions]
        signs = [sign_of(opened, *pair) for pair in zip(said, questions, strict=True)]
        _draw_scene(axis, data.images[row], list(zip(questions, said, signs, strict=True)), height)
    return figure


def _lines_of(question: Question) -> int:
    """Returns the lines kept for a question, an answer as long as the right one, and the truth."""
    return 1 + -(-(2 * len(question.answer) + 25) // LINE)


def _answer_lines(question: Question, answer: str, sign: str) -> list[str]:
    """Writes the answer behind its sign, shortened where it rambles, and the truth if it differs.

    The answer gives way and not the truth.
    """
    count = _lines_of(question) - 1
    truth = "" if sign == RIGHT else f" (the scene says: {question.answer})"
    room = count * (LINE - 8) - len(truth)
    said = textwrap.shorten(answer, room, placeholder=" …") or "(nothing)"
    return textwrap.wrap(f"{sign} {said}{truth}", LINE, break_on_hyphens=False)


def _draw_scene(
    axis: Axes, image: np.ndarray, answered: list[tuple[Question, str, str]], height: int
) -> None:
    """Draws one scene at the left and its questions beside it; the unit is a line of text."""
    axis.imshow(image, extent=(0.3, 6.3, height - 6.5, height - 0.5))
    words = {"va": "top", "fontsize": 9, "linespacing": 1.2, "parse_math": False}
    top = height - 0.6
    for question, answer, sign in answered:
        lines = "\n".join(_answer_lines(question, answer, sign))
        ink = INK[sign]
        axis.text(7, top, question.text, color=style.INK, **words)
        axis.text(7, top - 1, lines, color=ink, fontweight="bold", **words)
        top -= _lines_of(question)
    axis.set(xlim=(0, WIDTH_INCHES / LINE_INCHES), ylim=(0, height), aspect="equal")
    axis.axis("off")
