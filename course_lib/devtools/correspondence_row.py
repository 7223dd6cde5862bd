"""One line of PARITY.md."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        what: the thing in a few words.
        equation: paper and place.
        line: "03: equal to the library's layer", a notebook and a line that one of its cells
            prints, without the ": True" at its end.
        symbol: dotted name in the library; "" where the notebook alone builds it.
        official: the authors' file.
        test: "file::function" below tests/parity; "" where the cell itself compares with a
            reference that nobody here wrote.
        difference: how ours differs from the authors' code on purpose, or what could not be tried.
    """

    what: str
    equation: str
    line: str
    symbol: str
    official: str
    test: str
    difference: str = "none known"
