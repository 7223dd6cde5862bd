"""Gets Visual Genome: phrases about regions of 108,077 images, as rows in Arrow shards.

    python data_scripts/get_visual_genome.py --limit 1000

A row is an image; its phrases are captions, as BLIP-2 trains on them, and the labels of its boxes.
The rows lie in `data/visual_genome/rows/train`. With --limit the images are fetched one by one.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from course_lib.corpora.corpus import Split
from course_lib.corpora.pictures import from_folders, from_links
from course_lib.corpora.script import Job, one_file, parser, run
from course_lib.corpora.visual_genome import visual_genome_rows
from course_lib.downloads.remote import Card, Remote

_IMAGES = "https://cs.stanford.edu/people/rak248/"
_TEXTS = "https://visualgenome.org/static/data/dataset/"
# Sizes and checksums: Hugging Face Datasets, datasets/visual_genome/dataset_infos.json.
TEXTS = (
    Remote(
        f"{_TEXTS}image_data.json.zip",
        "visual_genome/image_data.json.zip",
        size=1780854,
        sha256="b87a94918cb2ff4d952cf1dfeca0b9cf6cd6fd204c2f8704645653be1163681a",
        into="visual_genome/image_data",
    ),
    Remote(
        f"{_TEXTS}region_descriptions_v1.json.zip",
        "visual_genome/region_descriptions_v1.json.zip",
        size=99460401,
        sha256="9e54cd76082f7ce5168a1779fc8c3d0629720492ec0fa12f2d8339c3e0dc9734",
        into="visual_genome/region_descriptions",
    ),
)
IMAGES = (
    Remote(
        f"{_IMAGES}VG_100K_2/images.zip",
        "visual_genome/images.zip",
        size=9731705982,
        sha256="51c682d2721f880150720bb416e0346a4c787e4c55d7f80dfd1bd3f73ba81646",
        into="visual_genome/images",
    ),
    Remote(
        f"{_IMAGES}VG_100K_2/images2.zip",
        "visual_genome/images2.zip",
        size=5471658058,
        sha256="99da1a0ddf87011319ff3b05cf9176ffee2731cc3c52951162d9ef0d68e3cfb5",
        into="visual_genome/images2",
    ),
)
CARD = Card(
    name="visual_genome",
    title="Visual Genome: 108,077 images with phrases about their regions",
    licence="annotations CC BY 4.0; of the images: could not be confirmed (COCO and YFCC)",
    page="https://visualgenome.org",
    files=(*TEXTS, *IMAGES),
    pictures="with --limit one by one from cs.stanford.edu, about 0.14 MB each",
    notes=(
        "version 1.0 of the phrases, whose checksum is published; of 1.2 none could be confirmed",
    ),
)


def job(args: argparse.Namespace) -> Job:
    """Says what is wanted; see `course_lib.corpora.script`."""

    def splits(data: Path, links) -> list[Split]:
        folder = data / "visual_genome"
        if args.limit is None:
            source = from_folders(folder / "images", folder / "images2")
        else:
            source = from_links(links, lambda name: _IMAGES + name)
        images = one_file(folder / "image_data", "image_data*.json")
        regions = one_file(folder / "region_descriptions", "region_descriptions*.json")
        rows = partial(visual_genome_rows, images, regions)
        return [Split("train", rows, source, 108077)]

    files = (*TEXTS, *(IMAGES if args.limit is None else ()))
    return Job(CARD, "visual_genome/rows", splits, files)


def main(argv: list[str] | None = None) -> int:
    """Reads the command line and gets the data set; returns the exit code."""
    return run(job, parser(__doc__).parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
