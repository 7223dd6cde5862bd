"""Descriptions in whatever caption file they come, each with the id of its image.

The forms are those of `instructions.caption_files`: JSON lines, tab-separated columns, a JSON list,
or an object with 'annotations' (COCO, the released `filter_cap.json`). What `write_descriptions`
writes has beside image_id and caption what is known of how the model came to it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from course_lib.curation.describing import Described
from course_lib.errors import atomic_path
from course_lib.instructions.caption_files import read_captions

IMAGE_FIELDS = ("image_id", "id", "image", "file_name")
_IMAGE_ENDINGS = {".jpg", ".jpeg", ".png", ".webp"}


def write_descriptions(described: Sequence[Described], path: Path) -> None:
    """Writes JSON lines: image_id, caption, continued, tokens, ended."""
    rows = [
        {
            "image_id": one.id,
            "caption": one.text,
            "continued": one.continued,
            "tokens": one.tokens,
            "ended": one.ended,
        }
        for one in described
    ]
    with atomic_path(path) as unfinished:
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        unfinished.write_text(text, encoding="utf-8")


def read_descriptions(
    path: Path, field: str | None = None, image_field: str | None = None
) -> tuple[list[Described], list[str]]:
    """Reads a caption file.

    Args:
        path: its suffix tells the form.
        field: of the caption, or the number of its column; see `read_captions`.
        image_field: of the image's id, or the number of its column; None takes a usual one
            (`IMAGE_FIELDS`). A file name names its image without its folder and ending.

    Returns:
        (one description an image, the first where there are several; a sentence for each row that
        is left out).

    Raises:
        ValueError: for a file that cannot be read, or in which no row has an image and a caption.
    """
    source = read_captions(Path(path), field)
    if source.form == "tsv" and not (image_field or "").isdigit():
        raise ValueError(f"{path} has columns: give the number, from 0, of the one with the image.")
    found: dict[str, Described] = {}
    troubles = list(source.troubles)
    more = 0
    for row, caption in zip(source.rows, source.captions, strict=True):
        image_id, record = _image_id(row, source.form, image_field)
        if not image_id:
            troubles.append(f"no image is named with {caption[:40]!r}")
        elif image_id in found:
            more += 1
        else:
            found[image_id] = _described(image_id, caption, record)
    if more:
        troubles.append(f"{more} further captions of images that have one")
    if not found:
        raise ValueError(f"{path} names no image: name the right field with --image-field.")
    return list(found.values()), troubles


def _image_id(row: object, form: str, image_field: str | None) -> tuple[str, dict]:
    """Returns the id of a row's image, "" where there is none, and the row as a record."""
    if form == "tsv":
        cells = str(row).split("\t")
        index = int(image_field or 0)
        return _bare(cells[index].strip() if index < len(cells) else ""), {}
    record = json.loads(row) if isinstance(row, str) else row
    assert isinstance(record, dict), "read_captions takes a caption from records alone"
    for name in (image_field,) if image_field else IMAGE_FIELDS:
        value = record.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool):
            return _bare(str(value)), record
    return "", record


def _bare(name: str) -> str:
    path = PurePosixPath(name)
    return path.stem if path.suffix.lower() in _IMAGE_ENDINGS else name


def _described(image_id: str, caption: str, record: dict) -> Described:
    tokens = record.get("tokens")
    return Described(
        image_id,
        caption,
        record.get("continued") is True,
        tokens if isinstance(tokens, int) else 0,
        record.get("ended") is not False,
    )
