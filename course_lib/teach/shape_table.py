"""The shapes of a forward pass, module by module, as fixed-width text.

    print(shape_table(qformer, image_features).to_depth(2))

Letters are left to the reader: the table has numbers, and telling which one is B is the exercise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from course_lib.teach.plain_table import plain_table
from course_lib.teach.shapes import shapes_of
from course_lib.vlm import evaluating

MOST_SHAPES = 6  # lines of one cell of the text
_HEAD = ("module", "class", "reads", "gives", "parameters")
_WHOLE = "(the whole)"
_NONE = "–"


@dataclass(frozen=True)
class ShapeRow:
    """What one module did in the pass.

    Args:
        name: dotted, "" for the whole model.
        kind: name of its class.
        reads: shapes of what it was called with; empty where it was not called itself.
        gives: shapes of what it returned.
        parameters: of it and all below it; 0 in the second row of a module.
        calls: how often it was called with these shapes.
    """

    name: str
    kind: str
    reads: tuple[str, ...]
    gives: tuple[str, ...]
    parameters: int
    calls: int

    @property
    def depth(self) -> int:
        """Steps below the whole model."""
        return self.name.count(".") + 1 if self.name else 0


class ShapeTable:
    """Rows of a forward pass; `print` or `str` gives the table.

    Args:
        rows: in the order in which the model lists its modules.
    """

    def __init__(self, rows: list[ShapeRow]) -> None:
        self.rows = rows

    def to_depth(self, depth: int) -> ShapeTable:
        """Returns the table of modules at most `depth` steps below the whole."""
        return ShapeTable([row for row in self.rows if row.depth <= depth])

    def below(self, name: str) -> ShapeTable:
        """Returns the table of one module and what is below it.

        Raises:
            ValueError: when no row has that name.
        """
        kept = [row for row in self.rows if f"{row.name}.".startswith(f"{name}.")]
        if not kept:
            known = ", ".join(row.name for row in self.rows if row.depth == 1)
            raise ValueError(f"The table has no module {name!r}; at the top it has {known}.")
        return ShapeTable(kept)

    def __iter__(self) -> Iterator[ShapeRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        top = min((row.depth for row in self.rows), default=0)
        cells = [_cells(row, top) for row in self.rows]
        text = plain_table(_HEAD, cells, right=(4,))
        if any(row.calls == 0 for row in self.rows):
            text += f"\n{_NONE} not called as a module: a list of parts, or its parent used them"
        return text

    __repr__ = __str__


def shape_table(module: nn.Module, *args: Any, **kwargs: Any) -> ShapeTable:
    """Runs a forward pass and notes the shapes at every module.

    The pass runs in eval mode without gradients; afterwards modes, hooks and the generators of
    random numbers are as they were.

    Args:
        module: any model or part of one.
        args: what it is called with.
        kwargs: more of that, by name.

    Returns:
        One row a module that was called or holds parameters, and one more for every other pair of
        shapes that a module met.

    Raises:
        ValueError: when `module` is no module; whatever the forward pass raises, it raises too.
    """
    if not isinstance(module, nn.Module):
        raise ValueError(
            f"shape_table was given a {type(module).__name__}: give a torch module first, then "
            "what it is called with."
        )
    calls: dict[str, dict[tuple, int]] = {name: {} for name, _ in module.named_modules()}
    handles = [
        part.register_forward_hook(_noting(calls[name]), with_kwargs=True)
        for name, part in module.named_modules()
    ]
    devices = range(torch.cuda.device_count())
    try:
        with evaluating(module), torch.no_grad(), torch.random.fork_rng(devices):
            module(*args, **kwargs)
    finally:
        for handle in handles:
            handle.remove()
    return ShapeTable([row for n, part in module.named_modules() for row in _rows(n, part, calls)])


def _noting(seen: dict[tuple, int]) -> Callable:
    """Returns a hook that counts calls by their shapes."""

    def note(_module: nn.Module, args: tuple, kwargs: dict, output: Any) -> None:
        shapes = (shapes_of(args) + shapes_of(kwargs), shapes_of(output))
        seen[shapes] = seen.get(shapes, 0) + 1

    return note


def _rows(name: str, part: nn.Module, calls: dict[str, dict[tuple, int]]) -> Iterator[ShapeRow]:
    parameters, kind = sum(p.numel() for p in part.parameters()), type(part).__name__
    if not calls[name] and parameters:
        yield ShapeRow(name, kind, (), (), parameters, 0)
    for index, ((reads, gives), count) in enumerate(calls[name].items()):
        yield ShapeRow(name, kind, reads, gives, 0 if index else parameters, count)


def _cells(row: ShapeRow, top: int) -> tuple:
    indent = "  " * (row.depth - top)
    name = row.name.rpartition(".")[2] if row.depth > top else row.name or _WHOLE
    name = f"{indent}{name}" + (f" ×{row.calls}" if row.calls > 1 else "")
    return name, row.kind, _lines(row.reads), _lines(row.gives), f"{row.parameters:,}"


def _lines(shapes: tuple[str, ...]) -> tuple[str, ...]:
    if len(shapes) > MOST_SHAPES:
        rest = len(shapes) - MOST_SHAPES + 1
        return (*shapes[: MOST_SHAPES - 1], f"… and {rest} more")
    return shapes or (_NONE,)
