"""Panels of the mask microscope: tables of 0 and 1 with labels, digits, and marks on faults.

Letters: R rows, which read; S columns, which are read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import RegularPolygon

from course_lib.teach import style

# Digits and shapes say the same as the colours.
ALLOWED, FAULT = style.BLUE, style.VERMILION
LEAK, UNUSED = "notices what it may not read", "does not notice what it may read"
MOST_TICKS, PANELS_A_ROW = 40, 4
CELL_INCHES, SIDE_INCHES = 0.26, 5.0


def as_table(mask: Any, name: str = "The mask") -> np.ndarray:
    """Returns a mask or grid of 0 and 1 as a boolean (R, S) array; leading axes of one row go.

    Raises:
        ValueError: for what is no table, more than one, an empty one, or other values.
    """
    try:
        table = torch.as_tensor(mask).detach().cpu()
    except (TypeError, ValueError, RuntimeError):
        kind = type(mask).__name__
        raise ValueError(f"{name} has to be one table (R, S), not a {kind}.") from None
    while table.dim() > 2 and len(table) == 1:
        table = table[0]
    if table.dim() != 2 or not table.numel():
        raise ValueError(f"{name} has to be one table (R, S), not {tuple(table.shape)}.")
    if not ((table == 0) | (table == 1)).all():
        raise ValueError(f"{name} has to hold 0 and 1 (may not read, may read) and nothing else.")
    return table.bool().numpy()


def as_tables(masks: Any) -> dict[str, np.ndarray]:
    """Returns name → boolean (R, S) array.

    Raises:
        ValueError: for what is no dictionary of masks, or holds none.
    """
    if not isinstance(masks, Mapping) or not masks:
        raise ValueError("Give at least one mask with its name, as a dictionary {name: mask}.")
    return {name: as_table(mask, f"Mask {name!r}") for name, mask in masks.items()}


def make_panels(
    tables: list[np.ndarray],
    rows: Sequence[str] | None,
    columns: Sequence[str] | None,
    legend: bool = False,
) -> tuple[Figure, list[Axes]]:
    """Makes a figure with one labelled panel a table, as large as its cells need.

    Args:
        tables: (R, S) each.
        rows: labels of the R rows; None numbers them.
        columns: labels of the S columns; the rows' where none are given.
        legend: whether there is room for one below.

    Returns:
        The figure, and an axes for each table.

    Raises:
        ValueError: for labels that do not fit; no figure is left open then.
    """
    sides = (("rows", rows), ("columns", rows if columns is None else columns))
    labels = [[_labels(table, axis, *side) for axis, side in enumerate(sides)] for table in tables]
    across = min(len(tables), PANELS_A_ROW)
    down = math.ceil(len(tables) / across)
    height, width = (max(table.shape[axis] for table in tables) for axis in (0, 1))
    cell = min(CELL_INCHES, SIDE_INCHES / max(height, width))
    wide, high = (max(2.2, cell * count + 0.9) for count in (width, height))
    size = (across * wide, down * high + 0.6 * legend)
    figure, axes = style.figure(*size, down, across, squeeze=False)
    for axis in axes.flat[len(tables) :]:
        axis.remove()
    panels = list(axes.flat[: len(tables)])
    for axis, (names, read) in zip(panels, labels, strict=True):
        text = {"fontsize": 8, "parse_math": False}
        axis.set_yticks(*_ticks(names), **text)
        axis.set_xticks(*_ticks(read), rotation=90 if max(map(len, read)) > 3 else 0, **text)
    return figure, panels


def _labels(table: np.ndarray, axis: int, what: str, given: Sequence[str] | None) -> Sequence[str]:
    count = table.shape[axis]
    if given is None:
        return [str(i) for i in range(count)]
    if isinstance(given, str) or len(given) != count:
        raise ValueError(f"There are {count} {what}, give as many labels, not {len(given)}.")
    return [str(label) for label in given]


def _ticks(labels: Sequence[str]) -> tuple[list[float], Sequence[str]]:
    step = math.ceil(len(labels) / MOST_TICKS)
    return [place + 0.5 for place in range(0, len(labels), step)], labels[::step]


def draw_table(axis: Axes, table: np.ndarray, title: str, digits: bool = False) -> None:
    """Paints the cells of an (R, S) table that hold 1, and writes 0 and 1 into them if asked."""
    lines = {"edgecolors": "gray", "linewidth": 0.5, "vmin": 0, "vmax": 1}
    axis.pcolormesh(table, cmap=ListedColormap([style.PAPER, ALLOWED]), **lines)
    axis.set_title(title, fontsize=10, parse_math=False)
    axis.set(xlabel="is read", ylabel="reads", aspect="equal")
    axis.tick_params(length=0)
    axis.invert_yaxis()
    size = min(8.0, 30 * SIDE_INCHES / max(table.shape))  # points; an inch of cells has 72
    for (i, j), value in np.ndenumerate(table if digits else table[:0]):
        ink = {"color": style.ink_on(ALLOWED if value else style.PAPER), "fontsize": size}
        axis.text(j + 0.5, i + 0.5, str(int(value)), ha="center", va="center", **ink)


def mark_faults(axis: Axes, meant: np.ndarray, measured: np.ndarray) -> None:
    """Puts a circle or a diamond around each cell that disagrees; a legend says what they mean.

    Args:
        axis: panel of what was measured.
        meant: (R, S) bool, the mask.
        measured: (R, S) bool.
    """
    legend = []
    for says, where, corners, marker in (
        (LEAK, measured & ~meant, 40, "o"),
        (UNUSED, meant & ~measured, 4, "D"),
    ):
        for i, j in np.argwhere(where):
            for colour, width in ((style.PAPER, 4.0), (FAULT, 2.0)):
                line = {"fill": False, "edgecolor": colour, "linewidth": width, "gid": says}
                axis.add_patch(RegularPolygon((j + 0.5, i + 0.5), corners, radius=0.44, **line))
        if where.any():
            paint = {"color": FAULT, "markerfacecolor": style.PAPER, "linestyle": "none"}
            legend.append(Line2D([], [], marker=marker, label=f"{where.sum()} {says}", **paint))
    if legend:
        under = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.22), "frameon": False}
        axis.legend(handles=legend, fontsize=8, **under)
