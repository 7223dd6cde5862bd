"""A token strip: what a language model reads and where it is judged, as text and as a figure.

Both say everything in words and marks; the figure's colours only repeat them.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from transformers import PreTrainedTokenizerBase

from course_lib.teach import style
from course_lib.teach.token_places import (
    LOSS,
    NO_LABEL,
    NO_LOSS,
    PADDING,
    VISUAL,
    Place,
    Strip,
    strips_of,
)

MARKS = {VISUAL: "▣", LOSS: "●", NO_LOSS: "○", PADDING: "×"}
# Fill and hatching of each kind.
_FILLS = {
    VISUAL: (style.look("picture").colour, ""),
    LOSS: (style.look("words").colour, ""),
    NO_LOSS: (style.PAPER, ""),
    PADDING: ("#f2f2f2", "////"),
}
_PALE = "#d5d5d5"
LINE = 100  # characters of a line, the name of the row included
_NAMES = 10  # characters kept for it
WIDTH_INCHES, LINE_INCHES = 8.8, 0.21
_FONT = {"family": "DejaVu Sans Mono", "fontsize": 8.5, "parse_math": False, "va": "center"}


def token_strip_text(
    tokenizer: PreTrainedTokenizerBase, batch: Mapping[str, torch.Tensor], row: int = 0, **how: Any
) -> str:
    """Writes a row of a batch as fixed text: token, label, mark, and what the state predicts.

    Args:
        tokenizer: the one that the batch was made with.
        batch: of `training_batch` or `generation_batch`, (B, S).
        row: which row.
        how: `num_query_tokens` and `encoder_decoder`, see `strips_of`.

    Raises:
        ValueError: see `strips_of`.
    """
    strips = strips_of(tokenizer, batch, row, **how)
    lines = []
    for strip in strips:
        lines.append(f"{strip.title} ({sum(place.count for place in strip.places)} places)")
        for block in _blocks(strip):
            lines += [_text_line(name, cells, block) for name, cells in _rows(strip, block)]
            lines.append("")
        lines += [*textwrap.wrap(strip.sentence, LINE), ""]
    return "\n".join([*lines, "   ".join(_key(strips).values())])


def draw_token_strip(
    tokenizer: PreTrainedTokenizerBase, batch: Mapping[str, torch.Tensor], row: int = 0, **how: Any
) -> Figure:
    """Draws what `token_strip_text` writes; its arguments are the same.

    Returns:
        The figure, one axes; every word of it is a text artist.

    Raises:
        ValueError: see `strips_of`.
    """
    strips = strips_of(tokenizer, batch, row, **how)
    blocks = [(strip, block) for strip in strips for block in _blocks(strip)]
    height = 1 + sum(len(list(_rows(*pair))) + 0.7 for pair in blocks) + 1.2 * len(strips)
    figure, axis = style.figure(WIDTH_INCHES, LINE_INCHES * height)
    figure.subplots_adjust(left=0, right=1, top=1, bottom=0)
    top = height - 0.6
    for strip in strips:
        axis.text(0.5, top, strip.title, fontweight="bold", color=style.INK, **_FONT)
        top -= 1.1
        for block in _blocks(strip):
            top = _draw_block(axis, top, strip, block)
    _draw_key(axis, strips)
    axis.set(xlim=(0, LINE + 2), ylim=(0, height))
    axis.axis("off")
    return figure


def _key(strips: list[Strip]) -> dict[str, str]:
    """Returns what explains each mark that is used, such as "● loss here", by its kind."""
    used = {place.kind for strip in strips for place in strip.places}
    return {kind: f"{mark} {kind}" for kind, mark in MARKS.items() if kind in used}


def _rows(strip: Strip, block: list[Place]) -> Iterator[tuple[str, list[str]]]:
    """Yields (name, one cell a place) from top to bottom."""
    yield "place", [_span(place) for place in block]
    yield "token", [place.reads for place in block]
    if "label" in strip.rows:
        yield "label", [place.label for place in block]
    yield "mark", [MARKS[place.kind] for place in block]
    if "predicts" in strip.rows:
        yield "predicts", [place.predicts for place in block]


def _span(place: Place) -> str:
    last = place.first + place.count - 1
    return f"{place.first}" if place.count == 1 else f"{place.first}–{last}"


def _width(place: Place) -> int:
    return max(map(len, (_span(place), place.reads, place.label, place.predicts)))


def _blocks(strip: Strip) -> list[list[Place]]:
    """Breaks a strip where a line is full; a gap of two stands between places."""
    blocks, used = [[]], _NAMES
    for place in strip.places:
        if used + _width(place) + 2 > LINE and blocks[-1]:
            blocks.append([])
            used = _NAMES
        blocks[-1].append(place)
        used += _width(place) + 2
    return blocks


def _text_line(name: str, cells: list[str], block: list[Place]) -> str:
    padded = [cell.ljust(_width(place)) for cell, place in zip(cells, block, strict=True)]
    return (name.ljust(_NAMES) + "  ".join(padded)).rstrip()


def _draw_block(axis: Axes, top: float, strip: Strip, block: list[Place]) -> float:
    """Draws the rows of a block below `top`; returns where the next one begins."""
    for name, cells in _rows(strip, block):
        axis.text(0.5, top, name, color=style.GREY if name == "place" else style.INK, **_FONT)
        left = float(_NAMES)
        for cell, place in zip(cells, block, strict=True):
            width = _width(place)
            ink = style.INK
            if name == "token":
                ink = _draw_box(axis, left, top, width, place.kind)
            elif name == "place" or cell == NO_LABEL:
                ink = style.GREY
            axis.text(left + width / 2, top, cell, color=ink, ha="center", **_FONT)
            left += width + 2
        top -= 1.0
    return top - 0.7


def _draw_box(axis: Axes, left: float, middle: float, width: int, kind: str) -> str:
    """Draws what is behind a token; returns the ink that reads best on it."""
    fill, hatch = _FILLS[kind]
    corner, size = (left - 0.8, middle - 0.45), (width + 1.6, 0.9)
    if hatch:  # in a pale colour of its own, so that the token stays readable
        axis.add_patch(
            Rectangle(corner, *size, facecolor=fill, hatch=hatch, edgecolor=_PALE, linewidth=0)
        )
        fill = "none"
    edge = {"edgecolor": style.GREY, "linewidth": 0.8}
    axis.add_patch(Rectangle(corner, *size, facecolor=fill, **edge))
    return style.ink_on(_FILLS[kind][0])


def _draw_key(axis: Axes, strips: list[Strip]) -> None:
    left = 1.3
    for kind, words in _key(strips).items():
        ink = _draw_box(axis, left, 0.7, len(words), kind)
        axis.text(left + len(words) / 2, 0.7, words, color=ink, ha="center", **_FONT)
        left += len(words) + 3
