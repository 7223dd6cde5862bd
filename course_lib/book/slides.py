"""Slides from the cells that carry a tag: `slide` begins one, `on-slide` goes on with it.

What a room can read stays: headings, pictures, tables, formulas, lists, short code and the first
paragraph. The other paragraphs become the speaker's notes (key S shows them), solutions and hints
go. A picture comes without its code.
"""

import base64
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from course_lib.book.cells import printed, read
from course_lib.devtools.environment import ROOT, find_notebooks

BEGIN, GO_ON = "slide", "on-slide"
MAX_CODE, MAX_PRINTED = 16, 30  # lines that a slide holds
_DETAILS = re.compile(r"<details>.*?</details>", re.DOTALL)
_FENCE = re.compile(r"(```.*?```|\$\$.*?\$\$)", re.DOTALL)
_HEADING = re.compile(r"^#+ +(.+)$")
_KEPT = re.compile(r"^(!\[|\||[-*] |\d+\. |```|\$\$)")
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\([^)]+\)")


@dataclass
class Slide:
    """One slide.

    Args:
        title: its heading.
        body: blocks of Markdown, in order.
        notes: what the speaker sees alone.
    """

    title: str
    body: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        """Returns the slide as Markdown for Sphinx."""
        blocks = [f"## {self.title}", *self.body]
        if self.notes:
            notes = "\n\n".join(self.notes)
            blocks.append(f"````{{revealjs-notes}}\n{notes}\n````")
        return "\n\n".join(blocks)


def blocks_of(text: str) -> list[str]:
    """Returns the blocks of a Markdown text; a fence or a formula stays whole, `<details>` go."""
    found = []
    for piece in _FENCE.split(_DETAILS.sub("", text)):
        if _FENCE.fullmatch(piece):
            found.append(piece)
        else:
            found += [block.strip() for block in re.split(r"\n\s*\n", piece)]
    return [block for block in found if block]


def add_text(slide: Slide, text: str) -> None:
    """Adds a text cell to a slide: what a room reads, and the rest for the speaker."""
    spoken = False
    for block in blocks_of(text):
        heading = _HEADING.match(block.splitlines()[0])
        if heading:
            slide.title = heading[1]
            block = "\n".join(block.splitlines()[1:]).strip()
        plain = _LINK.sub(r"\1", block)
        if _KEPT.match(block) or (block and not spoken):
            slide.body.append(plain)
            spoken = spoken or not _KEPT.match(block)
        elif block:
            slide.notes.append(plain)


def add_code(slide: Slide, cell: nbformat.NotebookNode, name: str, folder: Path) -> None:
    """Adds a code cell: its pictures, or else its code, and what it printed, as far as it fits.

    Args:
        slide: gets the blocks.
        cell: with stored outputs.
        name: begin of the names of its picture files.
        folder: where the picture files go.
    """
    shown = []
    for number, output in enumerate(cell.outputs):
        picture = output.get("data", {}).get("image/png")
        if picture:
            path = folder / f"{name}-{number}.png"
            path.write_bytes(base64.b64decode(picture))
            alt = output.metadata.get("image/png", {}).get("alt", "")
            shown.append(f"![{alt.replace('[', '(').replace(']', ')')}]({path.name})")
    if not shown and len(cell.source.splitlines()) <= MAX_CODE:
        shown.append(f"```python\n{cell.source}\n```")
    lines = printed(cell).strip("\n").splitlines()
    if lines:
        more = ["…"] if len(lines) > MAX_PRINTED else []
        shown.append("\n".join(["```text", *lines[:MAX_PRINTED], *more, "```"]))
    slide.body += shown


def deck_of(path: Path, folder: Path) -> str:
    """Returns the slides of a notebook as one Markdown text, "" where no cell begins a slide.

    Args:
        path: the notebook.
        folder: where its picture files go.

    Raises:
        ValueError: where a cell goes on with a slide that none began.
    """
    slides: list[Slide] = []
    for index, cell in enumerate(read(path).cells):
        tags = set(cell.metadata.get("tags", []))
        if BEGIN in tags:
            title = slides[-1].title if slides else path.stem
            slides.append(Slide(title))
        elif GO_ON not in tags:
            continue
        if not slides:
            raise ValueError(
                f"{path.name}, cell {index} has the tag {GO_ON!r}, and no cell before it {BEGIN!r}."
            )
        if cell.cell_type == "markdown":
            add_text(slides[-1], cell.source)
        elif cell.cell_type == "code":
            add_code(slides[-1], cell, f"{path.stem}-{index}", folder)
    if not slides:
        return ""
    first, *others = slides
    opening = [f"# {first.title}", *Slide("", first.body, first.notes).markdown().split("\n\n")[1:]]
    return "\n\n".join(["\n\n".join(opening), *(slide.markdown() for slide in others)]) + "\n"


def stage_slides(target: Path, only: list[str] | None = None) -> list[Path]:
    """Fills a folder with one deck a notebook and a first page that names them.

    Args:
        target: the folder; what is in it is thrown away.
        only: begin of the names of the notebooks to take, all without.

    Returns:
        The notebooks that have slides.

    Raises:
        ValueError: where no notebook has a cell with the tag, or tags contradict.
    """
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    shutil.copytree(ROOT / "notebooks" / "images", target / "images")
    made, titles = [], []
    for path in find_notebooks(only):
        if text := deck_of(path, target):
            (target / f"{path.stem}.md").write_text(text, encoding="utf-8")
            made.append(path)
            titles.append(text.splitlines()[0].removeprefix("# "))
    if not made:
        raise ValueError(f"No cell has the tag {BEGIN!r}: there is nothing to show.")
    lines = ["# Slides", "", "Arrow keys turn the pages, S shows the speaker's notes, F fills the"]
    lines += ["screen, Esc shows all slides.", "", "## Decks", ""]
    named = zip(made, titles, strict=True)
    lines += [f"- [{path.stem.split('_')[0]} · {title}]({path.stem}.md)" for path, title in named]
    stems = [path.stem for path in made]
    lines += ["", "```{toctree}", ":hidden:", "", *stems, "```", ""]
    (target / "index.md").write_text("\n".join(lines), encoding="utf-8")
    return made
