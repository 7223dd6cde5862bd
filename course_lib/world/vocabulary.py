"""The one committed word list, and 64 reserved words that mean nothing.

The reserved words are for few-shot binding: an episode gives one of them a meaning, and no
training text ever does.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

NUM_SYMBOLS = 64
_ONSETS = ("bl", "d", "f", "gr", "k", "pl", "sn", "z")
_RHYMES = ("ax", "eep", "ick", "omp", "ug", "ilo", "aff", "ert")


@cache
def words() -> tuple[str, ...]:
    """Returns every word of `words.txt`, each once, in the order of the file."""
    text = (Path(__file__).parent / "words.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("# ")]
    return tuple(dict.fromkeys(" ".join(lines).split()))


def symbols() -> tuple[str, ...]:
    """Returns the 64 reserved words ("blax", "bleep", ...)."""
    return tuple(onset + rhyme for onset in _ONSETS for rhyme in _RHYMES)


def vocabulary() -> tuple[str, ...]:
    """Returns words and reserved words, each once."""
    return tuple(dict.fromkeys(words() + symbols()))
