"""Where the pictures of a data set come from, and which of them are let in.

Each is decoded once when it is put into a shard, by the reader that training uses: what is broken,
no image, or over 20 megapixels is left out and counted. Its bytes are kept as they came, unless a
longest side is asked for and the picture is larger.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from course_lib.downloads.inside import Unsafe, inside
from course_lib.downloads.links import MOST, Links
from course_lib.downloads.patience import Trouble

# Gives a picture's bytes for its name, or raises `Trouble`.
Source = Callable[[str], bytes]
_DIGITS = re.compile(r"(\d+)\.jpg$")


@dataclass(frozen=True)
class Picture:
    """A picture that can be decoded.

    Args:
        data: of its file.
        width: in pixels, after the camera's rotation.
        height: in pixels.
    """

    data: bytes
    width: int
    height: int


def checked(data: bytes, longest: int | None = None) -> Picture:
    """Lets a picture in, or not.

    Args:
        data: of a file.
        longest: pixels; a picture with a longer side is scaled and written as JPEG.

    Raises:
        Trouble: with the reason in a few words.
    """
    from course_lib.data.images import load_image

    try:
        image = load_image(data)
    except ValueError as error:
        raise Trouble(_reason(str(error)), detail=str(error)) from error
    if longest is None or max(image.size) <= longest:
        return Picture(data, *image.size)
    scale = longest / max(image.size)
    size = tuple(max(1, round(side * scale)) for side in image.size)
    small, stream = image.resize(size), io.BytesIO()
    small.save(stream, "JPEG", quality=95)
    return Picture(stream.getvalue(), *small.size)


def _reason(sentence: str) -> str:
    if "too large" in sentence:
        return "over 20 megapixels"
    return "no image" if "not an image" in sentence else "damaged image"


def from_folders(*folders: Path) -> Source:
    """Looks for a picture's name in one folder after the other."""

    def get(name: str) -> bytes:
        try:
            paths = [inside(folder, name) for folder in folders]
        except Unsafe as error:
            raise Trouble("a name outside the folder", detail=str(error)) from error
        path = next((path for path in paths if path.is_file()), None)
        if path is None:
            raise Trouble("not in the folder")
        if path.stat().st_size > MOST:
            raise Trouble("too many bytes")
        return path.read_bytes()

    return get


def from_coco_folders(*folders: Path) -> Source:
    """Looks for COCO images by number: "val2014/COCO_val2014_000000000042.jpg" is 000000000042.jpg.

    COCO 2017 divides the images of 2014 anew, into 118,287 and 5,000, so its two folders hold every
    image that COCO 2014, VQAv2 and OK-VQA name in train and val.
    """
    look = from_folders(*folders)

    def get(name: str) -> bytes:
        found = _DIGITS.search(name)
        return look(f"{int(found[1]):012d}.jpg" if found else name)

    return get


def from_links(links: Links, address: Callable[[str], str] = lambda name: name) -> Source:
    """Fetches pictures by their addresses.

    Args:
        links: gets them.
        address: makes an address of a picture's name.
    """

    def get(name: str) -> bytes:
        return links.get(address(name))

    return get


def first_of(sources: Sequence[Source]) -> Source:
    """Asks one source after the other; the last one's reason counts."""

    def get(name: str) -> bytes:
        for source in sources[:-1]:
            try:
                return source(name)
            except Trouble:
                continue
        return sources[-1](name)

    return get
