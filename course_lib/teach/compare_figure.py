"""Bars of several models beside each other, one group a measure, and the same in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.teach import style


def draw_bars(
    scores: Mapping[str, Sequence[float | None]],
    measures: Sequence[str],
    priors: Mapping[str, Sequence[float | None]] | None = None,
    axes: Axes | None = None,
) -> Figure:
    """Draws one group of bars a measure, one bar a model.

    Args:
        scores: model → one share (0 to 1) a measure; None where it has no place for it, which
            leaves a gap with a dash.
        measures: names of the groups.
        priors: model → what it reaches without the picture, a black line across its bar.
        axes: where to draw; None makes a figure.

    Returns:
        The figure.

    Raises:
        ValueError: for no model, more than can be told apart, or another number of scores.
    """
    looks = style.series(len(scores))
    _check(scores, measures)
    _check(priors or {}, measures)
    if axes is None:
        _, axes = style.figure(max(5.0, 1.3 * len(measures)), 3.0)
    width = 0.8 / len(scores)
    for number, ((model, shares), look) in enumerate(zip(scores.items(), looks, strict=True)):
        places = [group - 0.4 + width * (number + 0.5) for group in range(len(measures))]
        heights = [0.0 if share is None else share for share in shares]
        axes.bar(places, heights, width, label=model, **look.bar())
        for place, share in zip(places, shares, strict=True):
            if share is None:
                axes.text(place, 0.01, "–", ha="center", va="bottom", color=style.INK)
        for place, prior in zip(places, (priors or {}).get(model, ()), strict=False):
            if prior is not None:
                ends = (place - width / 2, place + width / 2)
                axes.plot(ends, (prior, prior), color=style.INK, linewidth=1.5)
    axes.set_xticks(range(len(measures)), measures)
    axes.set(ylim=(0, 1.02), ylabel="share")
    axes.legend(fontsize=8, ncol=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    axes.figure.tight_layout()
    return axes.figure


def bars_in_words(scores: Mapping[str, Sequence[float | None]], measures: Sequence[str]) -> str:
    """Tells the same as the figure, one line a model: for those who do not see it."""
    _check(scores, measures)
    return "\n".join(
        f"{model}: "
        + ", ".join(
            f"{name} {'no place' if share is None else f'{share:.2f}'}"
            for name, share in zip(measures, shares, strict=True)
        )
        for model, shares in scores.items()
    )


def _check(scores: Mapping[str, Sequence[float | None]], measures: Sequence[str]) -> None:
    for model, shares in scores.items():
        if len(shares) != len(measures):
            raise ValueError(
                f"{model} has {len(shares)} scores for {len(measures)} measures: give one each, "
                "None where there is no place for it."
            )
        wrong = [share for share in shares if share is not None and not 0 <= share <= 1]
        if wrong:
            raise ValueError(f"{model} has a share of {wrong[0]}: shares go from 0 to 1.")
