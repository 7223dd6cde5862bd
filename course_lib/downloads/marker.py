"""The finished marker: a file counts as there only beside a note of what it was when it was whole.

The note, `.NAME.done`, is written after the file has its name. It also remembers the checksum of a
file for which nobody published one: what the first download brought is what every later one has to
bring.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from course_lib.downloads.inside import write_synced
from course_lib.downloads.remote import Remote

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Finished:
    """What a whole file was.

    Args:
        url: where it came from.
        size: in bytes.
        sha256: of its content.
        mtime: when it was last written, in nanoseconds.
        published: whether somebody's published checksum was compared.
        unpacked: True where the file was deleted since its contents lie unpacked beside it.
    """

    url: str
    size: int
    sha256: str
    mtime: int
    published: bool
    unpacked: bool = False


def marker_path(target: Path) -> Path:
    """Returns where the note of a file lies."""
    return target.with_name(f".{target.name}.done")


def read_marker(target: Path) -> Finished | None:
    """Reads the note of a file; one that is missing or damaged is as good as none."""
    try:
        found = json.loads(marker_path(target).read_text(encoding="utf-8"))
        note = Finished(**found)
    except (OSError, ValueError, TypeError):
        return None
    whole = isinstance(note.size, int) and isinstance(note.sha256, str) and len(note.sha256) == 64
    return note if whole else None


def write_marker(target: Path, note: Finished) -> None:
    """Writes the note of a file, whole or not at all."""
    write_synced(marker_path(target), json.dumps(asdict(note), indent=1) + "\n")


def digests(path: Path, remote: Remote | None = None) -> tuple[str, bool]:
    """Reads a file.

    Args:
        path: of the file.
        remote: what is published about it.

    Returns:
        (its sha256, whether it is what is published).
    """
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    wants_md5 = remote is not None and bool(remote.md5)
    with open(path, "rb") as stream:
        while block := stream.read(_BLOCK):
            sha256.update(block)
            if wants_md5:
                md5.update(block)
    found = sha256.hexdigest()
    right = remote is None or remote.sha256 in ("", found)
    return found, right and (not wants_md5 or md5.hexdigest() == remote.md5)


def seems_finished(target: Path, remote: Remote) -> bool:
    """Tells whether a note and a file of the right size are there; reads nothing of the file."""
    note = read_marker(target)
    if note is None or remote.sha256 not in ("", note.sha256):
        return False
    if remote.size not in (None, note.size) or target.is_symlink():
        return False
    if note.unpacked and not target.exists():
        return True
    return target.is_file() and target.stat().st_size == note.size


def is_finished(target: Path, remote: Remote, deep: bool = False) -> bool:
    """Tells whether a file is there, whole and the one that is wanted.

    A file that was touched since its note was written is read again.

    Args:
        target: the file.
        remote: what is wanted; a note about another checksum or size does not count.
        deep: True reads the file in any case.
    """
    if not seems_finished(target, remote):
        return False
    note = read_marker(target)
    if not target.exists():
        return note.unpacked
    mtime = target.stat().st_mtime_ns
    if mtime == note.mtime and not deep:
        return True
    sha256, right = digests(target, remote)
    if sha256 != note.sha256 or not right:
        return False
    if mtime != note.mtime:
        write_marker(target, replace(note, mtime=mtime))
    return True
