"""Reads the records of a JSON list or of JSON lines one by one, and goes on behind a broken one.

`json.load` takes a whole file or nothing, and memory for all of it: LLaVA's largest list has over a
gigabyte. Here a list is read in blocks; a record that is no JSON is handed on as `Broken`, and the
next place where a record begins is looked for. Nothing that a file says is ever run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

_BLOCK = 1 << 20
_LONGEST = 16 << 20  # characters of one record; a longer one counts as broken
_SPACE = re.compile(r"[ \t\r\n]*")
# Inside a string of JSON its quotes are escaped, so this never matches within one. Records hold
# objects themselves, those of the turns: they are no place to go on at.
_RECORD = re.compile(r'\{\s*"(?!(?:from|value)")\w+"\s*:')
_DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class Broken:
    """Stands for a record that is no JSON."""

    reason: str


def records(path: str | Path) -> Iterator[tuple[int, object]]:
    """Reads `.jsonl` line by line, and any other file as one list.

    Yields:
        (line, record): the line where the record begins, counted from 1, and what it holds, or
        `Broken`.

    Raises:
        ValueError: for a file that is not there or empty, or that does not begin as a list.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} is not there: give the path of a JSON or JSONL file.")
    # A byte that is no UTF-8 becomes a lone surrogate: one record is bad then, not the file.
    with open(path, encoding="utf-8-sig", errors="surrogateescape") as stream:
        yield from _lines(stream) if path.suffix == ".jsonl" else _List(stream, path).records()


def _lines(stream: TextIO) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except (ValueError, RecursionError) as error:
            yield number, Broken(f"No JSON ({_message(error)}): one whole record stands on a line.")


class _List:
    """A JSON list that is read in blocks; `text[at:]` is what has not been looked at yet."""

    def __init__(self, stream: TextIO, path: Path) -> None:
        self.stream, self.path = stream, path
        self.text, self.at, self.line = "", 0, 1
        self.ended = False
        self.needs_comma = False
        self.lost = False  # no further record begins behind a broken one

    def records(self) -> Iterator[tuple[int, object]]:
        if self._next() != "[":
            what = "does not begin with '['" if self.text else "is empty"
            raise ValueError(
                f"{self.path} {what}: LLaVA's files are one JSON list; name a file with one record "
                "a line .jsonl."
            )
        self._move(1)
        while (sign := self._next()) != "]":
            if self.lost:
                return
            if not sign:
                yield self.line, Broken("The file ends without ']': it was cut short.")
                return
            if not self.needs_comma:
                yield self._record()
            elif sign != ",":
                yield self.line, Broken(f"{sign!r} where a comma or ']' should be: put it there.")
                self._search(0)
            else:
                self._move(1)
                self.needs_comma = False
                if self._next() == "]":
                    yield self.line, Broken("A comma before the closing ']': take it out.")
        self._move(1)
        if self._next():
            yield self.line, Broken("There is text behind the end of the list: take it out.")

    def _record(self) -> tuple[int, object]:
        line, size = self.line, _BLOCK
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
            except RecursionError as error:
                reason = _message(error)
                break
            except ValueError as error:
                place = getattr(error, "pos", self.at)
                if self._is_broken(place):
                    reason = self._reason(error, place)
                    break
                self._read(size)
                size *= 2
            else:
                self._move(end - self.at)
                self.needs_comma = True
                return line, value
        self._search(1)
        return line, Broken(reason)

    def _is_broken(self, place: int) -> bool:
        """Tells an error in the record from one that is there because its end was not read yet."""
        following = _RECORD.search(self.text, self.at + 1)
        seen = following is not None and place <= following.start()
        return seen or self.ended or len(self.text) - self.at > _LONGEST

    def _reason(self, error: ValueError, place: int) -> str:
        if not self.ended and len(self.text) - self.at > _LONGEST:
            return f"It is longer than {_LONGEST:,} characters: split it, or take it out."
        at_end = not self.text[place:].strip() or "Unterminated string" in str(error)
        if self.ended and at_end and not _RECORD.search(self.text, self.at + 1):
            return "The file ends inside this record: it was cut short."
        line = self.line + self.text.count("\n", self.at, place)
        return f"No JSON ({_message(error)}, line {line}): write it anew or take it out."

    def _next(self) -> str:
        """Skips white space; returns the next character, or "" at the end of the file."""
        while True:
            self._move(_SPACE.match(self.text, self.at).end() - self.at)
            if self.at < len(self.text):
                return self.text[self.at]
            if self.ended:
                return ""
            self._read(_BLOCK)

    def _search(self, skip: int) -> None:
        """Goes to where the next record begins, or to the end of the file."""
        self.needs_comma = False
        while True:
            found = _RECORD.search(self.text, self.at + skip)
            if found is not None:
                return self._move(found.start() - self.at)
            if self.ended:
                self.lost = True
                return self._move(len(self.text) - self.at)
            # The beginning of a record may lie across two blocks.
            self._move(max(0, len(self.text) - self.at - 256))
            skip = 0
            self._read(_BLOCK)

    def _move(self, count: int) -> None:
        self.line += self.text.count("\n", self.at, self.at + count)
        self.at += count

    def _read(self, size: int) -> None:
        block = self.stream.read(size)
        self.ended = not block
        self.text, self.at = self.text[self.at :] + block, 0


def _message(error: Exception) -> str:
    return getattr(error, "msg", None) or str(error).split(";")[0]
