"""The stage table in print: what trains, what is frozen, in which mode, counted."""

from __future__ import annotations

from torch import nn

from course_lib.teach.plain_table import plain_table
from course_lib.training.stages import stage_table

_HEAD = ("module", "parameters", "trains", "dtype", "mode")


def stage_text(model: nn.Module) -> str:
    """Returns the stage table of a model as fixed-width text, with a line that sums it up.

    Raises:
        ValueError: for something that is no module, or has no parameters.
    """
    if not isinstance(model, nn.Module):
        raise ValueError(f"show_stage was given a {type(model).__name__}: give a torch module.")
    rows = stage_table(model)
    if not rows:
        raise ValueError(f"The {type(model).__name__} has no parameters: there is nothing to show.")
    cells = [
        (row.module, f"{row.parameters:,}", "yes" if row.trains else "no", row.dtype, row.mode)
        for row in rows
    ]
    trained = sum(row.parameters for row in rows if row.trains)
    total = sum(row.parameters for row in rows)
    table = plain_table(_HEAD, cells, right=(1,))
    return f"{table}\ntrains: {trained:,} of {total:,} parameters, {trained / total:.1%}"


def show_stage(model: nn.Module) -> None:
    """Prints the stage table of a model: module, parameters, trains, dtype, mode."""
    print(stage_text(model))
