"""The glossary: written by hand in `book/glossary.md`, its notebook numbers made into links."""

import re
from pathlib import Path

_NUMBERS = re.compile(r"\((\d\d[ab]?(?:, \d\d[ab]?)*)\)(?=\s*$)", re.MULTILINE)
_TERM = re.compile(r"^(\S.*)\n((?:  .+\n)+)", re.MULTILINE)
_BLOCK = re.compile(r"```\{glossary\}\n(.*?)^```", re.MULTILINE | re.DOTALL)


def render(text: str, notebooks: list[Path]) -> str:
    """Returns the glossary with a link for every notebook that is there.

    Args:
        text: the file; a definition ends with "(03)" or "(03, 07)".
        notebooks: the notebooks that have a page.
    """
    stems = {path.stem.split("_")[0]: path.stem for path in notebooks}

    def linked(match: re.Match) -> str:
        numbers = match[1].split(", ")
        return f"({', '.join(_link(number, stems) for number in numbers)})"

    return _NUMBERS.sub(linked, text)


def _link(number: str, stems: dict[str, str]) -> str:
    return f"[{number}](notebooks/{stems[number]}.ipynb)" if number in stems else number


def terms_of(text: str) -> dict[str, str]:
    """Returns term → definition.

    Raises:
        ValueError: for a term that stands twice, or a text without a glossary.
    """
    block = _BLOCK.search(text)
    if block is None:
        raise ValueError("There is no ```{glossary} block in this text.")
    found: dict[str, str] = {}
    for term, definition in _TERM.findall(block[1]):
        if term in found:
            raise ValueError(f"The glossary explains {term!r} twice.")
        found[term] = " ".join(definition.split())
    return found
