"""Names of objects in sentences: articles, plurals, numbers. Rules and a short list of exceptions.

Limits: a name that is a plural without being listed here, or an irregular plural that is not,
comes out wrong ("a pants", "oxs").
"""

from __future__ import annotations

from course_lib.world.language import NUMBER_WORDS, join

_IRREGULAR = {
    "person": "people",
    "man": "men",
    "woman": "women",
    "child": "children",
    "foot": "feet",
    "tooth": "teeth",
    "mouse": "mice",
    "goose": "geese",
    "sheep": "sheep",
    "fish": "fish",
    "deer": "deer",
    "aircraft": "aircraft",
    "broccoli": "broccoli",
    "knife": "knives",
    "leaf": "leaves",
    "shelf": "shelves",
    "loaf": "loaves",
    "wolf": "wolves",
}
_ALWAYS_PLURAL = {"scissors": "pair", "skis": "pair", "trousers": "pair", "glasses": "pair"}
_CONSONANT_SOUND = ("uni", "use", "eu", "one")


def an(name: str) -> str:
    """Returns the name with "a" or "an", or "a pair of" before what has no singular."""
    if name in _ALWAYS_PLURAL:
        return f"a {_ALWAYS_PLURAL[name]} of {name}"
    vowel = name[:1].lower() in "aeiou" and not name.lower().startswith(_CONSONANT_SOUND)
    return f"{'an' if vowel else 'a'} {name}"


def plural(name: str) -> str:
    """Returns the plural of a name of one or more words; the last word changes."""
    if name in _ALWAYS_PLURAL:
        return f"{_ALWAYS_PLURAL[name]}s of {name}"
    rest, _, word = name.rpartition(" ")
    if word in _IRREGULAR:
        changed = _IRREGULAR[word]
    elif word.endswith(("s", "x", "z", "ch", "sh")):
        changed = word + "es"
    elif word.endswith("y") and word[-2:-1] not in "aeiou":
        changed = word[:-1] + "ies"
    else:
        changed = word + "s"
    return f"{rest} {changed}".strip()


def number(count: int) -> str:
    """Returns a number as a word up to ten, as digits above."""
    return NUMBER_WORDS[count] if count <= 10 else str(count)


def counted(count: int, name: str) -> str:
    """Returns "one dog" or "three dogs"."""
    if count == 1:
        return an(name) if name in _ALWAYS_PLURAL else f"one {name}"
    return f"{number(count)} {plural(name)}"


def are(count: int) -> str:
    """Returns the verb that agrees with a count."""
    return "is" if count == 1 else "are"


def capitalised(text: str) -> str:
    """Returns the text with a large first letter, the others as they are."""
    return text[:1].upper() + text[1:]


def sentence(text: str) -> str:
    """Returns a text as one sentence: a large first letter, one full stop at its end."""
    return capitalised(" ".join(text.split()).rstrip(" .,;:")) + "."


__all__ = ["an", "are", "capitalised", "counted", "join", "number", "plural", "sentence"]
