"""The file that knows which answers are there: one JSON line an event, never rewritten.

A paid question is noted before it leaves ("asked") and again when it is over ("accepted",
"rejected" or "failed"). So whoever is killed in between leaves a trace, and the next run neither
asks it again nor forgets that it may have been paid.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock

from course_lib.instructions.teacher import NOTHING, Answer, Turn, Usage

Key = tuple[str, str]
_LOST = "under way when a run was killed"


@dataclass
class Kept:
    """What a journal says about one (image, type).

    Args:
        state: "asked", "accepted", "rejected" or "failed".
        turns: of an accepted answer.
        reason: of the other states.
        paid: in attempts that are over.
        open: the most that a question can have cost of which nobody knows what became.
    """

    state: str
    turns: tuple[Turn, ...] = ()
    reason: str = ""
    paid: Usage = NOTHING
    open: Usage = NOTHING


def _locked(stream) -> bool:
    """Takes an open file for this process; the system gives it back when the process ends."""
    try:
        import fcntl
    except ImportError:  # Windows has no such lock; there, two processes are not kept apart.
        return True
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Journal:
    """Opens a journal, or begins one; a last line that a kill cut short is ended and left out.

    Args:
        path: of the file; its folder is made.
        settings: what has to be the same in every run on this file.

    Raises:
        ValueError: when the file was begun with other settings, or a line in it is damaged.
    """

    def __init__(self, path: Path, settings: dict) -> None:
        self.path = Path(path)
        self.kept: dict[Key, Kept] = {}
        self._lock = Lock()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = open(self.path, "ab")  # noqa: SIM115 - closed by `close`
        try:
            self._open(settings)
        except BaseException:
            self.close()
            raise

    def _open(self, settings: dict) -> None:
        """Takes the file for this process alone, reads it, and ends a line that was cut short."""
        if not _locked(self._stream):
            raise ValueError(f"Another process is writing {self.path}: wait for it, or stop it.")
        lines = self.path.read_bytes().split(b"\n")
        cut = lines.pop()
        self._read(lines, settings)
        if cut:
            self._stream.truncate(self.path.stat().st_size - len(cut))
        if not lines:
            self._append({"settings": settings}, sure=True)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._stream.close()

    def _read(self, lines: list[bytes], settings: dict) -> None:
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
                if number == 1:
                    self._compare(row["settings"], settings)
                else:
                    self._take(row)
            except (KeyError, TypeError, json.JSONDecodeError, UnicodeDecodeError) as error:
                raise ValueError(
                    f"{self.path}, line {number}, is damaged ({error}): remove the line, or choose "
                    "another place to write."
                ) from error

    def _compare(self, begun: dict, now: dict) -> None:
        other = [key for key in now if begun.get(key) != now[key]]
        if other:
            key = other[0]
            raise ValueError(
                f"{self.path} was begun with {key} {begun.get(key)!r}, now it is {now[key]!r}: go "
                "on with the first, or choose another place to write."
            )

    def _take(self, row: dict) -> None:
        key = (row["id"], row["type"])
        usage = Usage(*row.get("usage", (0, 0)))
        before = self.kept.get(key, Kept(""))
        if row["state"] == "asked":
            kept = Kept("asked", (), _LOST, before.paid, before.open + usage)
        else:
            kept = Kept(row["state"], (), row.get("reason", ""), before.paid + usage)
        kept.turns = tuple(
            Turn(**{**turn, "facts": tuple(turn["facts"])}) for turn in row.get("turns", ())
        )
        self.kept[key] = kept

    def spent(self) -> Usage:
        """Returns what all runs have paid, an answer that never came counted at its most."""
        return sum((kept.paid + kept.open for kept in self.kept.values()), Usage())

    def asked(self, key: Key, most: Usage) -> None:
        """Notes that a question leaves now, on the disk before it does."""
        self._note(key, "asked", {"usage": [most.read, most.written]}, sure=True)

    def over(self, key: Key, answer: Answer, state: str) -> None:
        """Notes what became of a question: "accepted", "rejected" or "failed"."""
        row: dict = {}
        if answer.usage.total:
            row["usage"] = [answer.usage.read, answer.usage.written]
        if state == "accepted":
            row["turns"] = [asdict(turn) for turn in answer.turns]
        else:
            row["reason"] = answer.rejected
            said = answer.raw or "\n".join(f"{t.question}\n{t.answer}" for t in answer.turns)
            row |= {"raw": said} if said else {}
        self._note(key, state, row)

    def _note(self, key: Key, state: str, rest: dict, sure: bool = False) -> None:
        row = {"id": key[0], "type": key[1], "state": state, **rest}
        with self._lock:
            self._append(row, sure)
            self._take(row)

    def _append(self, row: dict, sure: bool = False) -> None:
        self._stream.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        self._stream.flush()
        if sure:
            os.fsync(self._stream.fileno())
