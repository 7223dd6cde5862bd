"""Gets LLaVA's training files: 595K and 558K captions for stage 1, 158K instructions for stage 2.

    python data_scripts/get_llava.py --part 158k --limit 1000
    python data_scripts/get_llava.py --part 558k

A row is a record with its image, in `data/llava/rows/PART/train`; the official files lie beside it
for `course_lib.data.llava_json`. The images of 158k are COCO's and lie in `data/coco/images`.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from course_lib.corpora.coco_images import PICTURES, TRAIN, coco_images, coco_source
from course_lib.corpora.corpus import Split
from course_lib.corpora.pictures import from_folders
from course_lib.corpora.script import Job, parser, run
from course_lib.corpora.talks import llava_rows
from course_lib.downloads.remote import Card, Remote

_HUB = "https://huggingface.co/datasets/liuhaotian/"
CHATS = {
    "595k": Remote(
        f"{_HUB}LLaVA-CC3M-Pretrain-595K/resolve/main/chat.json", "llava/chat_595k.json"
    ),
    "558k": Remote(
        f"{_HUB}LLaVA-Pretrain/resolve/main/blip_laion_cc_sbu_558k.json",
        "llava/blip_laion_cc_sbu_558k.json",
        about=181_000_000,
    ),
    "158k": Remote(
        f"{_HUB}LLaVA-Instruct-150K/resolve/main/llava_instruct_150k.json",
        "llava/llava_instruct_150k.json",
        about=229_000_000,
    ),
}
IMAGES = {
    "595k": Remote(
        f"{_HUB}LLaVA-CC3M-Pretrain-595K/resolve/main/images.zip",
        "llava/images_595k.zip",
        about=6_000_000_000,
        into="llava/images_595k",
    ),
    "558k": Remote(
        f"{_HUB}LLaVA-Pretrain/resolve/main/images.zip",
        "llava/images_558k.zip",
        about=27_400_000_000,
        into="llava/images_558k",
    ),
}
LICENCES = {
    "595k": "that of CC3M, and of BLIP for its captions; images for reproduction alone",
    "558k": "as for 595k (that its card says the same was read on a copy); images: their owners'",
    "158k": "CC BY 4.0 (first CC BY-NC 4.0) and OpenAI's terms; images: COCO's, Flickr's terms",
}
CARD = Card(
    name="llava",
    title="LLaVA: 595,375 pairs of CC3M; 558K of LAION, CC and SBU; 158K instructions about COCO",
    licence="; ".join(f"{part}: {licence}" for part, licence in LICENCES.items()),
    page="https://github.com/haotian-liu/LLaVA/blob/main/docs/Data.md",
    files=(*CHATS.values(), *IMAGES.values(), TRAIN),
    pictures=f"of 158k: {PICTURES}",
    notes=(
        "sizes are the Hub's and the authors' rounded ones, that of chat.json (595K) could not be "
        "confirmed; checksums are not published",
        "that images.zip holds the images without a folder around them could not be confirmed",
    ),
)


def job(args: argparse.Namespace) -> Job:
    """Says what is wanted; see `course_lib.corpora.script`."""
    chat, images = CHATS[args.part], IMAGES.get(args.part)

    def splits(data: Path, links) -> list[Split]:
        if images is not None:
            folder = data / images.into
            source = from_folders(folder, folder / "images")
        else:
            whole = coco_source(data, links, args.limit)
            source = lambda name: whole(f"train2017/{name}")  # noqa: E731
        return [Split("train", partial(llava_rows, data / chat.path), source)]

    files = (chat, images) if images else (chat, *coco_images(args.limit, TRAIN))
    card = replace(CARD, licence=LICENCES[args.part])
    return Job(card, f"llava/rows/{args.part}", splits, files)


def main(argv: list[str] | None = None) -> int:
    """Reads the command line and gets the data set; returns the exit code."""
    options = parser(__doc__)
    options.add_argument("--part", choices=tuple(CHATS), required=True)
    return run(job, options.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
