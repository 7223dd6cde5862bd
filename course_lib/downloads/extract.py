"""An archive becomes a folder: all of it or nothing, and never a byte outside.

The members are written into `.NAME.unpacking` with the note that says what they are, and the folder
gets its name in one step. A process that is killed before leaves nothing that looks finished.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from course_lib.downloads.archive import Archive, Limits, Member
from course_lib.downloads.inside import Unsafe, inside, make_folder, sync_folder
from course_lib.downloads.marker import Finished, read_marker, write_marker
from course_lib.downloads.remote import Remote
from course_lib.errors import disk_full_error
from course_lib.training.progress import progress_bar

NOTE = ".unpacked.json"
_BLOCK = 1 << 20
_FEW = 2000  # files that are waited for one by one until they are on the disk


def extract(
    remote: Remote,
    folder: Path,
    limits: Limits | None = None,
    *,
    drop: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Path:
    """Unpacks an archive that was fetched, unless that was done already.

    Args:
        remote: the archive, with the folder that its contents go to.
        folder: the data folder.
        limits: what the archive may hold.
        drop: True deletes the archive afterwards; its note stays, so that nobody fetches it again.
        say: told a line for what was unpacked.

    Returns:
        The folder with the contents.

    Raises:
        Unsafe: for an archive that is refused, or a folder in the way that is not ours.
        OSError: when the disk is full.
    """
    archive, target = inside(folder, remote.path), inside(folder, remote.into)
    note = read_marker(archive)
    if note is None:
        raise Unsafe(f"{archive} is not whole: fetch it first.")
    if not _is_unpacked(target, note, remote):
        if target.exists() and _note(target) is None:
            raise Unsafe(f"{target} is in the way, and not from {archive.name}: move it away.")
        make_folder(folder, str(PurePosixPath(remote.into).parent))
        count = _unpack(archive, target, note, remote, limits or Limits())
        say(f"unpacked: {remote.into}, {count:,} files")
    if drop and archive.exists():
        write_marker(archive, replace(note, unpacked=True))
        archive.unlink()
    return target


def _wanted(note: Finished, remote: Remote) -> dict:
    return {"sha256": note.sha256, "strip": remote.strip, "only": list(remote.only)}


def _note(target: Path) -> dict | None:
    try:
        return json.loads((target / NOTE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _is_unpacked(target: Path, note: Finished, remote: Remote) -> bool:
    return not target.is_symlink() and target.is_dir() and _note(target) == _wanted(note, remote)


def _unpack(archive: Path, target: Path, note: Finished, remote: Remote, limits: Limits) -> int:
    unfinished = target.with_name(f".{target.name}.unpacking")
    _remove(unfinished)
    unfinished.mkdir()
    try:
        with Archive(archive, limits, remote.strip, remote.only) as opened:
            few = len(opened.members) <= _FEW
            with progress_bar(f"unpacking {target.name}", len(opened.members)) as advance:
                for member in opened.members:
                    _write(opened, member, unfinished, few)
                    advance()
        (unfinished / NOTE).write_text(json.dumps(_wanted(note, remote)), encoding="utf-8")
        _to_disk(unfinished, few)
        _swap(unfinished, target)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        _remove(unfinished)
        raise Unsafe(f"{archive} is damaged ({error}): delete it and fetch it again.") from error
    except BaseException as error:
        _remove(unfinished)
        full = disk_full_error(target, error)
        if full is not None:
            raise full from error
        raise
    return len(opened.members)


def _write(opened: Archive, member: Member, root: Path, wait: bool) -> None:
    """Writes one member; its true length may not be more than it claims."""
    path = inside(root, "/".join(member.parts))
    path.parent.mkdir(parents=True, exist_ok=True)
    left = member.size
    # "x" refuses a name that is there already, under whatever spelling the disk takes for the same.
    with opened.open(member) as source, open(path, "xb") as stream:
        while block := source.read(_BLOCK):
            left -= len(block)
            if left < 0:
                raise Unsafe(f"{opened.path}: {path.name!r} is longer than it claims.")
            stream.write(block)
        if left:
            raise Unsafe(f"{opened.path}: {path.name!r} is shorter than it claims.")
        if wait:
            stream.flush()
            os.fsync(stream.fileno())


def _to_disk(folder: Path, few: bool) -> None:
    if not few and hasattr(os, "sync"):
        os.sync()
    with open(folder / NOTE, "rb+") as stream:
        os.fsync(stream.fileno())
    sync_folder(folder)


def _swap(unfinished: Path, target: Path) -> None:
    """Puts the new folder in the place of one that an older archive had filled."""
    if target.exists():
        old = target.with_name(f".{target.name}.old")
        _remove(old)
        os.replace(target, old)
        os.replace(unfinished, target)
        _remove(old)
    else:
        os.replace(unfinished, target)
    sync_folder(target.parent)


def _remove(folder: Path) -> None:
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)
