"""A loss curve that grows while the model trains and leaves one picture behind.

    with LiveCurve(["itc", "itm", "itg"]) as curve:
        train(model, stage, batches, seed=0, on_step=curve.on_step)

In JupyterLab the figure is drawn again every second or so, in place. Where nobody watches (a test,
`make notebooks`, a program) it is drawn once, at the end, by `plt.show()`: the stored output is one
figure either way, its size does not depend on the numbers, and strict nbval compares it well.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from course_lib.errors import unknown_name_error
from course_lib.teach import style
from course_lib.teach.front_end import someone_watches

ACROSS = 3  # curves side by side
SECONDS = 1.0  # at least, between two drawings
SHARE = 0.05  # of the time, at most, that goes into drawing


class LiveCurve:
    """Collects rows of metrics and draws them.

    Args:
        keys: what to draw, one small figure each: "loss", a part of the loss such as "itc",
            "learning_rate", or what stands deeper in a row, such as "eval.vqa".
        label: name of the first run, for the legend; `run` begins another one.
        watched: None finds out whether somebody sees the updates.

    Raises:
        ValueError: without keys, or with one twice.
    """

    def __init__(
        self, keys: Iterable[str], label: str = "", *, watched: bool | None = None
    ) -> None:
        self.keys = [keys] if isinstance(keys, str) else list(keys)
        if not self.keys or len(set(self.keys)) < len(self.keys):
            raise ValueError(f"keys={self.keys}: name at least one number to draw, each once.")
        self.runs: list[tuple[str, list[tuple[int, Mapping]]]] = [(label, [])]
        self.watched = someone_watches() if watched is None else watched
        self.finished = False
        self._handle: Any = None
        self._next_drawing = 0.0

    def run(self, label: str) -> None:
        """Begins another line: what `on_step` is given from now on belongs to this run.

        Raises:
            ValueError: for more runs than can be told apart.
        """
        if self.runs[-1][1]:
            style.series(len(self.runs) + 1)
            self.runs.append((label, []))
        else:
            self.runs[-1] = (label, [])

    def on_step(self, step: int, row: Mapping[str, Any]) -> None:
        """Takes a row of metrics, as `train` gives it, and draws from time to time.

        Raises:
            ValueError: for a key that the rows do not have; it names the nearest.
        """
        rows = self.runs[-1][1]
        if not rows:
            for key in self.keys:
                # What a validation measures comes later, and only then has a place in a row.
                if "." not in key and key not in row:
                    raise unknown_name_error("number of a row", key, row)
        rows.append((step, row))
        if self.watched and not self.finished and time.monotonic() >= self._next_drawing:
            started = time.monotonic()
            self._show_live()
            spent = time.monotonic() - started
            self._next_drawing = time.monotonic() + max(SECONDS, spent / SHARE)

    def finish(self) -> None:
        """Leaves the final figure; a second call does nothing."""
        if self.finished:
            return
        self.finished = True
        if self.watched:
            self._show_live()
            return
        figure = plt.figure(figsize=self._size(), dpi=style.DPI)
        self._draw(figure)
        plt.show()
        plt.close(figure)

    def __enter__(self) -> LiveCurve:
        return self

    def __exit__(self, *_error: object) -> None:
        """Finishes also when the training was interrupted or failed: the curve shows where."""
        self.finish()

    def _show_live(self) -> None:
        """Draws into the one display of this curve."""
        from IPython.display import display

        figure = plt.figure(figsize=self._size(), dpi=style.DPI)
        plt.close(figure)  # else the end of the cell would show it a second time
        self._draw(figure)
        if self._handle is None:
            self._handle = display(figure, display_id=True)
        else:
            self._handle.update(figure)

    def _grid(self) -> tuple[int, int]:
        columns = min(len(self.keys), ACROSS)
        return -(-len(self.keys) // columns), columns

    def _size(self) -> tuple[float, float]:
        """Returns inches; they depend on the keys alone."""
        rows, columns = self._grid()
        return (5.0 if columns == 1 else 2.9 * columns), 2.3 * rows + 0.3

    def _draw(self, figure: Figure) -> None:
        axes = figure.subplots(*self._grid(), squeeze=False).ravel()
        for axis in axes[len(self.keys) :]:
            axis.axis("off")
        for axis, key in zip(axes, self.keys, strict=False):
            looks = style.series(len(self.runs))
            points = [_points(rows, key) for _, rows in self.runs]
            for (label, _), (steps, values), look in zip(self.runs, points, looks, strict=True):
                how = look.line() if len(steps) > 1 else look.point()
                axis.plot(steps, values, label=label or None, **how)
            axis.set(title=key, xlabel="step")
            drawn = [value for _, values in points for value in values]
            if not drawn:
                axis.text(0.5, 0.5, "no numbers yet", transform=axis.transAxes, ha="center")
            elif min(drawn) >= 0:
                axis.set_ylim(0, None)
        if any(label for label, _ in self.runs):
            axes[0].legend(fontsize=8)
        figure.tight_layout()


def _points(rows: list[tuple[int, Mapping]], key: str) -> tuple[list[int], list[float]]:
    """Returns steps and values of the rows that have the key."""
    found = [(step, _value(row, key)) for step, row in rows]
    kept = [(step, value) for step, value in found if value is not None]
    return [step for step, _ in kept], [value for _, value in kept]


def _value(row: Mapping[str, Any], key: str) -> float | None:
    """Looks "eval.vqa" up step by step; None where it is missing or no finite number."""
    found: Any = row
    for part in key.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return float(found) if np.isfinite(found) else None
