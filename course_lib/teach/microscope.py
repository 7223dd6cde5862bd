"""The mask microscope: who may read whom as a picture, and who does, shown by perturbation.

Letters: S inputs, D their width; R outputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from matplotlib.figure import Figure

from course_lib.teach.microscope_panels import (
    as_table,
    as_tables,
    draw_table,
    make_panels,
    mark_faults,
)


@torch.no_grad()
def influence(
    run: Callable[[torch.Tensor], torch.Tensor],
    inputs: torch.Tensor,
    seed: int = 0,
    *,
    draws: int = 3,
    tolerance: float = 1e-5,
) -> torch.Tensor:
    """Replaces one input at a time by a random vector and notes which outputs change.

    Args:
        run: maps (1, S, D) to (1, R, ...) or (1, R): a layer under a mask, the loss at each label.
        inputs: (1, S, D).
        seed: of the random vectors.
        draws: vectors tried at each place: an output that is a choice may well miss one.
        tolerance: largest difference that does not count.

    Returns:
        (R, S) of 0 and 1, an integer tensor: 1 where output i notices input j.

    Raises:
        ValueError: where no experiment is possible: inputs of another shape, outputs that are no
            tensor of one row, that are NaN, or that differ when nothing was changed.
    """
    check_inputs(inputs)
    before = _outputs(run, inputs)
    _check_repeatable(before, _outputs(run, inputs), tolerance)
    generator = torch.Generator().manual_seed(seed)
    grid = torch.zeros(len(before), inputs.shape[1], dtype=torch.int)
    for place in range(inputs.shape[1]):
        for _ in range(draws):
            changed = inputs.clone()
            changed[0, place] = torch.randn(inputs.shape[2], generator=generator).to(inputs)
            grid[:, place] |= _differ(before, _outputs(run, changed), tolerance).int()
    return grid


def check_inputs(inputs: Any) -> None:
    """Checks that inputs are vectors, float (1, S, D).

    Raises:
        ValueError: where they are not, ids above all.
    """
    kind = f"a {type(inputs).__name__}"
    if isinstance(inputs, torch.Tensor):
        if inputs.dim() == 3 and len(inputs) == 1 and inputs.is_floating_point():
            return
        kind = f"{str(inputs.dtype).removeprefix('torch.')} {tuple(inputs.shape)}"
    raise ValueError(f"The inputs have to be vectors, float (1, S, D), not {kind}.")


def _outputs(run: Callable[[torch.Tensor], Any], inputs: torch.Tensor) -> torch.Tensor:
    """Runs on a copy of (1, S, D); returns (R, numbers) in float64 on the CPU."""
    found = run(inputs.clone())
    if not isinstance(found, torch.Tensor):
        kind = type(found).__name__
        raise ValueError(f"run has to return one tensor, not a {kind}: pick it, as in run(x)[0].")
    if found.dim() < 2 or len(found) != 1:
        raise ValueError(f"run has to return (1, R, ...) or (1, R), not {tuple(found.shape)}.")
    rows = found[0].detach().cpu().double()
    return rows.reshape(len(rows), math.prod(rows.shape[1:]))


def _differ(before: torch.Tensor, after: torch.Tensor, tolerance: float) -> torch.Tensor:
    """Says of each output (R, numbers) whether it changed; equal infinities did not."""
    if before.shape != after.shape:
        shapes = f"{tuple(before.shape)}, then {tuple(after.shape)}"
        raise ValueError(f"run has to return the same shape each time, not {shapes}.")
    return ~torch.isclose(after, before, rtol=0.0, atol=tolerance).all(dim=1)


def _check_repeatable(first: torch.Tensor, second: torch.Tensor, tolerance: float) -> None:
    undefined = first.isnan().any(dim=1).nonzero().flatten().tolist()
    if undefined:
        raise ValueError(
            f"Output {undefined[0]} is NaN before any input was changed: does its row of the mask "
            "read nobody?"
        )
    if _differ(first, second, tolerance).any():
        raise ValueError("The same inputs give two answers: switch dropout off with .eval().")


def draw_masks(
    masks: Mapping[str, Any],
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
) -> Figure:
    """Draws masks side by side: a row reads the columns that are blue.

    Args:
        masks: name → mask (R, S), True or 1 where the row may read the column.
        rows: labels of the R rows; None numbers them.
        columns: labels of the S columns; the rows' where none are given.

    Returns:
        The figure, one axes a mask.

    Raises:
        ValueError: for no mask, one that is no table of 0 and 1, or labels that do not fit.
    """
    tables = as_tables(masks)
    figure, axes = make_panels(list(tables.values()), rows, columns)
    for axis, (name, table) in zip(axes, tables.items(), strict=True):
        draw_table(axis, table, name)
    figure.tight_layout()
    return figure


def draw_proof(
    mask: Any,
    grid: Any,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    name: str = "mask",
) -> Figure:
    """Draws a mask and what was measured side by side, with 0 and 1 in the cells.

    Where they disagree, the measured cell carries a shape: a circle for an output that notices what
    it may not read, a diamond for one that does not notice what it may read.

    Args:
        mask: (R, S), what somebody meant.
        grid: (R, S), what `influence` measured.
        rows: labels of the R rows; None numbers them.
        columns: labels of the S columns; the rows' where none are given.
        name: title of the mask.

    Returns:
        The figure, two axes.

    Raises:
        ValueError: when the two are no tables of 0 and 1 of one shape, or labels do not fit.
    """
    meant, measured = as_table(mask), as_table(grid, "The grid")
    if meant.shape != measured.shape:
        raise ValueError(f"The mask is {meant.shape}, the measured grid {measured.shape}.")
    faults = int((meant != measured).sum())
    says = f"{faults} of {meant.size} differ" if faults else "equal"
    figure, (left, right) = make_panels([meant, measured], rows, columns, legend=faults > 0)
    draw_table(left, meant, name, digits=True)
    draw_table(right, measured, f"measured: {says}", digits=True)
    mark_faults(right, meant, measured)
    figure.tight_layout()
    return figure
