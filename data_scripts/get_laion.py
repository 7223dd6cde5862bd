"""Gets subsets of LAION: addresses of pictures with captions, and the pictures that still exist.

    python data_scripts/get_laion.py --limit 10000 --max-side 384
    python data_scripts/get_laion.py --part ccs --limit 10000
    python data_scripts/get_laion.py --list part-00000.parquet --limit 10000

By default BLIP's list of LAION with filtered synthetic captions, 115 million, which MiniGPT-4's
first stage and BLIP-2 train on; `--part ccs` is its list of CC3M, CC12M and SBU. LAION's own lists
are given by `--list`: they ask for an account at the Hugging Face Hub, and LAION replaced them in
2024. The rows lie in `data/laion/rows/PART/train`.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from course_lib.corpora.corpus import Split
from course_lib.corpora.pictures import from_links
from course_lib.corpora.script import Job, parser, run
from course_lib.corpora.web_lists import any_list
from course_lib.downloads.remote import Card, Remote

_SITE = "https://storage.googleapis.com/sfr-vision-language-research/BLIP/datasets/"
LISTS = {
    part: Remote(f"{_SITE}{part}_synthetic_filtered_large.json", f"laion/{part}_large.json")
    for part in ("laion", "ccs")
}
CARD = Card(
    name="laion",
    title="BLIP's filtered captions of LAION (115 million pairs), or of CC3M, CC12M and SBU",
    licence="of the list: could not be confirmed (BLIP's code is BSD-3); images: their owners'",
    page="https://github.com/salesforce/BLIP#pre-training-datasets-download",
    files=tuple(LISTS.values()),
    pictures="one by one; MiniGPT-4's authors name 2.3 TB for both lists, others got 60 to 70 % of "
    "the addresses",
    notes=(
        "sizes and checksums of the lists are not published; 115 million lines take over 10 GB",
    ),
)


def job(args: argparse.Namespace) -> Job:
    """Says what is wanted; see `course_lib.corpora.script`."""
    own: Path | None = args.list
    if own is not None and not own.is_file():
        raise ValueError(f"--list {own} is not there.")
    part = own.stem if own is not None else args.part

    def splits(data: Path, links) -> list[Split]:
        path = own if own is not None else data / LISTS[args.part].path
        return [Split("train", partial(any_list, path), from_links(links))]

    files = () if own is not None else (LISTS[args.part],)
    return Job(CARD, f"laion/rows/{part}", splits, files)


def main(argv: list[str] | None = None) -> int:
    """Reads the command line and gets the data set; returns the exit code."""
    options = parser(__doc__)
    options.add_argument("--part", choices=tuple(LISTS), default="laion")
    options.add_argument("--list", type=Path, help="of your own: .parquet, .json, .jsonl, .tsv")
    return run(job, options.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
