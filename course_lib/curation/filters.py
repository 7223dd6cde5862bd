"""Hard filters: what a repaired description must not be, whoever repaired it.

MiniGPT-4, arXiv 2304.10592, section 3.2, filters with hard rules before people look: its teacher
often apologised, or explained itself, instead of answering. Ours also refuses what is a failure by
`evaluation.failures`, what would end the conversation that it is to stand in, and, in the toy world
where every word is known, a description that says more than it was made of.
"""

from __future__ import annotations

import re
from collections import Counter

from course_lib.evaluation.failures import TOY, Rules, find_failure
from course_lib.evaluation.scene_grammar import TOKEN
from course_lib.instructions.validate import unknown_words
from course_lib.world.scene import COLOURS, KINDS, PLACES, SIZES

_EXCUSE = re.compile(
    r"\b(?:sorry|apolog(?:y|ies|i[sz]e\w*)|(?:i|we) (?:cannot|can't|am unable|are unable)|unable to"
    r"|as an ai|language model|(?:corrected|revised|rewritten|fixed) (?:version|text|description)"
    r"|no errors?)\b",
    re.IGNORECASE,
)
_MARKS = re.compile(r"###|</?img>|<image(?:here)?>|\b(?:human|assistant|user)\s*:", re.IGNORECASE)
_STATES = {*SIZES, *COLOURS, *KINDS, *PLACES}


def marks_fault(text: str) -> str:
    """Says which mark of a conversation a text holds, "" for none; empty texts are a fault, too."""
    if not text.strip():
        return "is empty"
    mark = _MARKS.search(text)
    return f"holds {mark.group(0)!r}, which belongs to the conversation around it" if mark else ""


def caption_fault(caption: str, described: str, rules: Rules = TOY) -> str:
    """Says why a repaired description cannot go to people, "" where it can.

    Args:
        caption: what the teacher made.
        described: what it was made of.
        rules: `TOY`, or `PHOTOGRAPHS` for any other world.

    Returns:
        The first reason that applies, in words that make sense behind "the caption".
    """
    fault = marks_fault(caption)
    if fault:
        return fault
    excuse = _EXCUSE.search(caption)
    if excuse:
        return f"speaks of itself: {excuse.group(0).lower()!r}"
    failure = find_failure(caption, rules=rules)
    if failure is not None:
        return f"fails as language ({failure.kind}: {failure.reason})"
    return "" if rules.about is None else _toy_fault(caption, described)


def _toy_fault(caption: str, described: str) -> str:
    foreign = unknown_words(caption)
    if foreign:
        return f"has words that the toy world lacks: {', '.join(dict.fromkeys(foreign))}"
    more = _stated(caption) - _stated(described)
    if more:
        return f"says more than it was made of: {', '.join(more)}"
    return ""


def _stated(text: str) -> Counter[str]:
    """Counts the words that state something about a picture: sizes, colours, kinds, places."""
    return Counter(word for word in TOKEN.findall(text.lower()) if word in _STATES)
