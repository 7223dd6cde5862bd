"""Gets NoCaps' validation split: 4,500 images of Open Images, ten captions each, as rows.

    python data_scripts/get_nocaps.py --limit 500

The rows lie in `data/nocaps/rows/val`. The images are fetched one by one from the address that the
official file gives for each.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from course_lib.corpora.coco import nocaps_rows
from course_lib.corpora.corpus import Split
from course_lib.corpora.pictures import from_links
from course_lib.corpora.script import Job, parser, run
from course_lib.downloads.remote import Card, Remote

CAPTIONS = Remote(
    "https://nocaps.s3.amazonaws.com/nocaps_val_4500_captions.json",
    "nocaps/nocaps_val_4500_captions.json",
)
CARD = Card(
    name="nocaps",
    title="NoCaps: 4,500 validation images, ten captions each, in three domains",
    licence="CC BY 2.0 by a card on the Hugging Face Hub; the owners' word could not be confirmed",
    page="https://nocaps.org",
    files=(CAPTIONS,),
    pictures="4,500, one by one, together about 1.4 GB",
    notes=("size and checksum of the captions file are not published",),
)


def job(args: argparse.Namespace) -> Job:
    """Says what is wanted; see `course_lib.corpora.script`."""

    def splits(data: Path, links) -> list[Split]:
        rows = partial(nocaps_rows, data / CAPTIONS.path)
        return [Split("val", rows, from_links(links), 4500)]

    return Job(CARD, "nocaps/rows", splits, (CAPTIONS,))


def main(argv: list[str] | None = None) -> int:
    """Reads the command line and gets the data set; returns the exit code."""
    return run(job, parser(__doc__).parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
