"""Before anything begins: what comes, how much, under which licence, and a question."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from course_lib.downloads.inside import inside
from course_lib.downloads.marker import seems_finished
from course_lib.downloads.remote import Card, Remote

_LISTED = 8  # files that are named one by one


class Declined(ValueError):
    """The answer was no, or there was nobody to answer."""


def human(count: int) -> str:
    """Writes a number of bytes the way a person says it."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


def size_of(remote: Remote) -> str:
    """Writes the size of a file, and how well it is known."""
    if remote.size is not None:
        return human(remote.size)
    return f"about {human(remote.about)}" if remote.about else "size not confirmed"


def statement(card: Card, remotes: Sequence[Remote], folder: Path, limit: int | None) -> str:
    """Writes what a person should know before saying yes.

    Args:
        card: of the data set.
        remotes: the files that are wanted this time.
        folder: the data folder.
        limit: of rows, None for all.
    """
    lines = [card.title, f"  described at  {card.page}", f"  licence       {card.licence}"]
    for remote in remotes[:_LISTED]:
        verified = "checksum published" if remote.published else "checksum kept from the first time"
        here = ", here already" if seems_finished(inside(folder, remote.path), remote) else ""
        lines.append(f"  file          {remote.path}: {size_of(remote)}, {verified}{here}")
    if len(remotes) > _LISTED:
        lines.append(f"  file          and {len(remotes) - _LISTED} more")
    lines.append(f"  files         {_together(remotes)}")
    if card.pictures:
        lines.append(f"  pictures      {card.pictures}")
    lines += [f"  note          {note}" for note in card.notes]
    lines.append(f"  rows          {'all' if limit is None else f'the first {limit:,}'}")
    lines.append(f"  into          {folder}")
    return "\n".join(lines)


def _together(remotes: Sequence[Remote]) -> str:
    sizes = [remote.bytes for remote in remotes if remote.bytes]
    told = [f"{len(sizes)} of together {human(sum(sizes))}"] if sizes else []
    if len(sizes) < len(remotes):
        told.append(f"{len(remotes) - len(sizes)} whose size could not be confirmed")
    return " and ".join(told) or "none"


def ask(text: str, yes: bool) -> None:
    """Prints a statement and waits for an answer.

    Args:
        text: see `statement`.
        yes: the answer, given beforehand.

    Raises:
        Declined: for every answer but y or yes, and where nobody can be asked.
    """
    print(text, flush=True)
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise Declined(
            "Nobody can be asked here, and nothing was fetched: say --yes if it is fine."
        )
    answer = input("Is that fine? [y/N] ").strip().lower()
    if answer not in ("y", "yes"):
        raise Declined("Nothing was fetched.")
