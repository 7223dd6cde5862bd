"""Captions in whatever file they come: JSON lines, tab-separated, COCO or LLaVA-like JSON.

Each is read into (row as it stood, caption), so that what is kept is written in the form in which
it came. CC3M comes as tab-separated captions and addresses.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from course_lib.errors import atomic_path, unknown_name_error

FIELDS = ("caption", "text", "TEXT", "title", "blip_caption")
SUFFIXES = {".jsonl": "jsonl", ".ndjson": "jsonl", ".tsv": "tsv", ".txt": "tsv", ".json": "json"}


@dataclass(frozen=True)
class CaptionFile:
    """A file that was read.

    Args:
        form: "jsonl", "tsv" or "json".
        captions: the texts.
        rows: a line (jsonl, tsv) or a record (json) for each caption.
        around: a COCO file without its annotations, None for a plain list.
        troubles: what was left out, with its line and reason.
    """

    form: str
    captions: tuple[str, ...]
    rows: tuple
    around: dict | None
    troubles: tuple[str, ...]


def _field(record: object, name: str | None) -> str | None:
    """Returns a record's caption: the field asked for, or the first known one that it has."""
    if not isinstance(record, dict):
        return None
    for key in (name,) if name else FIELDS:
        if isinstance(record.get(key), str):
            return record[key]
    return None


def _column(line: str, name: str | None) -> str | None:
    cells = line.split("\t")
    index = int(name) if name else 0
    return cells[index] if index < len(cells) else None


def read_captions(path: Path, field: str | None = None) -> CaptionFile:
    """Reads captions.

    Args:
        path: its suffix tells the form (`SUFFIXES`).
        field: the record's field, or the column's number from 0; None takes a usual field
            (`FIELDS`) or the first column.

    Returns:
        The captions with their rows. A row without one is left out and named in `troubles`.

    Raises:
        ValueError: for an unknown suffix, a broken JSON file, or a file without any caption.
    """
    path = Path(path)
    form = SUFFIXES.get(path.suffix.lower())
    if form is None:
        raise unknown_name_error("kind of caption file", path.suffix, SUFFIXES)
    if form == "tsv" and field is not None and not field.isdigit():
        raise ValueError(f"{path} has columns: give --field a number from 0, not {field!r}.")
    around = None
    if form == "json":
        around, rows = _json_rows(path)
        named = [("record", index, row, _field(row, field)) for index, row in enumerate(rows)]
    else:
        named = []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if line.strip():
                text = _column(line, field) if form == "tsv" else _field(_loads(line), field)
                named.append(("line", number, line, text))
    good = [(row, text) for _, _, row, text in named if text and text.strip()]
    bad = tuple(
        f"{what} {number} has no caption"
        for what, number, _, text in named
        if not (text or "").strip()
    )
    if not good:
        raise ValueError(f"{path} holds no caption: name the right field with --field.")
    rows, texts = zip(*good, strict=True)
    return CaptionFile(form, texts, rows, around, bad)


def _loads(line: str) -> object:
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return None


def _json_rows(path: Path) -> tuple[dict | None, list]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not whole JSON ({error}): fetch or write it again.") from error
    if isinstance(found, list):
        return None, found
    if isinstance(found, dict) and isinstance(found.get("annotations"), list):
        return {key: value for key, value in found.items() if key != "annotations"}, found[
            "annotations"
        ]
    raise ValueError(f"{path} is neither a list nor a COCO file with 'annotations'.")


def write_captions(source: CaptionFile, kept: Sequence[int], path: Path) -> None:
    """Writes the rows that stay, in the form in which they came.

    Of a COCO file the images without a caption left are taken out, too.
    """
    rows = [source.rows[index] for index in kept]
    if source.form != "json":
        text = "".join(f"{row}\n" for row in rows)
    elif source.around is None:
        text = json.dumps(rows, ensure_ascii=False)
    else:
        named = {row.get("image_id") for row in rows}
        images = [i for i in source.around.get("images", []) if i.get("id") in named]
        whole = {**source.around, "images": images, "annotations": rows}
        text = json.dumps(whole, ensure_ascii=False)
    with atomic_path(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
