"""Writes the table of data sets in `data_scripts/README.md` from what the scripts say.

    python data_scripts/list_data_sets.py            # print it
    python data_scripts/list_data_sets.py --write    # put it into README.md

A test holds the file against the scripts.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

from course_lib.downloads.consent import human
from course_lib.downloads.remote import Card
from course_lib.errors import atomic_path

HERE = Path(__file__).parent
BEGIN, END = "<!-- table: list_data_sets.py -->", "<!-- end of table -->"


def cards() -> dict[str, Card]:
    """Returns script → what it says about its data set."""
    found = {}
    for path in sorted(HERE.glob("get_*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found[path.name] = module.CARD
    return found


def sizes(card: Card) -> str:
    """Says how large the files are, and how well that and their checksums are known."""
    exact = sum(file.size or 0 for file in card.files)
    about = sum(file.about for file in card.files if file.size is None)
    unknown = sum(not file.bytes for file in card.files)
    told = [human(exact)] if exact else []
    told += [f"about {human(about)}"] if about else []
    told += [f"{unknown} of unknown size"] if unknown else []
    sums = sum(file.published for file in card.files)
    return f"{' and '.join(told)}; {sums} of {len(card.files)} checksums published"


def table() -> str:
    """Returns the table in Markdown."""
    lines = ["| script | data set | files | licence | notes |", "|---|---|---|---|---|"]
    for name, card in cards().items():
        notes = "; ".join([*([f"pictures: {card.pictures}"] if card.pictures else []), *card.notes])
        cells = (f"`{name}`", f"[{card.title}]({card.page})", sizes(card), card.licence, notes)
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return "\n".join(lines)


def written(text: str) -> str:
    """Returns a text with the table between its two marks.

    Raises:
        ValueError: for a text without the marks.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"There is no place for the table: write {BEGIN} and {END}.")
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def main(argv: list[str] | None = None) -> int:
    """Reads the command line and prints or writes the table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="into README.md")
    if not parser.parse_args(argv).write:
        print(table())
        return 0
    path = HERE / "README.md"
    with atomic_path(path) as unfinished:
        unfinished.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
