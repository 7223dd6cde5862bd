"""The toy world's grammar, read by rule: broken phrases, and sentences that speak of a scene.

It knows the words of `world/words.txt` and nothing of any picture. What it cannot tell: whether a
whole and fitting sentence is true (`made_up` compares with a scene).
"""

from __future__ import annotations

import re

from course_lib.world.scene import COLOURS, DIGITS, KINDS, PLACES, SHAPES, SIZES

TOKEN = re.compile(r"[a-z]+(?:[-'][a-z]+)*|\d+|[^\w\s]")
_DENIES = re.compile(r"\b(?:no|not|nothing|none|without|neither|\w+n't)\b")
INTERJECTIONS = {"yes", "no", "okay", "hello", "hi", "thanks", "please", "sorry", "right"}

_A = {"a", "an"}
_ARTICLES = _A | {"the"}
_LOOKS = {*SIZES, *COLOURS, "black", "white", "grey", "brown", "pink", "tiny", "handwritten"}
_WANTS_NOUN = _LOOKS | {"only"}
_PREPOSITIONS = {
    *("at", "in", "on", "of", "to", "from", "for", "with", "without", "by", "into", "between"),
    *("over", "under", "below", "beside", "near", "because", "than", "as"),
}
_AND = {"and", "or"}
_VERBS = {"is", "are", "was", "were", "be", "has", "have", "shows", "show", "contains", "contain"}
_SEEN = {"see", "seen", "find", "look", "looks", "appears", "said", "say", "says"}
_NEVER_LAST = _ARTICLES | _PREPOSITIONS | _AND | {"is", "are", "shows", "contains", "but", "my"}
_NEVER_FIRST = _AND | {"of", "with", "than"}
# Words that speak of a picture and what is in it, and those that speak to its reader instead.
_PICTURE = {
    *("picture", "image", "scene", "drawing", "background", "thing", "things", "shape", "shapes"),
    *("number", "numbers", "digit", "digits", "place", "places", "corner", "corners", "empty"),
}
_ELSEWHERE = {
    *("click", "buy", "download", "page", "site", "shop", "share", "stock", "sorry", "cannot"),
    *("can't", "user", "human", "assistant"),
}
_GOES_ON = {"it", "they", "both", "this", "these", "one", "we", "i", "you", "there", "nothing"}
_FIELDS = (set(SIZES), set(COLOURS), set(KINDS), set(PLACES))
_GRAMMAR = _ARTICLES | _PREPOSITIONS | _AND | _VERBS | _LOOKS | _GOES_ON | {"not", "no"}


def _noun_missing(words: list[str], start: int) -> bool:
    """Tells whether the words behind an article end before a noun: "a small", "a red the", …."""
    index = start + 1
    while index < len(words) and words[index] in _WANTS_NOUN:
        index += 1
    described = index > start + 1
    word = words[index] if index < len(words) else "."
    if described and (word == "," or word in _AND):  # "a red, a green and a blue circle"
        rest = [w for w in words[index + 1 : index + 3] if w not in _ARTICLES | _AND]
        return not rest or rest[0] not in _LOOKS
    if word in PLACES:
        return described or words[start] in _A
    return not word[0].isalnum() or word in _ARTICLES | _PREPOSITIONS | _AND | _VERBS


def broken_phrase(sentence: str) -> str:
    """Says what is broken in a sentence, "" where nothing is."""
    words = TOKEN.findall(sentence.lower())
    bare = [word for word in words if word[0].isalnum()]
    if not bare or all(word in INTERJECTIONS for word in bare):
        return ""
    if len(bare) < 3:
        return f"{' '.join(bare)!r} is no sentence"
    if bare[-1] in _NEVER_LAST:
        return f"it ends with {bare[-1]!r}"
    for index, word in enumerate(words):
        if word in _ARTICLES and _noun_missing(words, index):
            return f"a noun is missing behind {' '.join(words[index : index + 2])!r}"
    return _broken_start(words, bare)


def _broken_start(words: list[str], bare: list[str]) -> str:
    first = bare[0]
    asks = words[-1] == "?"
    if first in _NEVER_FIRST or (first in {"is", "are"} and not asks):
        return f"it begins with {first!r}"
    rest = list(bare)
    while rest and rest[0] in _LOOKS:
        rest.pop(0)
    if rest and rest[0] in SHAPES:
        return f"no article stands before {rest[0]!r}"
    if rest and rest[0] in DIGITS and (rest != bare or rest[1:2] == ["at"]):
        return f"no article stands before {rest[0]!r}"
    return ""


def speaks_of_picture(sentence: str, before: bool | None = None) -> bool | None:
    """Tells whether a sentence describes something that a picture can show.

    Args:
        sentence: one of a text.
        before: what the sentence before it does; "it is red" goes on with that.

    Returns:
        True or False; None where it has too little in it to tell.
    """
    words = [word for word in TOKEN.findall(sentence.lower()) if word[0].isalnum()]
    known = set(words)
    if known & _ELSEWHERE:
        return False
    named = [bool(known & field) for field in _FIELDS]
    if named[3] or sum(named) >= 2 or known & _PICTURE:
        return True
    if named[2] and not known & (_VERBS | _SEEN):  # "a 7 and a star"
        return True
    if words and words[0] in _GOES_ON and sum(named):
        return before
    return None if not known - _GRAMMAR - INTERJECTIONS else False


def has_verb(sentence: str) -> bool:
    """Tells whether a sentence has a verb of the toy world, which captions lack."""
    return not (_VERBS | _SEEN).isdisjoint(TOKEN.findall(sentence.lower()))


def is_denial(sentence: str) -> bool:
    """Tells whether a sentence says that something is not there."""
    return _DENIES.search(sentence.lower()) is not None
