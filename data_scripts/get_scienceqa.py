"""Gets ScienceQA: school questions with choices, about half of them with an image, as rows.

    python data_scripts/get_scienceqa.py --split test

A row is a problem, in `data/scienceqa/rows/SPLIT`. The images come as one archive a split, also
with --limit.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from course_lib.corpora.corpus import Split
from course_lib.corpora.pictures import from_folders
from course_lib.corpora.scienceqa import SPLITS, scienceqa_rows
from course_lib.corpora.script import Job, parser, run, wanted_splits
from course_lib.downloads.remote import Card, Remote

PROBLEMS = Remote(
    "https://raw.githubusercontent.com/lupantech/ScienceQA/main/data/scienceqa/problems.json",
    "scienceqa/problems.json",
)


def _images(split: str) -> Remote:
    url = f"https://scienceqa.s3.us-west-1.amazonaws.com/images/{split}.zip"
    return Remote(url, f"scienceqa/{split}.zip", into=f"scienceqa/images_{split}")


CARD = Card(
    name="scienceqa",
    title="ScienceQA: 12,726 problems to train, 4,241 to validate, 4,241 to test",
    licence="CC BY-NC-SA 4.0",
    page="https://scienceqa.github.io",
    files=(PROBLEMS, *(_images(split) for split in SPLITS)),
    notes=("sizes and checksums are not published",),
)


def job(args: argparse.Namespace) -> Job:
    """Says what is wanted; see `course_lib.corpora.script`."""
    wanted = wanted_splits(args, SPLITS)

    def splits(data: Path, links) -> list[Split]:
        folders = [data / f"scienceqa/images_{name}" for name in wanted]
        source, path = from_folders(*folders), data / PROBLEMS.path
        totals = {"train": 12726, "val": 4241, "test": 4241}
        return [
            Split(name, partial(scienceqa_rows, path, name), source, totals[name])
            for name in wanted
        ]

    files = (PROBLEMS, *(_images(split) for split in wanted))
    return Job(CARD, "scienceqa/rows", splits, files)


def main(argv: list[str] | None = None) -> int:
    """Reads the command line and gets the data set; returns the exit code."""
    return run(job, parser(__doc__, SPLITS).parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
