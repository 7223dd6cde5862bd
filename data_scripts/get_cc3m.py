"""Gets CC3M: 3.3 million addresses of pictures with captions, and the pictures that still exist.

    python data_scripts/get_cc3m.py --limit 10000 --max-side 384

The rows lie in `data/cc3m/rows/SPLIT`. Many addresses are dead; they are counted by reason in
`dataset.json`. A row's id is its line, from 0: LLaVA's 595K names CC3M's images by it.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from course_lib.corpora.corpus import Split
from course_lib.corpora.pictures import from_links
from course_lib.corpora.script import Job, parser, run, wanted_splits
from course_lib.corpora.web_lists import lines
from course_lib.downloads.remote import Card, Remote

_SITE = "https://storage.googleapis.com/gcc-data/"
# Addresses, sizes and checksums: Hugging Face Datasets, conceptual_captions/dataset_infos.json.
LISTS = {
    "train": Remote(
        f"{_SITE}Train/GCC-training.tsv?_ga=2.191230122.-1896153081.1529438250",
        "cc3m/GCC-training.tsv",
        size=564607502,
        sha256="eab84e5ebc713a41a6b1f6ae6fa3d6617821a13b03fe24e16004cc4aac189635",
    ),
    "val": Remote(
        f"{_SITE}Validation/GCC-1.1.0-Validation.tsv?_ga=2.141047602.-1896153081.1529438250",
        "cc3m/GCC-1.1.0-Validation.tsv",
        size=2603670,
        sha256="528a0c939ec2ad8d1740bd3f459a51e9fe67643050e29f68fabb6da3f8ac985d",
    ),
}
CARD = Card(
    name="cc3m",
    title="Conceptual Captions: 3,318,333 pairs to train, 15,840 to validate",
    licence="the list: free for any purpose, Google asks to be named; images: their owners'",
    page="https://github.com/google-research-datasets/conceptual-captions",
    files=tuple(LISTS.values()),
    pictures="one by one; LLaVA's authors found about 15 % of the addresses dead in 2023, others "
    "up to 28 %; how many bytes come could not be confirmed",
    notes=("the official way is a form at ai.google.com; the addresses here are Hugging Face's",),
)


def job(args: argparse.Namespace) -> Job:
    """Says what is wanted; see `course_lib.corpora.script`."""
    wanted = wanted_splits(args, LISTS)

    def splits(data: Path, links) -> list[Split]:
        totals = {"train": 3318333, "val": 15840}
        return [
            Split(
                name,
                partial(lines, data / LISTS[name].path, caption_first=True),
                from_links(links),
                totals[name],
            )
            for name in wanted
        ]

    return Job(CARD, "cc3m/rows", splits, tuple(LISTS[split] for split in wanted))


def main(argv: list[str] | None = None) -> int:
    """Reads the command line and gets the data set; returns the exit code."""
    return run(job, parser(__doc__, LISTS).parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
