"""Curves of several arms with their bands over seeds, and the same in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.evaluation.speedup import Curve, first_crossing
from course_lib.teach import style

BESIDE = 3  # with more curves the legend stands beside them, where it hides none


def draw_curves(
    curves: Sequence[Curve],
    metric: str,
    over: str = "samples seen",
    quality: float | None = None,
    labels: Mapping[str, str] | None = None,
    axes: Axes | None = None,
) -> Figure:
    """Draws the mean of each arm and a band from its lowest to its highest seed.

    Args:
        curves: at most as many as can be told apart (`style.series`).
        metric: name of what is drawn, for the axis.
        over: what `at` of the curves counts.
        quality: draws a level line, and a mark where each mean first reaches it.
        labels: arm → words for the legend.
        axes: where to draw; None makes a figure.

    Returns:
        The figure.

    Raises:
        ValueError: for no curve or too many of them.
    """
    looks, crowded = style.series(len(curves)), len(curves) > BESIDE
    if axes is None:
        _, axes = style.figure(8.4 if crowded else 6.4, 3.2)
    for curve, look in zip(curves, looks, strict=True):
        low, high = zip(*curve.band, strict=True)
        name = (labels or {}).get(curve.arm, curve.arm)
        axes.plot(curve.at, curve.mean, label=name, **look.line())
        axes.fill_between(curve.at, low, high, color=look.colour, alpha=0.15, linewidth=0)
        if quality is not None:
            place = first_crossing(curve.at, curve.mean, quality)
            if math.isfinite(place):
                axes.plot([place], [max(quality, curve.mean[0])], **look.point())
    if quality is not None:
        axes.axhline(quality, color=style.GREY, linewidth=0.8)
    axes.set(xlabel=over, ylabel=metric)
    beside = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0)} if crowded else {}
    axes.legend(fontsize=8, **beside)
    axes.figure.tight_layout()
    return axes.figure


def curves_in_words(
    curves: Sequence[Curve], quality: float | None = None, over: str = "samples"
) -> str:
    """Tells the same as the figure, one line an arm: for those who do not see it."""
    lines = []
    for curve in curves:
        low, high = curve.band[-1]
        line = (
            f"{curve.arm}: {curve.mean[0]:.2f} at {curve.at[0]:,.0f}, {curve.mean[-1]:.2f} at "
            f"{curve.at[-1]:,.0f} {over} ({low:.2f} to {high:.2f} over {len(curve.seeds)} seeds)"
        )
        if quality is not None:
            place = first_crossing(curve.at, curve.mean, quality)
            reached = f"reached at {place:,.0f}" if math.isfinite(place) else "not reached"
            line += f"; {quality:.2f} {reached}"
        lines.append(line)
    return "\n".join(lines)
