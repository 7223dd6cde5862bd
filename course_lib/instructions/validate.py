"""What an answer must not be, whoever wrote it; a fault is told in words and kept with the answer.

LLaVA's teacher is asked to speak as if it saw the image (arXiv 2304.08485, section 3), so an answer
that mentions captions, boxes or coordinates has given itself away and would teach nonsense.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from course_lib.instructions.facts import held_out_in_text
from course_lib.instructions.symbols import Example
from course_lib.instructions.teacher import Answer, Turn
from course_lib.instructions.toy_reading import read_scene
from course_lib.world.vocabulary import words

IMAGE = "<image>"
ROLES = ("human", "gpt")

_ALWAYS = re.compile(r"\b(captions?|captioned|bounding|coordinates?)\b", re.IGNORECASE)
_BOX = re.compile(r"\bbox(es)?\b", re.IGNORECASE)
_NUMBERS = re.compile(
    r"(?<![\d.])0?\.\d+\b|\b1\.000\b|[\[(]\s*\d+(\.\d+)?(\s*,\s*\d+(\.\d+)?)+\s*[\])]|\b[xy][12]\b"
)
_WORDS = re.compile(r"[a-z0-9]+(?:[-'][a-z0-9]+)*|[^\sa-z0-9]")


def text_fault(text: str, example: Example | None = None) -> str:
    """Says what speaks against a question or an answer, "" where nothing does.

    Args:
        text: what was written.
        example: what it was written about; where its own captions speak of a box (a cat in a box),
            the answer may, too.
    """
    if not text.strip():
        return "is empty"
    if IMAGE in text:
        return f"contains {IMAGE}, which is the image's place"
    found = _ALWAYS.search(text)
    seen = example is not None and any(_BOX.search(caption) for caption in example.captions)
    if found is None and not seen:
        found = _BOX.search(text)
    if found is not None:
        return f"mentions {found.group(0).lower()!r}"
    leaked = _NUMBERS.search(text)
    return f"leaks a coordinate: {leaked.group(0)!r}" if leaked is not None else ""


@cache
def _known_words() -> frozenset[str]:
    return frozenset(words())


def unknown_words(text: str) -> list[str]:
    """Returns the words of a text that the toy tokenizers do not know."""
    return [word for word in _WORDS.findall(text.lower()) if word not in _known_words()]


def _toy_fault(turn: Turn) -> str:
    """Says what makes a turn unfit for the toy world: foreign words, facts that are held out."""
    foreign = unknown_words(f"{turn.question} {turn.answer}")
    if foreign:
        return f"uses words that the toy tokenizers lack: {', '.join(dict.fromkeys(foreign))}"
    held = held_out_in_text(f"{turn.question} {turn.answer}")
    return f"touches a held-out fact: {held[0]}" if held else ""


def alternation_fault(said: Sequence[tuple[str, str]]) -> str:
    """Says where turns do not go human, gpt, human, gpt, …, "" where they do."""
    if not said:
        return "holds no turn"
    for index, (role, _) in enumerate(said):
        if role not in ROLES:
            return f"turn {index + 1} has the unknown role {role!r}"
        if role != ROLES[index % 2]:
            return f"turn {index + 1} is by {role}, where {ROLES[index % 2]} should speak"
    return "ends with a question" if len(said) % 2 else ""


def answer_fault(answer: Answer, example: Example, type: str) -> str:
    """Says why an answer cannot be used, "" where it can; what the teacher rejected stays so."""
    if answer.rejected:
        return answer.rejected
    if not answer.turns:
        return "holds no turn"
    if type != "conversation" and len(answer.turns) != 1:
        return f"has {len(answer.turns)} turns, where {type} has one"
    toy = read_scene(example) is not None
    for number, turn in enumerate(answer.turns, start=1):
        for name, text in (("question", turn.question), ("answer", turn.answer)):
            fault = text_fault(text, example)
            if fault:
                return f"{name} {number} {fault}"
        fault = _toy_fault(turn) if toy else ""
        if fault:
            return f"turn {number} {fault}"
    return ""


def record_fault(record: object) -> str:
    """Says what is wrong with one record of LLaVA's JSON, "" where nothing is.

    `id` is text; `image` is a file name (a record without it is text alone); `conversations`
    alternates from human to gpt; `<image>` stands once, at the start or the end of the first human
    turn.
    """
    if not isinstance(record, dict) or not isinstance(record.get("id"), str):
        return "has no id"
    turns = record.get("conversations")
    pairs = isinstance(turns, list) and all(
        isinstance(turn, dict) and isinstance(turn.get("value"), str) for turn in turns
    )
    if not pairs:
        return "has no list of conversations with a value each"
    fault = alternation_fault([(str(turn.get("from")), turn["value"]) for turn in turns])
    if fault:
        return fault
    wanted = int("image" in record)
    values = [turn["value"] for turn in turns]
    found = sum(value.count(IMAGE) for value in values)
    if found != wanted:
        return f"has {found} {IMAGE} for {wanted} images"
    first = values[0].strip()
    if wanted and not (first.startswith(f"{IMAGE}\n") or first.endswith(f"\n{IMAGE}")):
        return f"has {IMAGE} neither first nor last in the first human turn"
    empty = next((i for i, value in enumerate(values) if not value.replace(IMAGE, "").strip()), -1)
    return f"turn {empty + 1} is empty" if empty >= 0 else ""
