"""Gets VQAv2: questions about COCO images, ten answers each, as rows in Arrow shards.

    python data_scripts/get_vqav2.py --limit 1000
    python data_scripts/get_vqav2.py --split val

A row is an image with all questions about it, in `data/vqav2/rows/SPLIT`. The images are COCO's and
lie in `data/coco/images`; with --limit they are fetched one by one.
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

_SITE = "https://s3.amazonaws.com/cvmlp/vqa/mscoco/vqa/"


def _zip(name: str, sha256: str) -> Remote:
    return Remote(f"{_SITE}{name}.zip", f"vqav2/{name}.zip", sha256=sha256, into=f"vqav2/{name}")


# Checksums: ParlAI, parlai/tasks/vqa_v2/build.py.
FILES = {
    "train": (
        _zip(
            "v2_Questions_Train_mscoco",
            "05a64b6e2582d06d7585f5429674a9a33851878be1bff9f8668cdcf792df611e",
        ),
        _zip(
            "v2_Annotations_Train_mscoco",
            "fb101bcefe91422c543c2bb6d70af11eb3119d0ff745ae283d09acdf66250853",
        ),
    ),
    "val": (
        _zip(
            "v2_Questions_Val_mscoco",
            "e71f6c5c3e97a51d050f28243e262b28cd0c48d11a6b4632d769d30d3f93222a",
        ),
        _zip(
            "v2_Annotations_Val_mscoco",
            "0caae7c8d1dafd852727f5ac046bc1efca9b72026bd6ffa34fc489f3a7b3291e",
        ),
    ),
}
CARD = Card(
    name="vqav2",
    title="VQAv2: 443,757 questions to train and 214,354 to validate, ten answers each",
    licence="annotations CC BY 4.0; images: COCO's, under Flickr's terms of use",
    page="https://visualqa.org",
    files=(*FILES["train"], *FILES["val"], TRAIN, VAL),
    pictures=PICTURES,
    notes=(
        "the sizes of the four small archives could not be confirmed; their checksums are ParlAI's",
        "the test split is not fetched: its answers are kept secret",
    ),
)


def job(args: argparse.Namespace) -> Job:
    """Says what is wanted; see `course_lib.corpora.script`."""
    wanted = wanted_splits(args, FILES)

    def splits(data: Path, links) -> list[Split]:
        source, folder, made = coco_source(data, links, args.limit), data / "vqav2", []
        for name in wanted:
            year, title = f"{name}2014", name.title()
            questions = folder / f"v2_Questions_{title}_mscoco"
            annotations = folder / f"v2_Annotations_{title}_mscoco"
            rows = partial(
                vqa_rows,
                questions / f"v2_OpenEnded_mscoco_{year}_questions.json",
                annotations / f"v2_mscoco_{year}_annotations.json",
                year,
            )
            made.append(Split(name, rows, source, {"train": 82783, "val": 40504}[name]))
        return made

    files = tuple(file for split in wanted for file in FILES[split])
    return Job(CARD, "vqav2/rows", splits, (*files, *coco_images(args.limit, TRAIN, VAL)))


def main(argv: list[str] | None = None) -> int:
    """Reads the command line and gets the data set; returns the exit code."""
    return run(job, parser(__doc__, FILES).parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
