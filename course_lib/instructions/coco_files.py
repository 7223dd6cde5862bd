"""COCO's captions and instances files, read into examples; what is wrong is named and left out.

The layout is that of the COCO data set (`annotations/captions_*.json`, `instances_*.json`), which
LLaVA took its 158,000 samples from (arXiv 2304.08485, section 3).
"""

from __future__ import annotations

import json
import math
from pathlib import Path

from course_lib.instructions.symbols import Box, Example, normalised


def read_json(path: Path) -> dict:
    """Opens a COCO file.

    Raises:
        ValueError: when it is not JSON or not a COCO file, with the place.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not whole JSON ({error}): fetch or write it again.") from error
    lists = isinstance(found, dict) and all(
        isinstance(found.get(key), list) for key in ("images", "annotations")
    )
    if not lists:
        raise ValueError(f"{path} is no COCO file: it needs the lists 'images' and 'annotations'.")
    return found


def _known(name: object, table) -> bool:
    """Says whether an id is in a table; what cannot be an id (a list) is not."""
    return isinstance(name, (int, str)) and name in table


def _with_id(rows: list) -> dict:
    rows = [row for row in rows if isinstance(row, dict)]
    return {row["id"]: row for row in rows if isinstance(row.get("id"), (int, str))}


def _captions(annotations: list, known: set, troubles: list[str]) -> dict[object, list[str]]:
    """Collects the captions of each image."""
    texts: dict[object, list[str]] = {}
    for index, row in enumerate(annotations):
        image = row.get("image_id") if isinstance(row, dict) else None
        text = row.get("caption") if isinstance(row, dict) else None
        if not _known(image, known):
            troubles.append(f"captions: annotation {index} names image {image!r}, which is unknown")
        elif not isinstance(text, str) or not text.strip():
            troubles.append(f"captions: annotation {index} of image {image} has no text")
        else:
            texts.setdefault(image, []).append(" ".join(text.split()))
    return texts


def _box(row: object, images: dict, categories: dict) -> tuple[Box | None, str]:
    """Reads one annotation; the second value says what is wrong with it, or is empty."""
    if not isinstance(row, dict) or not _known(row.get("image_id"), images):
        named = row.get("image_id") if isinstance(row, dict) else row
        return None, f"names image {named!r}, which is unknown"
    if not _known(row.get("category_id"), categories):
        return None, f"names category {row.get('category_id')!r}, which is unknown"
    category = categories[row["category_id"]]
    numbers = row.get("bbox")
    if not isinstance(numbers, list) or len(numbers) != 4:
        return None, "has no box of four numbers"
    if not all(isinstance(n, (int, float)) and math.isfinite(n) for n in numbers):
        return None, "has a box that is not four finite numbers"
    image = images[row["image_id"]]
    sizes = [image.get("width"), image.get("height")]
    if not all(isinstance(size, (int, float)) and size > 0 for size in sizes):
        return None, f"needs the width and height of image {row['image_id']}"
    corners = normalised(*numbers, *sizes)
    if corners[0] >= corners[2] or corners[1] >= corners[3]:
        return None, "has a box without an area inside the image"
    group = str(category.get("supercategory", ""))
    return Box(str(category.get("name")), corners, group, bool(row.get("iscrowd"))), ""


def _boxes(instances: dict, images: dict, troubles: list[str]) -> dict[object, list[Box]]:
    rows = _with_id(instances.get("categories", []))
    categories = {id: row for id, row in rows.items() if row.get("name")}
    boxes: dict[object, list[Box]] = {}
    for index, row in enumerate(instances["annotations"]):
        box, trouble = _box(row, images, categories)
        if box is None:
            troubles.append(f"instances: annotation {index} {trouble}")
        else:
            boxes.setdefault(row["image_id"], []).append(box)
    return boxes


def read_coco(
    captions: Path, instances: Path | None = None, limit: int | None = None
) -> tuple[list[Example], list[str]]:
    """Reads a captions file, and an instances file beside it.

    Args:
        captions: COCO captions.
        instances: COCO instances; None leaves every example without boxes.
        limit: at most so many images, the first of the file.

    Returns:
        (examples in the order of the captions file, what was wrong, one sentence each). An image
        without a caption is left out and named; one without boxes is kept.

    Raises:
        ValueError: for a file that is no COCO file.
    """
    troubles: list[str] = []
    found = read_json(captions)
    images = _with_id(found["images"])
    texts = _captions(found["annotations"], set(images), troubles)
    boxes: dict[object, list[Box]] = {}
    if instances is not None:
        objects = read_json(instances)
        boxes = _boxes(objects, {**images, **_with_id(objects["images"])}, troubles)
    examples = []
    for id, image in images.items():
        if limit is not None and len(examples) == limit:
            break
        if id not in texts or not image.get("file_name"):
            what = "no caption" if id not in texts else "no file_name"
            troubles.append(f"captions: image {id} has {what}")
            continue
        name = str(image["file_name"])
        examples.append(Example(Path(name).stem, name, tuple(texts[id]), tuple(boxes.get(id, ()))))
    return examples, troubles


def category_names(instances: Path) -> tuple[str, ...]:
    """Returns the names of all categories of an instances file, those without a box as well."""
    rows = read_json(instances).get("categories", [])
    return tuple(str(row["name"]) for row in rows if isinstance(row, dict) and row.get("name"))
