"""The few shapes that the course's maps are drawn with, as text of an SVG file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from course_lib.teach import style

# Fill, line, colour of the words, dashes.
Paint = tuple[str, str, str, str]
HERE: Paint = (style.BLUE, "#004a75", style.PAPER, "")
LATER: Paint = ("#f2f2f2", "#8a8a8a", "#555555", ' stroke-dasharray="5 3"')
PLAIN: Paint = (style.PAPER, style.INK, style.INK, "")


def written(folder: Path) -> set[str]:
    """Returns the numbers of the notebooks that are in a folder, such as {"00"}."""
    return {path.name[:2] for path in folder.glob("[0-9][0-9]*.ipynb")}


def text(x: float, y: float, words: str, colour: str = style.INK, more: str = "") -> str:
    """Returns words centred at a point; `more` are further attributes."""
    return f'<text x="{x:g}" y="{y:g}" fill="{colour}"{more}>{escape(words)}</text>'


def box(x: int, y: int, width: int, height: int, words: Sequence[str], paint: Paint) -> str:
    """Returns a rounded box with lines of words in its middle."""
    fill, line, colour, dashes = paint
    parts = [
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="5" fill="{fill}" '
        f'stroke="{line}"{dashes}/>'
    ]
    first = y + height / 2 + 4.5 - 8 * (len(words) - 1)
    for index, line_of_words in enumerate(words):
        parts.append(text(x + width / 2, first + 16 * index, line_of_words, colour))
    return "".join(parts)


def document(width: int, height: int, title: str, about: str, parts: Iterable[str]) -> str:
    """Returns a whole file, with a name and a description for those who do not see it."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img" aria-labelledby="title about" '
            'font-family="sans-serif" font-size="12.5" text-anchor="middle">',
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="about">{escape(about)}</desc>',
            f'<rect width="{width}" height="{height}" fill="{style.PAPER}"/>',
            *parts,
            "</svg>\n",
        ]
    )
