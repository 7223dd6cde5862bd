"""A name that strangers gave becomes a path inside a folder, or is refused."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

from course_lib.errors import atomic_path

_DRIVE = re.compile(r"^[A-Za-z]:")
_LONGEST = 240  # bytes of one part: the usual limit is 255, and a temporary name is longer


class Unsafe(ValueError):
    """A name, an archive or a picture that is refused; it is never written."""


def plain_parts(name: str) -> tuple[str, ...]:
    """Takes a name apart.

    Args:
        name: of a member of an archive or a file of a list, with "/".

    Returns:
        Its parts, without "." and empty ones.

    Raises:
        Unsafe: for an absolute name, one that climbs ("..") or names a drive, and one that a file
            system may read as something else.
    """
    parts = tuple(part for part in PurePosixPath(name).parts if part != ".")
    bad = (
        not name
        or name.startswith("/")
        or "\\" in name
        or _DRIVE.match(name)
        or any(ord(letter) < 32 for letter in name)
        or ".." in parts
        or any(_too_long(part) for part in parts)
    )
    if bad:
        raise Unsafe(f"{name!r} is no name inside the folder: nothing is written for it.")
    return parts


def _too_long(part: str) -> bool:
    try:
        return len(part.encode()) > _LONGEST
    except UnicodeEncodeError:
        return True


def inside(folder: Path, name: str) -> Path:
    """Returns the path of a name in a folder, where no link on the way leads out of it.

    Raises:
        Unsafe: see `plain_parts`; and where a part of the path is a link.
    """
    path = Path(folder)
    for part in plain_parts(name):
        path = path / part
        if path.is_symlink():
            raise Unsafe(f"{path} is a link: what lies behind it may be outside. Remove the link.")
    return path


def make_folder(folder: Path, name: str) -> Path:
    """Makes a folder inside another one, and all folders on the way; see `inside`."""
    path = inside(folder, name) if name else Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    return path


def write_synced(path: Path, text: str) -> None:
    """Writes a note, whole or not at all, and waits until its name is on the disk."""
    with atomic_path(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Waits until the names in a folder are on the disk, where the system can do that."""
    if os.name == "nt":
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
