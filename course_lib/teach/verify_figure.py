"""The sheet of curated pairs on paper: picture, what the model said, the caption, a verdict."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.curation.decisions import ACCEPT, EDIT, REJECT, Decision
from course_lib.curation.proposing import Proposal
from course_lib.data.images import load_image
from course_lib.teach import style
from course_lib.teach.chat_figure import INK, LINE_INCHES, RIGHT, WIDTH_INCHES, WRONG
from course_lib.teach.verify_widget import PictureOf

SIDE = 7  # lines that a picture is high and wide
LINE = 88  # characters beside it
MOST = 4  # lines of one text; a longer one is shortened on paper
_VERDICTS = {
    ACCEPT: (f"{RIGHT} accepted", INK[RIGHT]),
    EDIT: (f"{RIGHT} edited: ", INK[RIGHT]),
    REJECT: (f"{WRONG} rejected", INK[WRONG]),
}
_UNDECIDED = ("not decided yet", style.INK)


def draw_pairs(
    proposals: Sequence[Proposal], decisions: Mapping[str, Decision], picture_of: PictureOf
) -> Figure:
    """Draws pairs below each other, with what was decided about each.

    Args:
        proposals: one or more; a handful fits a page.
        decisions: image_id → decision; a pair without one is not decided yet.
        picture_of: image_id → a file or pixels.

    Returns:
        The figure, one axes a pair; its words are text artists.

    Raises:
        ValueError: without a pair, or for an image that cannot be read.
    """
    if not proposals:
        raise ValueError("There is nothing to draw: give at least one proposal.")
    texts = [_texts(proposal, decisions.get(proposal.image_id)) for proposal in proposals]
    heights = [max(SIDE, sum(len(lines) for lines, _ in rows)) + 1 for rows in texts]
    figure, axes = style.figure(
        WIDTH_INCHES,
        LINE_INCHES * sum(heights),
        rows=len(proposals),
        squeeze=False,
        gridspec_kw={"height_ratios": heights, "hspace": 0},
    )
    figure.subplots_adjust(left=0, right=1, top=1, bottom=0)
    for axis, height, proposal, rows in zip(axes.flat, heights, proposals, texts, strict=True):
        _draw(axis, height, picture_of(proposal.image_id), rows)
    return figure


def _texts(proposal: Proposal, decision: Decision | None) -> list[tuple[list[str], str]]:
    """Returns (lines, ink) of what the model said, the caption, and the verdict."""
    words, ink = _UNDECIDED if decision is None else _VERDICTS[decision.decision]
    if decision is not None and decision.decision == EDIT:
        words += decision.caption
    return [
        (_wrapped(f"said: {proposal.said.strip() or '(nothing)'}"), style.INK),
        (_wrapped(f"caption: {proposal.caption}"), style.INK),
        (_wrapped(words), ink),
    ]


def _wrapped(text: str) -> list[str]:
    short = textwrap.shorten(text, MOST * (LINE - 12), placeholder=" …")
    return textwrap.wrap(short, LINE, break_on_hyphens=False)


def _draw(axis: Axes, height: int, picture, rows: list[tuple[list[str], str]]) -> None:
    pixels = picture if isinstance(picture, np.ndarray) else np.asarray(load_image(picture))
    high, wide = (size / max(pixels.shape[:2]) for size in pixels.shape[:2])
    top, side = height - 0.5, SIDE - 1
    axis.imshow(pixels, extent=(0.3, 0.3 + side * wide, top - side * high, top))
    y = height - 0.6
    for lines, ink in rows:
        how = {"va": "top", "fontsize": 9, "linespacing": 1.2, "parse_math": False}
        axis.text(SIDE + 0.3, y, "\n".join(lines), color=ink, **how)
        y -= len(lines)
    axis.set(xlim=(0, WIDTH_INCHES / LINE_INCHES), ylim=(0, height), aspect="equal")
    axis.axis("off")
