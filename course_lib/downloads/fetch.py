"""One file, whole and verified, however often the connection is cut on the way.

pooch was looked at first (1.9): it begins a cut download anew and does not see that the file
changed in between. So `requests`, on which pooch is built, does the asking, and these files the
keeping.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit
from urllib.request import url2pathname

from course_lib.downloads.inside import Unsafe, inside, make_folder
from course_lib.downloads.marker import (
    Finished,
    digests,
    is_finished,
    marker_path,
    read_marker,
    write_marker,
)
from course_lib.downloads.partial import Partial
from course_lib.downloads.patience import Trouble
from course_lib.downloads.remote import Remote
from course_lib.downloads.session import Net, blocks
from course_lib.errors import atomic_path

Gained = Callable[[int], None]


class Wrong(ValueError):
    """A file that came whole and is not the one that is wanted."""


def fetch(
    remote: Remote, folder: Path, net: Net, gained: Gained = lambda count: None, deep: bool = False
) -> Finished:
    """Gets one file, or the rest of it.

    Args:
        remote: the file.
        folder: the data folder; nothing outside is written.
        net: the way to the server.
        gained: told how many bytes came, for a progress bar.
        deep: True verifies a file that is there already by reading it.

    Returns:
        What the file is.

    Raises:
        Trouble: when the server does not give it; what came so far is kept for the next run.
        Wrong: when its size or checksum is not the one published, or recorded earlier.
        OSError: when the disk is full.
    """
    make_folder(folder, str(PurePosixPath(remote.path).parent))
    target = inside(folder, remote.path)
    if is_finished(target, remote, deep) or _adopted(target, remote):
        gained(remote.bytes)
        return read_marker(target)
    if target.is_dir():
        raise Unsafe(f"{target} is a folder, where a file should go: move it away.")
    before = read_marker(target)
    if remote.url.startswith("file:"):
        return _brought(remote, target, before, gained)
    for last in (False, True):
        partial = Partial(target, remote.size)
        gained(partial.size)
        _receive_all(remote, partial, net, gained)
        try:
            note = _verified(remote, partial.path, target, before)
        except Wrong:
            gained(-partial.size)
            partial.discard()
            # A cut may have glued wrong bytes: the second try begins with nothing.
            if last:
                raise
        else:
            partial.become_whole()
            write_marker(target, note)
            return note
    raise AssertionError("not reached")


def _adopted(target: Path, remote: Remote) -> bool:
    """Takes a file that was put there by hand, if its checksum is published and right."""
    if not remote.published or target.is_symlink() or not target.is_file():
        return False
    sha256, right = digests(target, remote)
    if not right:
        return False
    found = target.stat()
    note = Finished(remote.url, found.st_size, sha256, found.st_mtime_ns, published=True)
    write_marker(target, note)
    return True


def _brought(remote: Remote, target: Path, before: Finished | None, gained: Gained) -> Finished:
    """Takes a copy of a file that a person fetched in another way."""
    own = Path(url2pathname(urlsplit(remote.url).path))
    if not own.is_file():
        raise Trouble("there is no such file", detail=str(own))
    with atomic_path(target) as unfinished:
        shutil.copyfile(own, unfinished)
        note = _verified(remote, unfinished, target, before)
    write_marker(target, note)
    gained(note.size)
    return note


def _receive_all(remote: Remote, partial: Partial, net: Net, gained: Gained) -> None:
    attempt = 0
    while not _is_complete(partial, remote):
        before = partial.size
        try:
            with net.get(remote.url, partial.headers()) as response:
                partial.receive(response, blocks(response), gained)
        except Trouble as trouble:
            attempt = 0 if partial.size > before else attempt + 1
            net.pause(net.patience.before_next(max(attempt, 1), trouble))
        else:
            return


def _is_complete(partial: Partial, remote: Remote) -> bool:
    """Tells whether a killed run had everything but the last step."""
    return (
        partial.size > 0 and partial.size == partial.total and remote.size in (None, partial.size)
    )


def _verified(remote: Remote, path: Path, target: Path, before: Finished | None) -> Finished:
    """Holds a whole file against what is known of it, and waits until it is on the disk.

    Args:
        remote: what is published.
        path: of the file under its temporary name.
        target: the name that it will get.
        before: what was noted at an earlier download.
    """
    size = path.stat().st_size
    if remote.size is not None and size != remote.size:
        raise Wrong(
            f"{remote.url} gave {size:,} bytes, where {remote.size:,} are published: the file "
            "changed, or something on the way answers in its place. Nothing of it was kept."
        )
    sha256, right = digests(path, remote)
    if not right:
        raise Wrong(
            f"{remote.url} has another checksum than published ({sha256[:12]}…): the file changed, "
            "or it was damaged on the way. Nothing of it was kept."
        )
    if before is not None and not remote.published and before.sha256 != sha256:
        raise Wrong(
            f"{remote.url} has changed since it was first fetched ({before.sha256[:12]}… then, "
            f"{sha256[:12]}… now; nobody published a checksum). If the new one is wanted, delete "
            f"{marker_path(target)} and start again."
        )
    with open(path, "rb+") as stream:
        os.fsync(stream.fileno())
    return Finished(remote.url, size, sha256, path.stat().st_mtime_ns, remote.published)
