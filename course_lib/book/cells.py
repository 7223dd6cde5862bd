"""What the pages need to know of stored cells: their lines, their place, their address."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nbformat

PICTURES = ("image/png", "image/jpeg", "image/svg+xml")


@dataclass(frozen=True)
class Place:
    """A cell of a notebook, and its address in the book.

    Args:
        notebook: the stem of the file, such as "03_blip2_stage1".
        index: the cell's place among all cells, from 0.
        number: its execution count, the number that JupyterLab shows; 0 for text.
        section: the id of a heading, for text, whose cells have no id of their own.
    """

    notebook: str
    index: int
    number: int
    section: str = ""

    @property
    def anchor(self) -> str:
        """The id to jump to on the notebook's page."""
        return self.section or anchor(self.index)

    def link(self, root: str = "") -> str:
        """Returns a link in HTML, for a page from which `root` leads to the book's first page."""
        name = self.notebook.split("_")[0]
        text = f"{name}, cell {self.number}" if self.number else name
        return f'<a href="{root}notebooks/{self.notebook}.html#{self.anchor}">{text}</a>'


def anchor(index: int) -> str:
    """Returns the id of a cell by its place among all cells."""
    return f"cell-{index}"


@cache
def read(path: Path) -> nbformat.NotebookNode:
    """Reads a notebook once; nobody may change what is returned."""
    return nbformat.read(path, as_version=4)


def printed(cell: nbformat.NotebookNode) -> str:
    """Returns what a code cell printed, without pictures and values; "" for a text cell."""
    outputs = cell.get("outputs", [])
    return "".join(output.get("text", "") for output in outputs if output.get("name") == "stdout")


def place_of(path: Path, index: int) -> Place:
    """Returns the place of the cell at `index`."""
    cell = read(path).cells[index]
    return Place(path.stem, index, cell.get("execution_count") or 0)


def place_of_line(path: Path, line: str) -> Place | None:
    """Returns the first cell that prints `line` as a whole line, or None."""
    for index, cell in enumerate(read(path).cells):
        if line in printed(cell).splitlines():
            return place_of(path, index)
    return None


def alts_of(path: Path, index: int) -> list[str]:
    """Returns the alt texts of a cell's pictures, in the order of its outputs.

    Raises:
        ValueError: for a picture without one.
    """
    found = []
    for output in read(path).cells[index].get("outputs", []):
        kinds = [kind for kind in PICTURES if kind in output.get("data", {})]
        for kind in kinds:
            alt = output.get("metadata", {}).get(kind, {}).get("alt")
            if not alt:
                raise ValueError(
                    f"{path.name}, cell {index}: a picture without alt text. Give the cell's "
                    "metadata an `alt` and store its outputs anew with `make notebooks`."
                )
            found.append(alt)
    return found
