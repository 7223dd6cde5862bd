"""JSON lines that are only ever appended, in a file that survives a kill in the middle of one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path


def finished_lines(path: Path, again: str = "decide it again") -> Iterator[tuple[int, object]]:
    """Reads a file; its last line does not count where it was cut short, all others have to.

    Args:
        path: the file.
        again: what to do once a damaged line is taken out.

    Yields:
        (number of the line from 1, what it holds); nothing for a file that is not there.

    Raises:
        ValueError: with file and line, for a finished line that is no JSON.
    """
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            if number == len(lines):
                return
            raise ValueError(
                f"{path}, line {number}, is damaged ({error}): take the line out and {again}."
            ) from error
        yield number, row


def append_line(path: Path, row: dict) -> None:
    """Appends one line and waits until it is on disk; a last line that was cut short goes first.

    Raises:
        OSError: when it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab") as stream:
        stream.write(_mended(path, stream) + json.dumps(row, ensure_ascii=False).encode() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())


def _mended(path: Path, stream) -> bytes:
    """Takes a cut last line away; returns what has to end one that is whole."""
    *whole, last = path.read_bytes().split(b"\n")
    if not last.strip():
        return b""
    try:
        json.loads(last)
    except ValueError:
        stream.truncate(sum(len(line) + 1 for line in whole))
        return b""
    return b"\n"
