"""Gets SBU: a million addresses of Flickr photographs with captions, and those that still exist.

    python data_scripts/get_sbu.py --limit 10000

The rows lie in `data/sbu/rows/train`; dead addresses are counted in `dataset.json`.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from course_lib.corpora.corpus import Split
from course_lib.corpora.pictures import from_links
from course_lib.corpora.script import Job, one_file, parser, run
from course_lib.corpora.web_lists import sbu
from course_lib.downloads.remote import Card, Remote

# Size and checksum: Hugging Face Datasets, sbu_captions/dataset_infos.json.
LIST = Remote(
    "https://www.cs.rice.edu/~vo9/sbucaptions/sbu-captions-all.tar.gz",
    "sbu/sbu-captions-all.tar.gz",
    size=49787719,
    sha256="3d145fb58fea5bf5680e71c82e93d336c1a06d726dbea7f7702d49f5bf2ff532",
    into="sbu/list",
    only=("*sbu-captions-all.json",),
)
CARD = Card(
    name="sbu",
    title="SBU Captioned Photos: 1,000,000 pairs of Flickr",
    licence="not stated by its owners; images: their owners', under Flickr's terms of use",
    page="https://www.cs.rice.edu/~vo9/sbucaptions/",
    files=(LIST,),
    pictures="one by one; img2dataset's authors got 860,000 of them; bytes could not be confirmed",
)


def job(args: argparse.Namespace) -> Job:
    """Says what is wanted; see `course_lib.corpora.script`."""

    def splits(data: Path, links) -> list[Split]:
        path = one_file(data / LIST.into, "sbu-captions-all.json")
        return [Split("train", partial(sbu, path), from_links(links), 1000000)]

    return Job(CARD, "sbu/rows", splits, (LIST,))


def main(argv: list[str] | None = None) -> int:
    """Reads the command line and gets the data set; returns the exit code."""
    return run(job, parser(__doc__).parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
