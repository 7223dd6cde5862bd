"""The mask microscope as a widget: choose a mask and an input, read who notices it.

It is made of plain ipywidgets, so that a test can move it, and what it leaves in a stored notebook
is one line. `draw_proof` draws on paper what it shows.

Letters: S inputs, D their width; R outputs.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets
import numpy as np
import torch

from course_lib.teach.microscope import check_inputs, influence
from course_lib.teach.microscope_panels import FAULT, LEAK, UNUSED, as_table, as_tables
from course_lib.teach.shown_box import ShownBox

STORED = "A mask microscope: run this cell in JupyterLab. On paper, see the figure."


class MaskMicroscope(ShownBox):
    """Shows for one input which outputs may read it and which notice when it changes.

    Let a cell end with it. Each mask is measured once, when it is first chosen; whatever goes wrong
    then becomes a sentence in place of the table.

    Args:
        masks: name → mask (R, S), True or 1 where the row may read the column.
        run: mask → callable for `influence`, (1, S, D) → (1, R, ...) or (1, R).
        inputs: (1, S, D).
        labels: names of the S inputs, and of the outputs where they are as many.
        outputs: names of the R outputs, where they are others.

    Raises:
        ValueError: for no mask, inputs of another shape, or masks and labels that do not fit.
    """

    stored = STORED

    def __init__(
        self,
        masks: Mapping[str, Any],
        run: Callable[[Any], Callable[[torch.Tensor], torch.Tensor]],
        inputs: torch.Tensor,
        labels: Sequence[str],
        outputs: Sequence[str] | None = None,
    ) -> None:
        self.tables = as_tables(masks)
        check_inputs(inputs)
        self.masks, self.run, self.inputs = dict(masks), run, inputs
        self.labels = [str(label) for label in labels]
        self.outputs = self.labels if outputs is None else [str(label) for label in outputs]
        self._check_fit()
        self.grids: dict[str, np.ndarray] = {}
        self.mask = widgets.Dropdown(options=list(self.masks), description="mask")
        self.input = widgets.IntSlider(0, 0, inputs.shape[1] - 1, description="input")
        self.name = widgets.HTML()
        self.table = widgets.HTML()
        choosing = widgets.HBox([self.mask, self.input, self.name])
        self.box = widgets.VBox([choosing, self.table])
        self.mask.observe(self._show, "value")
        self.input.observe(self._show, "value")
        self._show()

    def _check_fit(self) -> None:
        wanted = (len(self.outputs), self.inputs.shape[1])
        if len(self.labels) != wanted[1]:
            raise ValueError(f"{wanted[1]} inputs need as many labels, not {len(self.labels)}.")
        for name, table in self.tables.items():
            if table.shape != wanted:
                raise ValueError(f"Mask {name!r} is {table.shape}, but by its labels {wanted}.")

    def _show(self, _change: dict | None = None) -> None:
        """Shows what is chosen; a fault of the run is a sentence and never an exception."""
        name, place = self.mask.value, self.input.value
        self.name.value = f"<b>{html.escape(self.labels[place])}</b>"
        try:
            measured = self._measured(name)[:, place]
        except Exception as error:
            text = str(error).splitlines() or ["no reason given"]
            kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
            said = html.escape(f"{kind}{text[0]}")
            self.table.value = f"<p>This mask could not be measured. {said}</p>"
            return
        self.table.value = self._written(self.tables[name][:, place], measured)

    def _measured(self, name: str) -> np.ndarray:
        """Returns the measured (R, S) grid of a mask, as it was the first time."""
        if name not in self.grids:
            grid = as_table(influence(self.run(self.masks[name]), self.inputs), "The grid")
            if grid.shape != self.tables[name].shape:
                shapes = f"{grid.shape}, the mask {self.tables[name].shape}"
                raise ValueError(f"What was measured is {shapes}: which outputs are meant?")
            self.grids[name] = grid
        return self.grids[name]

    def _written(self, may: np.ndarray, does: np.ndarray) -> str:
        """Writes (R,) permissions and (R,) measurements as a table in words."""
        label = html.escape(self.labels[self.input.value])
        faults = int((may != does).sum())
        differ = "differs" if faults == 1 else "differ"
        agree = f"{faults} {differ} from the mask" if faults else "as the mask says"
        says = (
            f"{label} is replaced by random vectors: {does.sum()} of {len(does)} outputs notice it"
        )
        lines = [
            "<tr>"
            f'<th scope="row" style="text-align:left">{html.escape(output)}</th>'
            f"<td>{'may read it' if allowed else 'may not read it'}</td>"
            f"<td>{'notices' if notices else 'does not notice'}</td>"
            f"<td>{_verdict(bool(allowed), bool(notices))}</td></tr>"
            for output, allowed, notices in zip(self.outputs, may, does, strict=True)
        ]
        titles = "".join(
            f'<th scope="col">{title}</th>' for title in ("output", "the mask", "measured", "")
        )
        return (
            f'<p>{says}, {agree}.</p><table style="line-height:1.5;border-spacing:14px 2px">'
            f"<thead><tr>{titles}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
        )


def _verdict(allowed: bool, notices: bool) -> str:
    if allowed == notices:
        return "✓"
    return f'<b style="color:{FAULT}">✗ {LEAK if notices else UNUSED}</b>'
