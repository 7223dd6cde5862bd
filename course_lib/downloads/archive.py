"""The members of a zip or tar file, looked at before any of them is written.

Refused as a whole: names that climb out or are absolute, links and devices, names that stand twice,
encrypted members, and bombs: too many members, too many bytes, or too many bytes for the size of
the archive. What a member claims about its size is held against what it really gives.
"""

from __future__ import annotations

import contextlib
import fnmatch
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from course_lib.downloads.inside import Unsafe, plain_parts

_LITTER = ("__MACOSX", ".DS_Store")
_SMALL = 64 << 20  # so little does no harm, however well it was packed


@dataclass(frozen=True)
class Limits:
    """What an archive may hold at most.

    Args:
        members: files.
        size: bytes of all of them.
        ratio: bytes of all of them for a byte of the archive. Real annotation files reach about 20;
            a bomb of one layer may reach 1,032.
    """

    members: int = 2_000_000
    size: int = 400_000_000_000
    ratio: float = 100.0


@dataclass(frozen=True)
class Member:
    """A file in an archive.

    Args:
        parts: of its name, as it will be written.
        size: in bytes, as the archive claims.
        key: what the archive knows it by.
    """

    parts: tuple[str, ...]
    size: int
    key: zipfile.ZipInfo | tarfile.TarInfo


class Archive:
    """An open archive whose members are all fit to be written.

    Args:
        path: of a zip or tar file, the latter packed or not.
        limits: what it may hold.
        strip: how many leading folders are taken off each name.
        only: patterns of the members wanted, without the folders taken off; () for all.

    Raises:
        Unsafe: for everything that the head of this file lists, and for a damaged archive.
    """

    def __init__(
        self, path: Path, limits: Limits, strip: int = 0, only: tuple[str, ...] = ()
    ) -> None:
        self.path, self.limits = path, limits
        self._packed = path.stat().st_size
        with contextlib.ExitStack() as opened:
            try:
                if zipfile.is_zipfile(path):
                    self._file = opened.enter_context(zipfile.ZipFile(path))
                    listed = self._zip_members()
                else:
                    self._file = opened.enter_context(tarfile.open(path))
                    listed = self._tar_members()
                self.members = self._fit(listed, strip, only)
            except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError) as error:
                raise Unsafe(f"{path} is no whole archive ({error}): fetch it again.") from error
            self._opened = opened.pop_all()

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_) -> None:
        self._opened.close()

    @contextlib.contextmanager
    def open(self, member: Member) -> Iterator[BinaryIO]:
        """Opens a member for reading."""
        if isinstance(self._file, zipfile.ZipFile):
            stream = self._file.open(member.key)
        else:
            stream = self._file.extractfile(member.key)
        with stream:
            yield stream

    def _fit(self, listed: Iterator[Member], strip: int, only: tuple[str, ...]) -> list[Member]:
        """Holds every member against the limits, also those that are not wanted."""
        found: dict[tuple[str, ...], Member] = {}
        total = 0
        for count, member in enumerate(listed, start=1):
            total += member.size
            self._check(count, total)
            if any(part in _LITTER for part in member.parts):
                continue
            parts = member.parts[strip:]
            if not parts:
                raise Unsafe(f"{self.path}: {'/'.join(member.parts)!r} lies in no folder there.")
            if only and not any(fnmatch.fnmatch("/".join(parts), pattern) for pattern in only):
                continue
            if parts in found:
                raise Unsafe(f"{self.path}: {'/'.join(parts)!r} stands in it twice.")
            found[parts] = Member(parts, member.size, member.key)
        if not found:
            raise Unsafe(f"{self.path} holds none of the files that are wanted.")
        return list(found.values())

    def _check(self, members: int, size: int) -> None:
        limits = self.limits
        if members > limits.members:
            raise Unsafe(f"{self.path} holds over {limits.members:,} files: nothing is unpacked.")
        if size > limits.size or size > max(_SMALL, limits.ratio * self._packed):
            raise Unsafe(
                f"{self.path} ({self._packed:,} bytes) would unpack to {size:,} bytes or more: it "
                "is a bomb, or not the file that it should be. Nothing is unpacked."
            )

    def _zip_members(self) -> Iterator[Member]:
        for info in self._file.infolist():
            # Python cuts a name at a NUL byte and turns "\\" on Windows; the name as stored counts.
            parts = plain_parts(info.orig_filename)
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise Unsafe(f"{self.path}: {info.filename!r} is a link or a device, no file.")
            if info.flag_bits & 1:
                raise Unsafe(f"{self.path}: {info.filename!r} is encrypted.")
            if not info.is_dir():
                yield Member(parts, info.file_size, info)

    def _tar_members(self) -> Iterator[Member]:
        for info in self._file:
            if not (info.isreg() or info.isdir()):
                raise Unsafe(f"{self.path}: {info.name!r} is a link or a device, no file.")
            # "./" is the folder itself.
            parts = plain_parts(info.name) if info.name != "." else ()
            if info.isreg():
                yield Member(parts, info.size, info)
