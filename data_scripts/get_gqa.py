"""Gets GQA: compositional questions about images, as rows in Arrow shards.

    python data_scripts/get_gqa.py --split testdev

A row is an image with all of its balanced questions, in `data/gqa/rows/SPLIT`; the papers report on
test-dev. GQA's images come as one archive alone, also with --limit.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from course_lib.corpora.corpus import Split
from course_lib.corpora.gqa import SPLITS, gqa_rows
from course_lib.corpora.pictures import from_folders
from course_lib.corpora.script import Job, one_file, parser, run, wanted_splits
from course_lib.downloads.remote import Card, Remote

_SITE = "https://downloads.cs.stanford.edu/nlp/data/gqa/"
QUESTIONS = Remote(
    f"{_SITE}questions1.2.zip",
    "gqa/questions1.2.zip",
    about=1_400_000_000,
    into="gqa/questions",
    only=("*_balanced_questions.json",),
)
IMAGES = Remote(f"{_SITE}images.zip", "gqa/images.zip", about=20_300_000_000, into="gqa/images")
CARD = Card(
    name="gqa",
    title="GQA: 943,000 balanced questions to train, 132,062 to validate, 12,578 test-dev",
    licence="could not be confirmed: ask the page before you publish anything made of it",
    page="https://cs.stanford.edu/people/dorarad/gqa",
    files=(QUESTIONS, IMAGES),
    notes=(
        "1.4 GB is what the page says, 20.3 GB what others found; no checksum is published",
        "the names inside the archives could not be confirmed",
    ),
)


def job(args: argparse.Namespace) -> Job:
    """Says what is wanted; see `course_lib.corpora.script`."""
    wanted = wanted_splits(args, SPLITS)

    def splits(data: Path, links) -> list[Split]:
        source = from_folders(data / "gqa/images/images", data / "gqa/images")
        files = {
            name: one_file(data / "gqa/questions", f"{name}_balanced_questions.json")
            for name in wanted
        }
        return [Split(name, partial(gqa_rows, path), source) for name, path in files.items()]

    return Job(CARD, "gqa/rows", splits, (QUESTIONS, IMAGES))


def main(argv: list[str] | None = None) -> int:
    """Reads the command line and gets the data set; returns the exit code."""
    return run(job, parser(__doc__, SPLITS).parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
