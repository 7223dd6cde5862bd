"""What the scene editor shows, on paper: a scene, its caption, and what may be asked about it."""

from __future__ import annotations

import textwrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.evaluation.asking import framed
from course_lib.teach import style
from course_lib.teach.chat_figure import INK, LINE_INCHES, RIGHT, WIDTH_INCHES, known_questions
from course_lib.world.draw import draw_scene
from course_lib.world.language import canonical_caption
from course_lib.world.scene import Scene

NO_WORDS = "(no words: the picture alone asks for the caption)"
SIDE = 10  # lines that the picture is high
CAPTION_LINE = 78  # characters
LINE_HEIGHT = LINE_INCHES * 1.15


def draw_editor(scene: Scene, short: bool = False) -> Figure:
    """Draws a scene beside its caption, the words a model is asked with, and the right answers.

    Args:
        scene: such as `SceneEditor().scene` or what `scene_of` makes.
        short: True words the questions as T5 gets them ("short answer:").

    Returns:
        The figure; its words are text artists of its one axes.
    """
    first, *others = known_questions(scene)
    pairs = [(framed(first.text, short) or NO_WORDS, "the caption")]
    pairs += [(framed(question.text, short), question.answer) for question in others]
    caption = textwrap.wrap(canonical_caption(scene), CAPTION_LINE)
    height = max(SIDE, len(caption) + len(pairs) + 2) + 1
    figure, axis = style.figure(WIDTH_INCHES, LINE_HEIGHT * height)
    figure.subplots_adjust(left=0, right=1, top=1, bottom=0)
    top = height - 0.5
    axis.imshow(draw_scene(scene), extent=(0.5, SIDE + 0.5, top - SIDE, top))
    _write(axis, top, "caption", style.INK, "bold", x=SIDE + 1.5)
    for number, line in enumerate(caption):
        _write(axis, top - number, line, style.INK, x=SIDE + 5.5)
    y = top - len(caption) - 0.5
    _write(axis, y, "asked with", style.INK, "bold", x=SIDE + 1.5)
    _write(axis, y, "the scene's answer", INK[RIGHT], "bold", x=SIDE + 26)
    for words, answer in pairs:
        y -= 1
        _write(axis, y, words, style.INK, x=SIDE + 1.5)
        _write(axis, y, answer, INK[RIGHT], x=SIDE + 26)
    axis.set(xlim=(0, WIDTH_INCHES / LINE_HEIGHT), ylim=(0, height), aspect="equal")
    axis.axis("off")
    return figure


def _write(
    axis: Axes, y: float, words: str, ink: str, weight: str = "normal", x: float = 0
) -> None:
    how = {"va": "baseline", "fontsize": 9, "parse_math": False}
    axis.text(x, y - 0.8, words, color=ink, fontweight=weight, **how)
