"""Reads the entries of a large JSON object one by one, in little memory.

`data.json_records` does the same for lists and repairs what it can. Here a file is read once and
either whole or refused: these are official files whose checksum was verified.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

_BLOCK = 1 << 22
_SPACE = re.compile(r"\s*")
_DECODER = json.JSONDecoder()


def entries(path: Path) -> Iterator[tuple[str, object]]:
    """Reads a file that is one JSON object.

    Yields:
        (key, value), in the order of the file.

    Raises:
        ValueError: for a file that is no object, or is broken or cut short.
    """
    with open(path, encoding="utf-8") as stream:
        yield from _Object(stream, path).entries()


class _Object:
    def __init__(self, stream, path: Path) -> None:
        self.stream, self.path = stream, path
        self.text, self.at, self.ended = "", 0, False

    def entries(self) -> Iterator[tuple[str, object]]:
        self._expect("{")
        if self._next() == "}":
            return
        while True:
            key = self._value()
            self._expect(":")
            yield str(key), self._value()
            sign = self._next()
            self.at += 1
            if sign == "}":
                return
            if sign != ",":
                raise self._broken()

    def _expect(self, sign: str) -> None:
        if self._next() != sign:
            raise self._broken()
        self.at += 1

    def _next(self) -> str:
        while True:
            self.at = _SPACE.match(self.text, self.at).end()
            if self.at < len(self.text):
                return self.text[self.at]
            if not self._read():
                return ""

    def _value(self) -> object:
        self._next()
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
            except ValueError as error:
                if not self._read():
                    raise self._broken() from error
            else:
                # A number at the end of a block may go on in the next one.
                if end < len(self.text) or not self._read():
                    self.at = end
                    return value

    def _read(self) -> bool:
        block = self.stream.read(max(_BLOCK, len(self.text) - self.at))
        self.text, self.at = self.text[self.at :] + block, 0
        return bool(block)

    def _broken(self) -> ValueError:
        return ValueError(f"{self.path} is no whole JSON object: fetch it again.")
