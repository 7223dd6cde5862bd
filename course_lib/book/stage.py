"""Lays out what Sphinx reads: the repository's own texts at their own places, and the made pages.

The folder has the repository's shape, so that a link from one text to another works unchanged.
A file that is linked and is no page (a result, a test) comes along and can be downloaded.
"""

import re
import shutil
from pathlib import Path

from course_lib.book import api_pages, evidence, glossary, references
from course_lib.book.cells import place_of_line, read
from course_lib.devtools.environment import CLINICS, ROOT, find_notebooks, find_with_clinics

# Written by hand for the book alone.
BOOK = ROOT / "book"
TEXTS = ("README.md", "CONTRIBUTING.md", "PARITY.md")
FOLDERS = ("docs", "data_scripts")
_LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)\s]*)?\)")
_NAMED_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s:#]+)\)")
_PARITY_CELL = re.compile(r"\[(\w+)\]\((notebooks/[\w.]+\.ipynb)\): “([^”]+)”")
_PARITY_SYMBOL = re.compile(r"\| `([\w.]+)` \|")


def stage(target: Path, only: list[str] | None = None, api: bool = True) -> list[Path]:
    """Fills an empty folder with everything that becomes a page.

    Args:
        target: the folder; what is in it is thrown away.
        only: begin of the names of the notebooks to take ("clinics/03" for a bug clinic), all
            without.
        api: whether the library's pages are written; they import the whole library.

    Returns:
        The notebooks that were taken.

    Raises:
        ValueError: for a claim card without its result file, or a reference that is not readable.
    """
    shutil.rmtree(target, ignore_errors=True)
    notebooks = find_with_clinics(only)
    for path in notebooks:
        _copy(path, target)
    texts = pages_of_texts()
    for path in [*notebooks, *texts]:
        _copy_linked(path, target)
    for path in [*texts, *sorted((ROOT / "notebooks" / "images").iterdir())]:
        _copy(path, target)
    every = find_notebooks()
    _write(target / "PARITY.md", parity_page((ROOT / "PARITY.md").read_text("utf-8"), only is None))
    _write(target / "evidence.md", evidence.render(evidence.collect(every)))
    _write(target / "references.md", references.render(*references.collect(every)))
    words = (BOOK / "glossary.md").read_text("utf-8")
    _write(target / "glossary.md", glossary.render(words, _lessons(notebooks)))
    for name, text in (api_pages.pages() if api else {}).items():
        _write(target / "api" / name, text)
    _write(target / "index.md", index_page((BOOK / "index.md").read_text("utf-8"), notebooks, api))
    return notebooks


def short_titles(notebooks: list[Path]) -> list[str]:
    """Returns "03 · BLIP-2 stage 1" for the notebook headed "BLIP-2 stage 1: build the …".

    Where two notebooks begin with the same words, as those of one chapter, all of the head stays.
    """
    whole = [_head_of(path) for path in notebooks]
    short = [title.split(":")[0] for title in whole]
    titles = [t if short.count(s) > 1 else s for s, t in zip(short, whole, strict=True)]
    numbers = [path.stem.split("_")[0] for path in notebooks]
    return [f"{number} · {title}" for number, title in zip(numbers, titles, strict=True)]


def _head_of(path: Path) -> str:
    first = next(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    return first.splitlines()[0].removeprefix("# ")


def _model_of(clinic: Path) -> str:
    """Returns "LLaVA" for the clinic headed "Bug clinic: LLaVA"."""
    return _head_of(clinic).removeprefix("Bug clinic: ")


def _lessons(notebooks: list[Path]) -> list[Path]:
    """Returns the notebooks without the bug clinics, which have numbers of their own."""
    return [path for path in notebooks if path.parent != CLINICS]


def index_page(text: str, notebooks: list[Path], api: bool = True) -> str:
    """Returns the first page: `<!-- notebooks -->` and its like become the contents."""
    taken = _lessons(notebooks)
    titles = zip(short_titles(taken), taken, strict=True)
    lessons = [f"{title} <notebooks/{path.stem}>" for title, path in titles]
    found = [path for path in notebooks if path.parent == CLINICS]
    clinics = [f"{_model_of(path)} <notebooks/clinics/{path.stem}>" for path in found]
    pages = [path.relative_to(ROOT).with_suffix("").as_posix() for path in pages_of_texts()]
    docs = [page for page in pages if page.startswith("docs/")]
    known = {*docs, *re.findall(r"^(?:.*<)?([\w/]+)>?$", text, re.MULTILINE)}
    others = [page for page in pages if page not in known]
    contents = {"notebooks": lessons, "clinics": clinics, "docs": docs, "others": others}
    for mark, lines in contents.items():
        text = text.replace(f"<!-- {mark} -->", "\n".join(lines))
    return text if api else text.replace("\napi/index\n", "\n")


def parity_page(text: str, whole: bool = True) -> str:
    """Returns PARITY.md with links to the very cells and, where the library has one, its class.

    Args:
        text: the file.
        whole: whether every notebook has its page; without, links stay those of the file.
    """
    if not whole:
        return text

    def cell(match: re.Match) -> str:
        place = place_of_line(ROOT / match[2], f"{match[3]}: True")
        return f"{place.link()}: “{match[3]}”" if place else match[0]

    linked = _PARITY_CELL.sub(cell, text)
    return _PARITY_SYMBOL.sub(r"| {py:obj}`\1 <course_lib.\1>` |", linked)


def pages_of_texts() -> list[Path]:
    """Returns the repository's texts that become pages: the listed ones and those they link to."""
    waiting = [ROOT / name for name in TEXTS]
    waiting += [path for name in FOLDERS for path in sorted((ROOT / name).rglob("*.md"))]
    found: list[Path] = []
    while waiting:
        path = waiting.pop(0)
        if path not in found:
            found.append(path)
            waiting += [linked for linked in _linked(path) if linked.suffix == ".md"]
    return found


def without_folder_links(path: Path) -> str:
    """Returns a text with the words alone where it linked to a folder of the repository."""

    def words(match: re.Match) -> str:
        return match[1] if (path.parent / match[2]).is_dir() else match[0]

    return _NAMED_LINK.sub(words, path.read_text(encoding="utf-8"))


def _linked(path: Path) -> list[Path]:
    """Returns the files of the repository that a text or a notebook links to, in order."""
    if path.suffix == ".ipynb":
        cells = (cell.source for cell in read(path).cells if cell.cell_type == "markdown")
        text = "\n".join(cells)
    else:
        text = path.read_text(encoding="utf-8")
    files = [(path.parent / name).resolve() for name in dict.fromkeys(_LINK.findall(text))]
    return [file for file in files if file.is_relative_to(ROOT) and file.is_file()]


def _copy(path: Path, target: Path) -> None:
    """Copies a file to its own place; a text loses its links to folders, which have no page."""
    place = target / path.relative_to(ROOT)
    if path.suffix == ".md":
        _write(place, without_folder_links(path))
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, place)


def _copy_linked(path: Path, target: Path) -> None:
    """Copies what a text links to and what is no page; notebooks come when they are asked for."""
    for linked in _linked(path):
        if linked.suffix not in (".ipynb", ".md"):
            _copy(linked, target)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
