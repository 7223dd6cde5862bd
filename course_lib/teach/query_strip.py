"""What each query reads of the picture, as a strip of small maps under a chat's answer.

The weights are those of the last layer that reads it, mean over its heads. A weight says what was
read, not what it was used for. Letters: Q queries, N patches and, where it is there, CLS.
"""

from __future__ import annotations

import html
import io
import math

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import torch

from course_lib.evaluation.asking import OpenedRun
from course_lib.teach.abstractor_gaze import abstractor_gaze, on_image
from course_lib.teach.attention_maps import MOST_QUERIES, draw_attention_maps, patch_maps
from course_lib.teach.gaze import gaze_of
from course_lib.teach.picture_png import img_of
from course_lib.vpg import QFormer
from course_lib.vpg.abstractor import Abstractor


def has_queries_that_read(opened: OpenedRun) -> bool:
    """Tells whether the run's head reads patches by attention that can be looked at."""
    head = opened.model.vpg.head
    if isinstance(head, QFormer):
        return any(layer.cross_attention is not None for layer in head.layers)
    return isinstance(head, Abstractor)


@torch.no_grad()
def last_gaze(opened: OpenedRun, pixel_values: torch.Tensor) -> torch.Tensor:
    """Computes what each query reads of the image in the last layer, mean over its heads.

    Args:
        opened: an opened run whose queries read; see `has_queries_that_read`.
        pixel_values: (1, 3, height, width), normalised.

    Returns:
        (Q, N), at most 32 queries; each row sums to 1.
    """
    vpg = opened.model.vpg
    head, features = vpg.head, vpg.features(pixel_values)
    if isinstance(head, Abstractor):
        return on_image(abstractor_gaze(head, features)[0].mean(0))[:MOST_QUERIES]
    return gaze_of(head, features)[0].mean(0)[:MOST_QUERIES]


def gaze_in_words(weights: torch.Tensor | np.ndarray) -> str:
    """Says for each query which patch it reads most: what stands in for the picture of the maps.

    Args:
        weights: (Q, N), see `patch_maps`.

    Returns:
        One text; rows and columns of patches are counted from 1.
    """
    maps, cls = patch_maps(weights)
    side = maps.shape[1]
    parts = []
    for query, weight in enumerate(maps):
        row, column = np.unravel_index(weight.argmax(), weight.shape)
        text = f"query {query}: row {row + 1}, column {column + 1} ({weight.max():.2f}"
        above = cls is not None and cls[query] > weight.max()
        parts.append(f"{text}; the class token {cls[query]:.2f})" if above else f"{text})")
    return (
        f"The patch that each query reads most, of {side} rows and {side} columns from the top "
        f"left, with its weight. {', '.join(parts)}."
    )


def strip_html(image: np.ndarray, weights: torch.Tensor | np.ndarray) -> str:
    """Draws the maps of all queries as one PNG inside an <img> with a text alternative.

    Args:
        image: (height, width, 3), 0 to 255: what the model saw.
        weights: (Q, N), see `patch_maps`.
    """
    figure = draw_attention_maps(image, weights)
    stream = io.BytesIO()
    try:
        figure.savefig(stream, format="png")
    finally:
        plt.close(figure)  # a notebook would show it once more below its next cell
    return img_of(stream.getvalue(), gaze_in_words(weights))


class QueryStrip:
    """The strip of a chat, with a checkbox that turns it off; hidden where nothing reads patches.

    Args:
        opened: an opened run.
    """

    def __init__(self, opened: OpenedRun) -> None:
        self.opened, self.works = opened, has_queries_that_read(opened)
        self.seen: tuple[np.ndarray, torch.Tensor] | None = None
        self.wanted = widgets.Checkbox(
            value=self.works, description="show what each query reads", indent=False
        )
        self.wanted.layout.width = "auto"
        self.wanted.layout.display = None if self.works else "none"
        self.view = widgets.HTML()
        self.wanted.observe(lambda _: self._show(), "value")

    def show(self, image: np.ndarray, pixel_values: torch.Tensor) -> None:
        """Shows the gaze on the picture that was just asked about."""
        self.seen = (image, pixel_values)
        self._show()

    def clear(self) -> None:
        """Takes the maps away: another picture is shown now, or none was read."""
        self.seen = None
        self._show()

    def _show(self) -> None:
        """Draws what is wanted; a fault is a sentence, since the answer above it stands."""
        if self.seen is None or not (self.works and self.wanted.value):
            self.view.value = ""
            return
        image, pixel_values = self.seen
        try:
            weights = last_gaze(self.opened, pixel_values)
            if not math.isfinite(float(weights.sum())):
                raise ValueError("The attention weights are no numbers: was the model trained?")
            self.view.value = strip_html(image, weights)
        except Exception as error:
            said = html.escape(f"{type(error).__name__}: {error}")
            self.view.value = f'<p role="alert">What the queries read cannot be shown. {said}</p>'
