"""One page of references, collected from the References sections of the notebooks.

A section's entry reads `Authors: *Title* (NAME), year, arXiv 2301.12597, sections.` Papers that
several notebooks name become one entry with a link to each; what else a section lists (the
authors' code, data sets without a number) stands below, in its own words.
"""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from course_lib.book.cells import Place, read

_SECTION = re.compile(r"^## References *\n(?P<entries>.*?)(?=^#|\Z)", re.MULTILINE | re.DOTALL)
_ITEM = re.compile(r"^- +(.+?)(?=^- |\Z)", re.MULTILINE | re.DOTALL)
_PAPER = re.compile(
    r"(?P<authors>[A-Z][^*:;]*?)[:,] \*(?P<title>[^*]+)\*(?: \((?P<name>[^)]+)\))?, "
    r"(?P<year>\d{4}), arXiv (?P<number>\d{4}\.\d{4,5})"
)
_NUMBER = re.compile(r"\barXiv[: ](\d{4}\.\d{4,5})")
HEAD = """# References

Collected from the notebooks; each number leads to the place that cites the paper. What a notebook
takes from a paper, with section and table, its own last section says.
"""


@dataclass
class Paper:
    """A paper and where it is cited.

    Args:
        number: its arXiv number.
        authors: as a notebook writes them.
        title: the longest of the titles that notebooks give.
        name: its short name, or "".
        year: when it appeared.
        places: the notebooks that list it.
    """

    number: str
    authors: str
    title: str
    name: str
    year: str
    places: list[Place] = field(default_factory=list)

    def line(self) -> str:
        """Returns the entry as Markdown."""
        address = f"[arXiv {self.number}](https://arxiv.org/abs/{self.number})"
        name = f" ({self.name})" if self.name else ""
        cited = ", ".join(place.link() for place in self.places)
        return f"- {self.authors}: *{self.title}*{name}, {self.year}, {address}. Cited in {cited}."


def items_of(text: str) -> list[str]:
    """Returns the entries of the References section of a text cell, each on one line."""
    found = _SECTION.search(text)
    items = _ITEM.findall(found["entries"]) if found else []
    return [" ".join(item.split()) for item in items]


def papers_in(item: str) -> list[Paper]:
    """Returns the papers of one entry, which may name several, one after the other."""
    papers = []
    for match in _PAPER.finditer(item):
        kept = {key: (match[key] or "").strip() for key in ("authors", "title", "name", "year")}
        papers.append(Paper(match["number"], **kept))
    return papers


def collect(notebooks: list[Path]) -> tuple[list[Paper], dict[str, list[Place]]]:
    """Reads the References sections of the notebooks.

    Returns:
        The papers, by their authors, and the other entries with the places that list them.

    Raises:
        ValueError: for an entry with an arXiv number that does not read as a paper.
    """
    papers: dict[str, Paper] = {}
    others: dict[str, list[Place]] = defaultdict(list)
    for path in notebooks:
        for index, cell in enumerate(read(path).cells):
            for item in items_of(cell.source) if cell.cell_type == "markdown" else []:
                found, place = papers_in(item), Place(path.stem, index, 0, "references")
                if set(_NUMBER.findall(item)) - {paper.number for paper in found}:
                    wanted = "Authors: *Title*, year, arXiv 1234.56789"
                    raise ValueError(f"{path.name}: write this entry as `{wanted}`: {item!r}")
                if not found:
                    others[item].append(place)
                for paper in found:
                    kept = papers.setdefault(paper.number, paper)
                    _merge(kept, paper)
                    kept.places.append(place)
    return sorted(papers.values(), key=_by_surname), dict(others)


def _merge(kept: Paper, other: Paper) -> None:
    """Keeps the fuller of two entries; a title that is a short name becomes the name."""
    titles = sorted({kept.title, other.title}, key=len)
    if len(titles) == 2 and " " not in titles[0] and not titles[1].startswith(titles[0]):
        kept.name = kept.name or titles[0]
    kept.title, kept.name = titles[-1], kept.name or other.name
    kept.authors = max(kept.authors, other.authors, key=len)


def _by_surname(paper: Paper) -> tuple[str, str]:
    first = re.split(r",| and others", paper.authors)[0]
    return (first.split(". ")[-1].lower(), paper.year)


def render(papers: list[Paper], others: dict[str, list[Place]]) -> str:
    """Returns the page as Markdown."""
    lines = [HEAD, "## Papers", "", *(paper.line() for paper in papers)]
    lines += ["", "## Code, data and others", ""]
    for item, places in sorted(others.items()):
        lines.append(f"- {item} Cited in {', '.join(place.link() for place in places)}.")
    return "\n".join(lines) + "\n"
