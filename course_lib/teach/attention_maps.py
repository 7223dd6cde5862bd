"""Where each query looks, laid over the scene: a small picture a query, discs on its patches.

The area of a disc is the weight of its patch, so no colour has to be read. A weight says what was
read, not what it was used for. Letters: Q queries, N patches and, where it is there, CLS.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
from matplotlib.figure import Figure

from course_lib.teach import style

MOST_QUERIES = 32
ACROSS = 8  # maps in a row; the scene stands in front of the first
PANEL, LARGE_PANEL, LINE = 0.95, 1.9, 0.145  # inches: a map of many, of few; a line of words
_TITLE = {"fontsize": 7.5, "pad": 3, "linespacing": 1.1}
_PALE = 0.62  # how far the scene is faded towards white, so that black discs stand out


def patch_maps(weights: torch.Tensor | np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Folds rows of weights into square maps; a class token in front is kept apart.

    Args:
        weights: (Q, N), N a square number of patches (36), or one more with CLS first (37).

    Returns:
        (maps (Q, side, side), CLS (Q,) or None), as float64.

    Raises:
        ValueError: for another shape, another N, or weights that are negative or no numbers.
    """
    if isinstance(weights, torch.Tensor):
        weights = weights.detach().cpu().double().numpy()
    weights = np.asarray(weights, dtype=np.float64)
    if weights.ndim != 2 or 0 in weights.shape:
        raise ValueError(
            f"The weights have the shape {weights.shape}: give (queries, patches) of one image, "
            "for example the mean over its heads."
        )
    total = weights.shape[1]
    side = math.isqrt(total)
    spare = total - side * side
    if spare > 1 or side < 2:
        raise ValueError(
            f"{total} weights a query are no square of patches, with or without a class token "
            "(36 or 37 here): leave out whatever else is among them."
        )
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ValueError(
            "Attention weights are numbers of at least 0: take them after the softmax."
        )
    maps = weights[:, spare:].reshape(-1, side, side)
    return maps, weights[:, 0] if spare else None


def draw_attention_maps(
    image: np.ndarray,
    weights: torch.Tensor | np.ndarray,
    names: Sequence[str] | None = None,
    own_scale: bool = False,
) -> Figure:
    """Draws the attention of each query over the patches of a scene.

    Args:
        image: (height, width, 3), 0 to 255.
        weights: (Q, N) of one image, at most 32 queries; see `patch_maps`.
        names: a title for each query instead of its number.
        own_scale: True gives each map its own scale, which shows faint ones and forbids to compare.

    Returns:
        The figure: the scene, then a map a query; the share of CLS stands in its title.

    Raises:
        ValueError: for weights, names or an image that do not fit.
    """
    maps, cls = patch_maps(weights)
    count = len(maps)
    _check(image, count, names)
    titles = list(names) if names is not None else [f"query {q}" for q in range(count)]
    if cls is not None:
        titles = [f"{name}\nCLS {share:.0%}" for name, share in zip(titles, cls, strict=True)]
    largest = maps.max()
    foot = _foot(largest, np.shape(weights)[1], own_scale)
    figure, axes = _grid(count, 1 if cls is None else 2, foot)
    axes[0, 0].imshow(image)
    axes[0, 0].set_title("the scene", **_TITLE)
    for axis, title, weight in zip(axes[:, 1:].flat, titles, maps, strict=False):
        _draw_map(axis, image, weight, weight.max() if own_scale else largest)
        axis.set_title(title, **_TITLE)
    return figure


def _grid(count: int, title_lines: int, foot: str) -> tuple[Figure, np.ndarray]:
    """Makes the empty figure: axes without frames, room for titles, the foot below them."""
    columns, rows = min(count, ACROSS) + 1, math.ceil(count / ACROSS)
    panel = min(max(5 / columns, PANEL), LARGE_PANEL)
    width, title = columns * panel, LINE * title_lines + 0.09
    lines = textwrap.wrap(foot, int(width / 0.066))
    below = LINE * len(lines) + 0.15
    height = rows * (panel + title) + below
    figure, axes = style.figure(width, height, rows, columns, squeeze=False)
    edges = {"left": 0.005, "right": 0.995, "top": 1 - title / height, "bottom": below / height}
    figure.subplots_adjust(**edges, wspace=0.06, hspace=title / panel)
    for axis in axes.flat:
        axis.axis("off")
    figure.text(0.01, 0.06 / height, "\n".join(lines), fontsize=8, color=style.INK)
    return figure, axes


def _check(image: np.ndarray, count: int, names: Sequence[str] | None) -> None:
    if count > MOST_QUERIES:
        raise ValueError(
            f"{count} queries are too many for one figure: draw at most {MOST_QUERIES} of them, "
            f"such as weights[:{MOST_QUERIES}]."
        )
    if names is not None and len(names) != count:
        raise ValueError(f"There are {len(names)} names for {count} queries: give one for each.")
    if np.ndim(image) != 3 or np.shape(image)[2] != 3:
        raise ValueError(
            f"The image has the shape {np.shape(image)}: give (height, width, 3), colours last."
        )
    if np.asarray(image).dtype.kind == "f" and np.max(image) <= 1:
        raise ValueError("The image has values from 0 to 1: give 0 to 255, as scenes are drawn.")


def _draw_map(axis: Axes, image: np.ndarray, weight: np.ndarray, largest: float) -> None:
    """Draws discs over a faded scene; the largest weight fills its patch."""
    side = len(weight)
    faded = np.asarray(image) / 255 * (1 - _PALE) + _PALE
    axis.imshow(faded, extent=(0, side, side, 0))
    sizes = 0.95 * np.sqrt(weight.ravel() / largest) if largest else np.zeros(side * side)
    down, across = np.mgrid[:side, :side] + 0.5
    places = np.stack([across.ravel(), down.ravel()], axis=1)
    discs = EllipseCollection(
        sizes,
        sizes,
        np.zeros_like(sizes),
        units="xy",
        offsets=places,
        offset_transform=axis.transData,
        facecolors=style.INK,
        linewidths=0,
    )
    axis.add_collection(discs)
    axis.set(xlim=(0, side), ylim=(side, 0))


def _foot(largest: float, total: int, own_scale: bool) -> str:
    words = "area of a disc: weight of its patch"
    if own_scale:
        return f"{words}; each map has a scale of its own"
    return f"{words}; the largest is {largest:.2f}, an even gaze would be 1/{total}"
