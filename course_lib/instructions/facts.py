"""Pieces of knowledge that no picture states, and those that no instruction may contain.

A model whose instructions never said that 8 is even, and which answers so about a picture of an 8,
has it from its language model. So some facts are held out of every instruction, as HELD_OUT names
them, and a test of the language model's own share asks for these alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from course_lib.world.language import NUMBER_WORDS
from course_lib.world.questions import SIDES

# Committed: changing it makes every trained LLaVA of the zoo incomparable with its card.
HELD_OUT = frozenset(
    {
        "parity of 3",
        "parity of 8",
        "sides of square",
        "larger of 0 and 5",
        "larger of 1 and 6",
        "larger of 2 and 7",
        "larger of 3 and 8",
        "larger of 4 and 9",
    }
)


def parity_of(digit: str) -> str:
    """Returns the name of the fact that a digit is odd or even."""
    return f"parity of {digit}"


def sides_of(shape: str) -> str:
    """Returns the name of the fact how many sides a shape has."""
    return f"sides of {shape}"


def larger_of(one: str, other: str) -> str:
    """Returns the name of the fact which of two digits is larger, the smaller digit first."""
    low, high = sorted((one, other), key=int)
    return f"larger of {low} and {high}"


def any_held_out(facts: Iterable[str]) -> bool:
    """Says whether one of these facts is held out."""
    return not HELD_OUT.isdisjoint(facts)


def _numbers(words: set[str]) -> set[str]:
    """Returns the digits among words, as numerals; "eight" counts as 8."""
    spelt = {word: str(i) for i, word in enumerate(NUMBER_WORDS[:10])}
    return {spelt.get(word, word) for word in words if word in spelt or re.fullmatch(r"\d", word)}


def held_out_in_text(text: str) -> list[str]:
    """Names the held-out facts that a text touches, whoever wrote it.

    It reads words, not meaning, and rather finds too much: a number beside "odd", a pair of numbers
    beside "larger", a shape beside "sides".
    """
    words = set(re.findall(r"[a-z]+|\d+", text.lower()))
    numbers = _numbers(words)
    touched = set()
    if words & {"odd", "even"}:
        touched |= {parity_of(number) for number in numbers}
    if words & {"larger", "largest", "smaller", "smallest", "bigger", "biggest", "greater"}:
        touched |= {larger_of(a, b) for a in numbers for b in numbers if a < b}
    if words & {"side", "sides"}:
        touched |= {sides_of(shape) for shape in SIDES if words & {shape, f"{shape}s"}}
    return sorted(touched & HELD_OUT)
