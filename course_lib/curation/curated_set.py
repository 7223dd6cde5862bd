"""The curated set in the released layout, read and written: `filter_cap.json` and `image/ID.jpg`.

The authors' `cc_sbu_align` holds {"annotations": [{"image_id": "2", "caption": …}, …]} and images
that are named by their id (minigpt4/datasets/datasets/cc_sbu_dataset.py, which asks for ".jpg").
Captions are read raw, with capitals and full stops.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from course_lib.curation.decisions import Decision
from course_lib.curation.proposing import Proposal
from course_lib.errors import atomic_path

FILE, IMAGES = "filter_cap.json", "image"
ENDINGS = (".jpg", ".png")
_ID = re.compile(r"\w[\w.-]{0,200}")
_FORMATS = {".jpg": "JPEG", ".png": "PNG"}


@dataclass(frozen=True)
class Pair:
    """An image and its curated caption.

    Args:
        image_id: of the image.
        caption: raw.
        image: the file.
    """

    image_id: str
    caption: str
    image: Path


def kept_captions(
    proposals: Sequence[Proposal], decisions: Mapping[str, Decision]
) -> dict[str, str]:
    """Returns what people kept: image_id → caption, in the order of the proposals.

    Args:
        proposals: all of them; one without a decision is not kept.
        decisions: see `decisions.read_decisions`.

    Raises:
        ValueError: when nothing was accepted or edited.
    """
    made = [decisions[p.image_id] for p in proposals if p.image_id in decisions]
    kept = {decision.image_id: decision.caption for decision in made if decision.caption}
    if not kept:
        rejected = len(made)
        raise ValueError(
            f"The curated set is empty: of {len(proposals)} proposals {rejected} are rejected and "
            f"{len(proposals) - rejected} undecided; accept at least one."
        )
    return kept


def write_curated(
    captions: Mapping[str, str],
    picture_of: Callable[[str], Path | np.ndarray],
    folder: Path,
    ending: str = ".jpg",
) -> Path:
    """Writes a curated set; the images first, so that the list never names one that is not there.

    Args:
        captions: image_id → caption.
        picture_of: image_id → a file, or pixels (height, width, 3), uint8. A file that has the
            format already is copied byte for byte.
        folder: gets `filter_cap.json` and `image/`.
        ending: ".jpg", which the authors' code asks for, or ".png", which loses nothing.

    Returns:
        The path of the list.

    Raises:
        ValueError: for another ending, an id that is no plain file name, an image that cannot be
            read, or a set without a pair.
    """
    if ending not in ENDINGS:
        raise ValueError(f"Images end with {' or '.join(ENDINGS)}, not {ending!r}.")
    if not captions:
        raise ValueError("The curated set is empty: give at least one pair.")
    folder = Path(folder)
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    for image_id in captions:
        if not _ID.fullmatch(image_id):
            raise ValueError(
                f"{image_id!r} cannot name a file: take letters, digits, '.', '-' and '_'."
            )
        _write_image(picture_of(image_id), folder / IMAGES / f"{image_id}{ending}")
    rows = [{"image_id": id, "caption": caption} for id, caption in captions.items()]
    with atomic_path(folder / FILE) as unfinished:
        text = json.dumps({"annotations": rows}, ensure_ascii=False, indent=1)
        unfinished.write_text(text + "\n", encoding="utf-8")
    return folder / FILE


def _write_image(picture: Path | np.ndarray, path: Path) -> None:
    from PIL import Image

    from course_lib.data.images import load_image

    kind = _FORMATS[path.suffix]
    if isinstance(picture, np.ndarray):
        opened = Image.fromarray(picture)
    else:
        opened = load_image(picture)
        with Image.open(picture) as original:
            same = original.format == kind
        if same:
            with atomic_path(path) as unfinished:
                unfinished.write_bytes(Path(picture).read_bytes())
            return
    with atomic_path(path) as unfinished:
        opened.save(unfinished, kind, quality=95)


def read_curated(folder: Path) -> tuple[list[Pair], list[str]]:
    """Reads a curated set, the released one or ours.

    Args:
        folder: with `filter_cap.json` and `image/`.

    Returns:
        (pairs in the order of the file; a sentence for each annotation that is left out: no id or
        caption, an id that was there before, an image that is missing).

    Raises:
        ValueError: for a list that is missing, broken, or without any pair that can be used.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        raise ValueError(f"{path} is not there: give the folder that holds {FILE} and {IMAGES}/.")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not whole JSON ({error}): fetch or write it again.") from error
    rows = found.get("annotations") if isinstance(found, dict) else None
    if not isinstance(rows, list):
        raise ValueError(f"{path} has no list of 'annotations'.")
    pairs: dict[str, Pair] = {}
    troubles = []
    for number, row in enumerate(rows, start=1):
        try:
            pair = _pair(row, Path(folder) / IMAGES, pairs)
        except ValueError as error:
            troubles.append(f"annotation {number} {error}")
        else:
            pairs[pair.image_id] = pair
    if not pairs:
        first = f": {troubles[0]}" if troubles else ""
        raise ValueError(f"{path} holds no pair that can be used{first}.")
    return list(pairs.values()), troubles


def _pair(row: object, images: Path, known: Mapping[str, Pair]) -> Pair:
    fields = row if isinstance(row, dict) else {}
    image_id, caption = fields.get("image_id"), fields.get("caption")
    if not isinstance(image_id, str | int) or not _ID.fullmatch(str(image_id)):
        raise ValueError("has no image_id that names a file")
    if not isinstance(caption, str) or not caption.strip():
        raise ValueError(f"(image {image_id}) has no caption")
    if str(image_id) in known:
        raise ValueError(f"names image {image_id}, which another one named before")
    for ending in ENDINGS:
        if (images / f"{image_id}{ending}").is_file():
            return Pair(str(image_id), caption.strip(), images / f"{image_id}{ending}")
    raise ValueError(f"names image {image_id}, which is not in {images}")
