"""Gets OK-VQA: questions about COCO images that need knowledge, as rows in Arrow shards.

    python data_scripts/get_okvqa.py --limit 1000

A row is an image with all questions about it, in `data/okvqa/rows/SPLIT`. What the papers call test
is this "val". The images are COCO's and lie in `data/coco/images`; with --limit they are fetched
one by one.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from course_lib.corpora.coco_images import PICTURES, TRAIN, VAL, coco_images, coco_source
from course_lib.corpora.corpus import Split
from course_lib.corpora.script import Job, parser, run, wanted_splits
from course_lib.corpora.vqa import vqa_rows
from course_lib.downloads.remote import Card, Remote

_SITE = "https://okvqa.allenai.org/static/data/"
SPLITS = ("train", "val")


def _names(split: str) -> tuple[str, str]:
    return f"OpenEnded_mscoco_{split}2014_questions", f"mscoco_{split}2014_annotations"


def _files(split: str) -> tuple[Remote, ...]:
    return tuple(
        Remote(f"{_SITE}{name}.json.zip", f"okvqa/{name}.json.zip", into=f"okvqa/{name}")
        for name in _names(split)
    )


CARD = Card(
    name="okvqa",
    title="OK-VQA: 9,009 questions to train and 5,046 to validate, ten answers each",
    licence="of the annotations: could not be confirmed; images: COCO's, Flickr's terms of use",
    page="https://okvqa.allenai.org",
    files=(*_files("train"), *_files("val"), TRAIN, VAL),
    pictures=PICTURES,
    notes=("sizes and checksums of the four small archives are not published",),
)


def job(args: argparse.Namespace) -> Job:
    """Says what is wanted; see `course_lib.corpora.script`."""
    wanted = wanted_splits(args, SPLITS)

    def splits(data: Path, links) -> list[Split]:
        source, made = coco_source(data, links, args.limit), []
        for name in wanted:
            paths = [data / "okvqa" / file / f"{file}.json" for file in _names(name)]
            rows = partial(vqa_rows, *paths, f"{name}2014")
            made.append(Split(name, rows, source, {"train": 8998, "val": 5033}[name]))
        return made

    files = tuple(file for split in wanted for file in _files(split))
    return Job(CARD, "okvqa/rows", splits, (*files, *coco_images(args.limit, TRAIN, VAL)))


def main(argv: list[str] | None = None) -> int:
    """Reads the command line and gets the data set; returns the exit code."""
    return run(job, parser(__doc__, SPLITS).parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
