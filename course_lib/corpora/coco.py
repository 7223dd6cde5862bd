"""COCO's own files: captions and boxes of 2017, and Karpathy's division of the images of 2014.

Layouts: `annotations/captions_train2017.json` and `instances_train2017.json` (cocodataset.org,
"data format"), NoCaps' captions file, which has the same layout (nocaps.org), and
`dataset_coco.json` of Karpathy's caption_datasets.zip: {"images": [{"cocoid", "filepath",
"filename", "split", "sentences": [{"raw"}, …]}, …]}.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

from course_lib.corpora.rows import Bad, Row
from course_lib.instructions.coco_files import read_json

KARPATHY_SPLITS = ("train", "restval", "val", "test")


def coco_rows(captions: Path, instances: Path | None, folder: str) -> Iterator[Row | Bad]:
    """Reads one split of COCO 2017, an image a row.

    Args:
        captions: file.
        instances: file of the same images; None leaves out boxes.
        folder: of the images in their official address ("train2017").
    """
    found = read_json(captions)
    texts = _by_image(found["annotations"], _caption)
    boxes: dict = {}
    if instances is not None:
        objects = read_json(instances)
        names = {row["id"]: str(row["name"]) for row in objects.get("categories", [])}
        boxes = _by_image(objects["annotations"], lambda row: _box(row, names))
    for image in found["images"]:
        id, name = image.get("id"), image.get("file_name")
        if not isinstance(name, str) or id not in texts:
            yield Bad("no caption" if isinstance(name, str) else "no file name")
            continue
        yield Row(
            str(id),
            f"{folder}/{name}",
            tuple(texts[id]),
            tuple(boxes.get(id, ())),
            extra={"license": image.get("license")},
        )


def nocaps_rows(path: Path) -> Iterator[Row | Bad]:
    """Reads NoCaps' validation captions; the picture of a row is its address.

    `extra` holds the domain that results are divided by (in-, near-, out-domain).
    """
    found = read_json(path)
    texts = _by_image(found["annotations"], _caption)
    for image in found["images"]:
        id, address = image.get("id"), image.get("coco_url")
        if not isinstance(address, str) or id not in texts:
            yield Bad("no caption" if isinstance(address, str) else "no address")
            continue
        extra = {key: image.get(key) for key in ("open_images_id", "domain", "file_name")}
        yield Row(str(id), address, tuple(texts[id]), extra=extra)


def karpathy_rows(path: Path, split: str) -> Iterator[Row | Bad]:
    """Reads one split of Karpathy's file, an image a row.

    Args:
        path: of `dataset_coco.json`.
        split: "train", "restval", "val" or "test"; papers train on the first two together.
    """
    found = json.loads(path.read_text(encoding="utf-8"))
    for image in found["images"]:
        if image.get("split") != split:
            continue
        texts = tuple(_tidy(s.get("raw")) for s in image.get("sentences", ()))
        texts = tuple(text for text in texts if text)
        if not texts or not isinstance(image.get("filename"), str):
            yield Bad("no caption")
            continue
        picture = f"{image.get('filepath')}/{image['filename']}"
        yield Row(str(image.get("cocoid")), picture, texts)


def _by_image(annotations: list, read) -> dict:
    found: dict = {}
    for row in annotations:
        value = read(row) if isinstance(row, dict) else None
        if value and isinstance(row.get("image_id"), int | str):
            found.setdefault(row["image_id"], []).append(value)
    return found


def _caption(row: dict) -> str:
    return _tidy(row.get("caption"))


def _tidy(text: object) -> str:
    return " ".join(text.split()) if isinstance(text, str) else ""


def _box(row: dict, names: dict) -> tuple | None:
    numbers = row.get("bbox")
    if row.get("category_id") not in names or not isinstance(numbers, list) or len(numbers) != 4:
        return None
    if not all(isinstance(number, int | float) and math.isfinite(number) for number in numbers):
        return None
    box = tuple(float(number) for number in numbers)
    return names[row["category_id"]], box, bool(row.get("iscrowd"))
