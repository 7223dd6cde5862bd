"""Writes toy scenes as a COCO data set: PNG files, captions and instances as JSON.

    python data_scripts/make_toy_world.py --out data/toy --count 2000 --split train

The folder has the layout of COCO: `SPLIT/000000000001.png`, `annotations/captions_SPLIT.json` and
`annotations/instances_SPLIT.json`, so that whatever reads COCO reads the toy world.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

from PIL import Image

from course_lib.errors import atomic_path
from course_lib.world.draw import draw_scene
from course_lib.world.language import captions
from course_lib.world.scene import IMAGE_SIZE, KINDS, SHAPES, SPLITS, Scene, sample_scenes


def image_records(count: int) -> list[dict]:
    """Returns COCO's `images` records, ids from 1 on."""
    return [
        {"id": i + 1, "file_name": f"{i + 1:012d}.png", "width": IMAGE_SIZE, "height": IMAGE_SIZE}
        for i in range(count)
    ]


def caption_file(scenes: list[Scene]) -> dict:
    """Returns COCO's captions file: five annotations an image, the canonical caption first."""
    annotations = []
    for index, scene in enumerate(scenes):
        for text in captions(scene):
            annotations.append({"id": len(annotations) + 1, "image_id": index + 1, "caption": text})
    return {"info": _info(), "images": image_records(len(scenes)), "annotations": annotations}


def instance_file(scenes: list[Scene]) -> dict:
    """Returns COCO's instances file: a box a thing, in pixels; attributes as extra keys."""
    annotations = []
    for index, scene in enumerate(scenes):
        for thing in scene.things:
            left, top, width, height = thing.box
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": index + 1,
                    "category_id": KINDS.index(thing.kind) + 1,
                    "bbox": [left, top, width, height],
                    "area": width * height,
                    "iscrowd": 0,
                    "segmentation": [],
                    "attributes": {
                        "colour": thing.colour,
                        "size": thing.size,
                        "place": thing.place,
                    },
                }
            )
    categories = [
        {"id": i + 1, "name": kind, "supercategory": "shape" if kind in SHAPES else "digit"}
        for i, kind in enumerate(KINDS)
    ]
    return {
        "info": _info(),
        "images": image_records(len(scenes)),
        "annotations": annotations,
        "categories": categories,
    }


def _info() -> dict:
    return {"description": "toy scenes of coloured shapes and handwritten digits", "version": "1"}


def write(out: Path, count: int, split: str, seed: int) -> Path:
    """Writes one split; a folder that holds the split already is refused.

    Raises:
        ValueError: when the split is there already, or the count is not positive.
    """
    if count < 1:
        raise ValueError(f"--count {count}: write at least one scene.")
    target = out / split
    if target.exists():
        raise ValueError(f"{target} is there already: remove it, or choose another --out.")
    scenes = sample_scenes(count, seed, split)
    partial = out / f".{split}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for record, scene in zip(image_records(count), scenes, strict=True):
        Image.fromarray(draw_scene(scene)).save(partial / record["file_name"])
    (out / "annotations").mkdir(exist_ok=True)
    for name, content in (("captions", caption_file(scenes)), ("instances", instance_file(scenes))):
        with atomic_path(out / "annotations" / f"{name}_{split}.json") as path:
            path.write_text(json.dumps(content), encoding="utf-8")
    partial.rename(target)
    return target


def main() -> int:
    """Reads the command line and writes a split; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("data/toy"))
    parser.add_argument("--count", type=int, default=2000, help="scenes")
    parser.add_argument("--split", choices=SPLITS, default="train")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    try:
        print(write(args.out, args.count, args.split, args.seed))
    except (ValueError, OSError) as error:
        print(f"make_toy_world: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
