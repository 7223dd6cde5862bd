"""Gets MiniGPT-4's curated pairs of stage 2, as rows in Arrow shards.

    python data_scripts/get_minigpt4.py
    python data_scripts/get_minigpt4.py --archive Downloads/cc_sbu_align.zip

The authors' archive lies on a Google Drive page that a script cannot read: fetch it with a browser
and name it with --archive, or take PaddleMIX's copy, whose checksum PaddleMIX publishes. The
released layout lies in `data/minigpt4/cc_sbu_align`, the rows in `data/minigpt4/rows/train`.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from course_lib.corpora.corpus import Split
from course_lib.corpora.pictures import from_folders
from course_lib.corpora.script import Job, parser, run
from course_lib.corpora.talks import minigpt4_rows
from course_lib.downloads.remote import Card, Remote

FILE = Remote(
    "https://paddlenlp.bj.bcebos.com/datasets/cc_sbu_align.zip",
    "minigpt4/cc_sbu_align.zip",
    md5="d5fa38be915c8a2aee7ebf3a9c56a95c",
    into="minigpt4/cc_sbu_align",
    strip=1,
)
CARD = Card(
    name="minigpt4",
    title="MiniGPT-4: 3,439 curated pairs of images and long captions (the paper says 3,500)",
    licence="could not be confirmed; the images are those of Conceptual Captions and SBU",
    page="https://drive.google.com/file/d/1nJXhoEcy3KTExr17I7BXqY5Y9Lx_-n-9/view",
    files=(FILE,),
    notes=(
        "by default PaddleMIX's copy, with the MD5 that it publishes; that it is byte for byte the "
        "authors' own could not be confirmed, nor its size",
    ),
)


def job(args: argparse.Namespace) -> Job:
    """Says what is wanted; see `course_lib.corpora.script`."""

    def splits(data: Path, links) -> list[Split]:
        folder = data / FILE.into
        rows = partial(minigpt4_rows, folder)
        return [Split("train", rows, from_folders(folder / "image"), 3439)]

    if args.archive is None:
        return Job(CARD, "minigpt4/rows", splits, (FILE,))
    # The checksum is that of PaddleMIX's copy.
    own = replace(FILE, url=args.archive.resolve().as_uri(), md5="")
    return Job(CARD, "minigpt4/rows", splits, (own,))


def main(argv: list[str] | None = None) -> int:
    """Reads the command line and gets the data set; returns the exit code."""
    options = parser(__doc__)
    options.add_argument("--archive", type=Path, help="the authors' archive, fetched by hand")
    return run(job, options.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
