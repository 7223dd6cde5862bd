"""Noun phrases of a caption by a few rules, without a model that would have to be downloaded.

LLaVA takes them from spaCy (arXiv 2304.08485, appendix E). Here a phrase is a run of words between
words of closed classes (articles, prepositions, pronouns, auxiliaries) and verbs, and a verb is
known by a list or by its ending. Limits, all of English and none checked against a treebank:
- a participle after a noun ends the phrase ("man | riding horses"), right before a noun at the
  start of a phrase it stays ("smiling man"); so "a wooden dining table" falls apart;
- a verb that is not listed and ends in neither -ing nor -ed is taken for a noun ("dog | digs");
- compounds with "of" are two phrases ("cup", "tea"), as they are in spaCy's chunks.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_TOKEN = re.compile(r"[a-z0-9]+(?:[-'][a-z0-9]+)*|[^\sa-z0-9]")


@cache
def _lists() -> tuple[frozenset[str], ...]:
    """Returns words of closed classes, verbs, words that only look like verbs, numbers."""
    text = (Path(__file__).parent / "phrase_words.txt").read_text(encoding="utf-8")
    parts = re.split(r"^## .*$", text, flags=re.MULTILINE)[1:]
    return tuple(frozenset(part.split()) for part in parts)


def _ends_like_a_verb(word: str) -> bool:
    long = len(word) > 4 and word.endswith(("ing", "ed"))
    return long and word not in _lists()[2]


def _is_noun_like(word: str) -> bool:
    open_class = word not in _lists()[0] and word not in _lists()[1]
    return open_class and word[0].isalnum() and not _ends_like_a_verb(word)


def noun_phrases(caption: str) -> list[str]:
    """Returns the noun phrases of a caption in their order.

    Args:
        caption: English, in any case.

    Returns:
        Phrases in lower case, without articles and without numbers in front; one may come twice.
    """
    words = _TOKEN.findall(caption.lower())
    phrases: list[list[str]] = [[]]
    for index, word in enumerate(words):
        following = words[index + 1] if index + 1 < len(words) else "."
        adjective = _ends_like_a_verb(word) and not phrases[-1] and _is_noun_like(following)
        if _is_noun_like(word) or adjective:
            phrases[-1].append(word)
        else:
            phrases.append([])
    found = []
    for phrase in phrases:
        while phrase and (phrase[0] in _lists()[3] or phrase[0].isdigit()):
            phrase = phrase[1:]
        if phrase:
            found.append(" ".join(phrase))
    return found
