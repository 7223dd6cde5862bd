"""Gets parts of COYO-700M: addresses of pictures with captions, and those that still exist.

    python data_scripts/get_coyo.py --limit 10000 --max-side 384
    python data_scripts/get_coyo.py --parts 0 1 2

The list comes in 128 parts of about 5.8 million pairs; `--parts` says which. The rows lie in
`data/coyo/rows/part-NNNNN`, a split a part; dead addresses are counted in `dataset.json`.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from course_lib.corpora.corpus import Split
from course_lib.corpora.pictures import from_links
from course_lib.corpora.script import Job, parser, run
from course_lib.corpora.web_lists import parquet
from course_lib.downloads.remote import Card, Remote

PARTS = 128
_SITE = "https://huggingface.co/datasets/kakaobrain/coyo-700m/resolve/main/data/"
_NAME = "part-{:05d}-17da4908-939c-46e5-91d0-15f256041956-c000.snappy.parquet"


def _part(number: int) -> Remote:
    return Remote(_SITE + _NAME.format(number), f"coyo/part-{number:05d}.parquet")


CARD = Card(
    name="coyo",
    title="COYO-700M: 747 million pairs in 128 parts",
    licence="the list CC BY 4.0; images and texts: their owners'",
    page="https://huggingface.co/datasets/kakaobrain/coyo-700m",
    files=(_part(0),),
    pictures="one by one; how many still come, and how many bytes, could not be confirmed",
    notes=("sizes and checksums of the parts could not be confirmed",),
)


def job(args: argparse.Namespace) -> Job:
    """Says what is wanted; see `course_lib.corpora.script`."""
    wrong = [number for number in args.parts if not 0 <= number < PARTS]
    if wrong:
        raise ValueError(f"--parts {wrong[0]}: the parts are 0 to {PARTS - 1}.")
    files = tuple(_part(number) for number in dict.fromkeys(args.parts))

    def splits(data: Path, links) -> list[Split]:
        return [
            Split(Path(file.path).stem, partial(parquet, data / file.path), from_links(links))
            for file in files
        ]

    return Job(CARD, "coyo/rows", splits, files)


def main(argv: list[str] | None = None) -> int:
    """Reads the command line and gets the data set; returns the exit code."""
    options = parser(__doc__)
    options.add_argument("--parts", type=int, nargs="+", default=[0], metavar="NUMBER")
    return run(job, options.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
