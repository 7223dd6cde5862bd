"""Gets COCO 2017 (captions and boxes) and Karpathy's split, as rows in Arrow shards.

    python data_scripts/get_coco.py --limit 1000
    python data_scripts/get_coco.py --part karpathy --split val test
    python data_scripts/get_coco.py --show

The official files lie in `data/coco/annotations` and `data/coco/images`, the rows in
`data/coco/rows/2017` and `data/coco/rows/karpathy`. With --limit the images are fetched one by one,
and not as archives of 20 GB.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from course_lib.corpora.coco import KARPATHY_SPLITS, coco_rows, karpathy_rows
from course_lib.corpora.coco_images import PICTURES, SITE, TRAIN, VAL, coco_images, coco_source
from course_lib.corpora.corpus import Split
from course_lib.corpora.script import Job, one_file, parser, run, wanted_splits
from course_lib.downloads.remote import Card, Remote

ANNOTATIONS = Remote(
    f"{SITE}annotations/annotations_trainval2017.zip",
    "coco/annotations_trainval2017.zip",
    size=252907541,
    sha256="113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
    into="coco/annotations",
    strip=1,
)
KARPATHY = Remote(
    "https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip",
    "coco/caption_datasets.zip",
    size=36745453,
    sha256="4cfd70132527b80933105e5829dc9034eaab9573482e2e680abbab6130244817",
    into="coco/karpathy",
)
CARD = Card(
    name="coco",
    title="COCO 2017: 118,287 images to train, 5,000 to validate, five captions each, boxes",
    licence="annotations CC BY 4.0; images: Flickr's terms of use, each image has its own licence",
    page="https://cocodataset.org",
    files=(ANNOTATIONS, KARPATHY, TRAIN, VAL),
    pictures=PICTURES,
    notes=(
        "Karpathy's split names images of 2014; they are taken from the archives of 2017, which "
        "hold the same pictures (that their bytes are the same could not be confirmed)",
        "sizes and checksums are those in TensorFlow Datasets; the licence of Karpathy's file "
        "could not be confirmed",
    ),
)


def job(args: argparse.Namespace) -> Job:
    """Says what is wanted; see `course_lib.corpora.script`."""
    known = ("train", "val") if args.part == "2017" else KARPATHY_SPLITS
    wanted = wanted_splits(args, known)
    if not wanted:
        raise ValueError(f"--part {args.part} has the splits {', '.join(known)}.")
    images = (
        (TRAIN, VAL)
        if args.part == "karpathy"
        else tuple({"train": TRAIN, "val": VAL}[split] for split in wanted)
    )
    file = KARPATHY if args.part == "karpathy" else ANNOTATIONS

    def splits(data: Path, links) -> list[Split]:
        source = coco_source(data, links, args.limit)
        if args.part == "karpathy":
            path = one_file(data / "coco/karpathy", "dataset_coco.json")
            return [Split(name, partial(karpathy_rows, path, name), source) for name in wanted]
        folder = data / "coco/annotations"
        return [
            Split(
                name,
                partial(
                    coco_rows,
                    folder / f"captions_{name}2017.json",
                    folder / f"instances_{name}2017.json",
                    f"{name}2017",
                ),
                source,
                {"train": 118287, "val": 5000}[name],
            )
            for name in wanted
        ]

    files = (file, *coco_images(args.limit, *images))
    return Job(CARD, f"coco/rows/{args.part}", splits, files)


def main(argv: list[str] | None = None) -> int:
    """Reads the command line and gets the data set; returns the exit code."""
    options = parser(__doc__)
    options.add_argument("--part", choices=("2017", "karpathy"), default="2017")
    options.add_argument("--split", nargs="+", default=(), help="some splits alone")
    return run(job, options.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
