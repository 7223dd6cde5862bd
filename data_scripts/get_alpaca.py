"""Gets Alpaca: 52,000 instructions as text alone, as rows in Arrow shards.

    python data_scripts/get_alpaca.py

mPLUG-Owl mixes them with LLaVA's instructions in its second stage. The rows lie in
`data/alpaca/rows/train`.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from course_lib.corpora.corpus import Split
from course_lib.corpora.pictures import from_folders
from course_lib.corpora.script import Job, parser, run
from course_lib.corpora.talks import alpaca_rows
from course_lib.downloads.remote import Card, Remote

FILE = Remote(
    "https://raw.githubusercontent.com/tatsu-lab/stanford_alpaca/main/alpaca_data.json",
    "alpaca/alpaca_data.json",
    about=22_800_000,
)
CARD = Card(
    name="alpaca",
    title="Stanford Alpaca: 52,000 instructions with answers of text-davinci-003",
    licence="CC BY-NC 4.0 (the first release said ODC-By); answers by OpenAI's model",
    page="https://github.com/tatsu-lab/stanford_alpaca",
    files=(FILE,),
    notes=(
        "mPLUG-Owl's paper counts 102,000 of Alpaca, its released configuration 50,997: neither is "
        "this file's count",
        "22.8 MB is what the Hugging Face Hub shows for the same file; no checksum is published",
    ),
)


def job(args: argparse.Namespace) -> Job:
    """Says what is wanted; see `course_lib.corpora.script`."""

    def splits(data: Path, links) -> list[Split]:
        rows = partial(alpaca_rows, data / FILE.path)
        return [Split("train", rows, from_folders())]

    return Job(CARD, "alpaca/rows", splits, (FILE,))


def main(argv: list[str] | None = None) -> int:
    """Reads the command line and gets the data set; returns the exit code."""
    return run(job, parser(__doc__).parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
