"""Repairs a toy description with nothing but its own words and grammar; it never sees the scene.

That is what MiniGPT-4's ChatGPT could do (arXiv 2304.10592, section 3.2, step 2): mend errors, take
out repetition, foreign signs and words that mean nothing, complete sentences. So what is wrong in a
description stays wrong, what it leaves out stays out, and no count or place is worked out that it
does not state. Rules, sentence by sentence:

- everything behind a role or "###" belongs to another turn and goes;
- words and signs that the toy world does not have go; a loop is said once;
- a sentence that does not speak of the picture goes, and so does one that was said before;
- a whole sentence with a verb stays as it is; a caption, or what is left of a broken sentence, is
  said thing by thing: "there is a …", "a … is at …". A thing without its noun is "a … thing";
- a thing in the same words as one before is not said again: nothing tells two alike from one that
  is said twice. Neither is a broken rest that names less than was named before;
- a size, a colour or a place alone is no thing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from course_lib.evaluation.failures import runs
from course_lib.evaluation.scene_grammar import (
    TOKEN,
    broken_phrase,
    has_verb,
    is_denial,
    speaks_of_picture,
)
from course_lib.instructions.validate import unknown_words
from course_lib.world.language import article
from course_lib.world.scene import COLOURS, KINDS, PLACES, SIZES

Named = dict[str, str]
_WORDS = {"size": SIZES, "colour": COLOURS, "kind": KINDS, "place": PLACES}
_FIELD_OF = {word: field for field, words in _WORDS.items() for word in words}
_OTHER_TURN = re.compile(r"###|\b(?:human|user|assistant|question|answer)\s*:", re.IGNORECASE)
_SENTENCE = re.compile(r"[^.!?]+[.!?]?")
_PHRASE = re.compile(r"\s*(?:\band\b|[,;:])\s*")
_SIGNS = set(".,:;?!'-")


def repair(text: str) -> str:
    """Returns a description in whole sentences, "" where nothing in it speaks of a picture.

    Args:
        text: what a stage-1 model wrote.
    """
    known: list[Named] = []
    said: list[str] = []
    before = True
    for sentence in _SENTENCE.findall(_plain(_OTHER_TURN.split(text)[0])):
        about = speaks_of_picture(sentence, before)
        before = before if about is None else about
        if about:
            said += [told for told in _told(sentence.strip(), known) if told not in said]
    return " ".join(said)


def _plain(text: str) -> str:
    """Returns the text in small letters without foreign words and signs, every loop said once."""
    foreign = set(unknown_words(text))
    tokens = [t for t in TOKEN.findall(text.lower()) if t not in foreign]
    tokens = [t for t in tokens if t[0].isalnum() or t in _SIGNS]
    size = 1
    while size <= len(tokens) // 2:
        times, start = next(runs(tokens, size), (0, 0))
        if times:
            del tokens[start + size : start + times * size]
            size = 1
        else:
            size += 1
    return re.sub(r" (?=[.,:;?!'])", "", " ".join(tokens))


def _told(sentence: str, known: list[Named]) -> list[str]:
    """Returns what a sentence becomes; what it names joins `known`."""
    broken = broken_phrase(sentence)
    if is_denial(sentence):
        return [] if broken else [_closed(sentence)]
    phrases = [phrase for phrase in _PHRASE.split(sentence.rstrip(" .!?,:;")) if phrase]
    things = [thing for phrase in phrases for thing in _things(phrase)]
    whole = not broken and has_verb(sentence) and len(set(phrases)) == len(phrases)
    if whole and not any(_is_thing(thing) and thing in known for thing in things):
        known += things
        return [_closed(sentence)]
    told = []
    breaks_off = broken or sentence[-1] not in ".!?"
    for thing in filter(_is_thing, things):
        less = breaks_off and any(thing.items() <= old.items() for old in known)
        if not less and thing not in known:
            known.append(thing)
            told.append(_sentence(thing))
    return told


def _things(phrase: str) -> Iterator[Named]:
    """Reads the things of a phrase; an attribute that is there already begins another one."""
    thing: Named = {}
    for word in TOKEN.findall(phrase):
        field = _FIELD_OF.get(word, "")
        if field in thing:
            yield thing
            thing = {}
        if field:
            thing[field] = word
    if thing:
        yield thing


def _is_thing(thing: Named) -> bool:
    return "kind" in thing or len(thing) >= 2


def _closed(sentence: str) -> str:
    """Returns a sentence with one mark at its end."""
    bare = sentence.rstrip(" ,:;")
    return bare if bare[-1] in ".!?" else f"{bare}."


def _sentence(thing: Named) -> str:
    """Returns a thing as a sentence that states what is known of it and nothing more."""
    words = [thing[field] for field in ("size", "colour") if field in thing]
    noun = article(" ".join([*words, thing.get("kind", "thing")]))
    return f"{noun} is at {thing['place']}." if "place" in thing else f"there is {noun}."
