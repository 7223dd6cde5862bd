"""Visual Genome: phrases about regions of an image; BLIP-2 trains on them as captions.

`image_data.json`: [{"image_id", "url", "width", "height", "coco_id", "flickr_id"}, …];
`region_descriptions.json`: [{"id", "regions": [{"region_id", "phrase", "x", "y", "width",
"height"}, …]}, …], an image an entry (visualgenome.org).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from course_lib.corpora.rows import Bad, Row
from course_lib.data.json_records import Broken, records


def visual_genome_rows(images: Path, regions: Path) -> Iterator[Row | Bad]:
    """Reads all images, one a row: its different phrases as captions, its regions as boxes.

    Args:
        images: file of the images; a row's picture is the end of its address, "VG_100K/1.jpg".
        regions: file of the phrases.
    """
    pictures = {}
    for _, row in records(images):
        if isinstance(row, dict) and isinstance(row.get("url"), str):
            pictures[row.get("image_id")] = (urlsplit(row["url"]).path, row.get("coco_id"))
    for _, row in records(regions):
        if isinstance(row, Broken) or not isinstance(row, dict):
            yield Bad("a broken entry")
            continue
        id = row.get("id", row.get("image_id"))
        boxes = tuple(box for region in row.get("regions", ()) if (box := _box(region)))
        if id not in pictures or not boxes:
            yield Bad("no phrase" if id in pictures else "an unknown image")
            continue
        path, coco = pictures[id]
        captions = tuple(dict.fromkeys(box[0] for box in boxes))
        picture = "/".join(path.rsplit("/", 2)[-2:])
        yield Row(str(id), picture, captions, boxes, extra={"coco_id": coco} if coco else {})


def _box(region: dict) -> tuple | None:
    phrase = " ".join(str(region.get("phrase", "")).split())
    numbers = [region.get(key) for key in ("x", "y", "width", "height")]
    if not phrase or not all(isinstance(number, int | float) for number in numbers):
        return None
    return phrase, tuple(float(number) for number in numbers), False
