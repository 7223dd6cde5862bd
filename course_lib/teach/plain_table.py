"""A table as fixed-width text: the same characters on every machine, readable without colour."""

from __future__ import annotations

from collections.abc import Sequence


def plain_table(
    head: Sequence[str], rows: Sequence[Sequence[str | Sequence[str]]], right: Sequence[int] = ()
) -> str:
    """Writes rows under a head, columns two spaces apart.

    Args:
        head: titles of the columns.
        rows: a cell is a string, or a sequence of lines.
        right: indices of the columns that are set to the right, such as numbers.

    Returns:
        Lines without spaces at their ends, joined.

    Raises:
        ValueError: when a row has more or fewer cells than the head.
    """
    lines: list[list[str]] = []
    for row in [head, *rows]:
        if len(row) != len(head):
            raise ValueError(f"A row has {len(row)} cells, the head has {len(head)}: {row!r}.")
        cells = [[cell] if isinstance(cell, str) else list(cell) for cell in row]
        deepest = max(1, *(len(cell) for cell in cells))
        lines += [[cell[i] if i < len(cell) else "" for cell in cells] for i in range(deepest)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    lines.insert(1, ["─" * width for width in widths])
    return "\n".join(_aligned(line, widths, right) for line in lines)


def _aligned(line: list[str], widths: list[int], right: Sequence[int]) -> str:
    cells = [
        cell.rjust(width) if column in right else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(line, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()
