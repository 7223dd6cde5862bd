"""Gets CC12M: 12.4 million addresses of pictures with captions, and those that still exist.

    python data_scripts/get_cc12m.py --limit 10000 --max-side 384

The rows lie in `data/cc12m/rows/train`; dead addresses are counted in `dataset.json`.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from course_lib.corpora.corpus import Split
from course_lib.corpora.pictures import from_links
from course_lib.corpora.script import Job, parser, run
from course_lib.corpora.web_lists import lines
from course_lib.downloads.remote import Card, Remote

# Size and checksum: Hugging Face Datasets, conceptual_12m/dataset_infos.json.
LIST = Remote(
    "https://storage.googleapis.com/conceptual_12m/cc12m.tsv",
    "cc12m/cc12m.tsv",
    size=2707204412,
    sha256="892b549d493c7e75ade10d46c88c9ddabb097790d912b74cfc0ea4ff035ec2c3",
)
CARD = Card(
    name="cc12m",
    title="Conceptual 12M: 12,423,374 pairs",
    licence="the list: free for any purpose, Google asks to be named; images: their owners'",
    page="https://github.com/google-research-datasets/conceptual-12m",
    files=(LIST,),
    pictures="one by one; how many still come, and how many bytes, could not be confirmed",
)


def job(args: argparse.Namespace) -> Job:
    """Says what is wanted; see `course_lib.corpora.script`."""

    def splits(data: Path, links) -> list[Split]:
        rows = partial(lines, data / LIST.path, caption_first=False)
        return [Split("train", rows, from_links(links), 12423374)]

    return Job(CARD, "cc12m/rows", splits, (LIST,))


def main(argv: list[str] | None = None) -> int:
    """Reads the command line and gets the data set; returns the exit code."""
    return run(job, parser(__doc__).parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
