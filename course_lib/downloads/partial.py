"""The beginning of a file: what a cut connection or a killed process has left is gone on with.

Beside the file NAME lie `.NAME.part` with its first bytes and `.NAME.part.json` with what says
that the rest still belongs to them: the server's ETag or date, and how many bytes are known to be
on the disk. HTTP's own condition `If-Range` (RFC 9110, section 13.1.5) then asks for the rest of
the same file, or else for the whole new one.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from course_lib.downloads.inside import sync_folder
from course_lib.downloads.patience import Trouble
from course_lib.errors import atomic_path, disk_full_error

MOST = 1 << 40  # bytes of a file whose size nobody published
_SAFE_EVERY = 64 << 20
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_NO_RANGE = re.compile(r"bytes \*/(\d+)")


class Partial:
    """What there is of a file so far.

    Args:
        target: the file that it becomes.
        size: in bytes, as published; None where it is not.
    """

    def __init__(self, target: Path, size: int | None) -> None:
        self.target, self.published = target, size
        self.path = target.with_name(f".{target.name}.part")
        self.note = target.with_name(f".{target.name}.part.json")
        self._state = self._read_state()
        self._cut_to_what_is_safe()

    @property
    def size(self) -> int:
        """How many bytes are there."""
        return self.path.stat().st_size if self.path.is_file() else 0

    @property
    def total(self) -> int | None:
        """How many bytes the server announced, None where it did not."""
        return self._state.get("total")

    def headers(self) -> dict[str, str]:
        """Returns the headers that ask for the rest, {} where the whole file has to come."""
        validator = self._state.get("validator")
        if not self.size or not validator:
            return {}
        return {"Range": f"bytes={self.size}-", "If-Range": validator}

    def receive(self, response, blocks: Iterable[bytes], gained: Callable[[int], None]) -> None:
        """Writes what a response brings.

        Args:
            response: its status and headers.
            blocks: its body.
            gained: told how many bytes came (may be negative where old ones were thrown away).

        Raises:
            Trouble: for a body that is shorter or longer than announced, a range that was not
                asked for, or bytes of another version of the file.
        """
        before = self.size
        try:
            if response.status_code == 416:
                return self._nothing_left(response)
            if response.status_code == 206:
                self._check_range(response)
            else:
                self._begin(response)
        finally:
            gained(self.size - before)
        try:
            with open(self.path, "ab") as stream:
                self._write(stream, blocks, gained)
        except Trouble as trouble:
            if not trouble.later:
                gained(-self.size)
                self.discard()
            raise
        except OSError as error:
            full = disk_full_error(self.target, error)
            if full is not None:
                raise full from error
            raise
        if self.total is not None and self.size < self.total:
            raise Trouble("cut short", later=True, detail=f"{self.size} of {self.total} bytes")

    def discard(self) -> None:
        """Throws everything away."""
        self.note.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)
        self._state = {}

    def become_whole(self) -> None:
        """Gives the file its name, and waits until that is on the disk."""
        os.replace(self.path, self.target)
        self.note.unlink(missing_ok=True)
        sync_folder(self.target.parent)

    def _write(self, stream, blocks: Iterable[bytes], gained) -> None:
        safe = self.size
        most = self.published or self.total or MOST
        try:
            for block in blocks:
                if stream.tell() + len(block) > most:
                    raise Trouble("longer than announced", detail=f"over {most} bytes")
                stream.write(block)
                gained(len(block))
                if stream.tell() - safe >= _SAFE_EVERY:
                    safe = self._note_safe(stream)
        finally:
            self._note_safe(stream)

    def _note_safe(self, stream) -> int:
        stream.flush()
        os.fsync(stream.fileno())
        self._state["safe"] = stream.tell()
        self._write_state()
        return stream.tell()

    def _begin(self, response) -> None:
        self.discard()
        headers, total = response.headers, _length(response.headers)
        if self.published is not None and total not in (None, self.published):
            detail = f"{total} bytes, {self.published} are published"
            raise Trouble("another size than published", detail=detail)
        chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
        if total is None and self.published is None and not chunked:
            # Without a length nobody can tell the end of the file from a cut connection.
            raise Trouble("the server does not say how long the file is")
        self._state = {"validator": _validator(headers), "total": total, "safe": 0}
        self._write_state()

    def _check_range(self, response) -> None:
        """Holds a 206 against what was asked for; some servers ignore `If-Range`."""
        match = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        same = _validator(response.headers) in (None, self._state.get("validator"))
        total = int(match[3]) if match and match[3] != "*" else self.total
        if self.total is None:
            self._state["total"] = total
        if not match or int(match[1]) != self.size or not same or total != self.total:
            self.discard()
            raise Trouble("another version of the file", later=True, wait=0.0)

    def _nothing_left(self, response) -> None:
        match = _NO_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if self.total is None or not match or not int(match[1]) == self.size == self.total:
            self.discard()
            raise Trouble("another version of the file", later=True, wait=0.0)

    def _read_state(self) -> dict:
        try:
            found = json.loads(self.note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _cut_to_what_is_safe(self) -> None:
        """After a power cut the tail of a file may hold anything: only synced bytes count."""
        safe = self._state.get("safe")
        if not isinstance(safe, int) or self.path.is_symlink() or self.size < safe:
            self.discard()
        elif self.size > safe:
            os.truncate(self.path, safe)

    def _write_state(self) -> None:
        with atomic_path(self.note) as unfinished:
            unfinished.write_text(json.dumps(self._state), encoding="utf-8")


def _validator(headers: Mapping[str, str]) -> str | None:
    """Returns what may stand in `If-Range`: a strong ETag, or else the date."""
    tag = headers.get("ETag", "")
    return tag if tag.startswith('"') else headers.get("Last-Modified")


def _length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("Content-Length", "")
    return int(text) if text.isdigit() else None
