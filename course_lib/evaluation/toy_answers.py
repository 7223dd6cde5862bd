"""Whether an answer in a sentence is right: its words are read by rule, so nobody has to judge.

A model that was taught by instructions answers "the thing at top-left is red." and no longer "red",
so a comparison of texts (`vqa.is_right`) no longer helps, and a search for the key inside the text
helps too little: "none" holds "one", "number" holds "no", "it is not red" holds "red", and "red or
blue" holds everything. Here an answer is right when what it *claims* is the key and nothing else.

What is read: whole words, in clauses. What claims nothing: a question ("odd or even?"), and a value
that is denied ("not red", "isn't red", "neither red nor blue", "blue instead of red"). A number in
words is as good as a numeral. What is not read: whether the reasons are true. "The number is 3, and
3 is odd" is right about a 7, as in `world.questions` one word decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from course_lib.errors import unknown_name_error
from course_lib.evaluation.captions import things_right
from course_lib.instructions.teacher import Turn
from course_lib.world.language import NUMBER_WORDS
from course_lib.world.scene import COLOURS, DIGITS, KINDS, PLACES, SIZES, Scene

Clauses = list[list[str]]
Names = dict[str, str]

_NUMBERS: Names = {
    **{word: str(number) for number, word in enumerate(NUMBER_WORDS)},
    **{str(number): str(number) for number in range(len(NUMBER_WORDS))},
}
_DIGIT_WORDS: Names = {word: str(number) for number, word in enumerate(NUMBER_WORDS[:10])}
_SIDES = {"side", "sides", "sided"}
_THINGS = {"thing", "things", "object", "objects"}
_LARGER = {"largest", "larger", "biggest", "bigger", "greatest", "greater", "highest", "higher"}
_SMALLER = {"smallest", "smaller", "least", "less", "lowest", "lower"}
_NO = {"no", "none", "nothing"}

_DENY = {"not", "no", "never", "neither", "nor", "without", "cannot", "non"}
_DENY_OTHERS = _DENY | {"than", "unlike", "instead"}
# A denial reaches through these words to the value that it denies: "not | at the small | circle".
_THROUGH = {
    *("a", "an", "the", "at", "in", "of", "and", "or", "either", "any", "number", "digit"),
    *("shape", "colour", "color", "size", "place", "corner"),
    *(*COLOURS, *KINDS, *SIZES, *PLACES, *_THINGS),
}
_PLACE = re.compile(r"\b(top|bottom)\s+(left|right)\b")
_SENTENCE = re.compile(r"[^.!?]*(?:\.(?=\d)[^.!?]*)*[.!?]?")
_CLAUSE_END = re.compile(r"[,;:()\n]|(?=\bbut\b)")
_WORD = re.compile(r"[a-z]+(?:-[a-z]+)?(?:'[a-z]+)?|\d+(?:\.\d+)?")
_EXISTS = re.compile(r"\bthere (?:is|are)(n't| not| no)?\b|\bthere's( no| not)?\b")
_SEES = re.compile(r"\b(?:is|are|has|have|shows?|contains?|sees?)\b")


def _said(text: str) -> str:
    """Returns a text in small letters without its questions, places as one word."""
    text = text.lower().replace("’", "'").replace("-", " ")
    text = _PLACE.sub(r"\1-\2", text)
    return "".join(part for part in _SENTENCE.findall(text) if not part.endswith("?"))


def _clauses(said: str) -> Clauses:
    parts = [part for sentence in _SENTENCE.findall(said) for part in _CLAUSE_END.split(sentence)]
    return [words for part in parts if (words := _WORD.findall(part))]


def _is_denial(word: str, denials: set[str]) -> bool:
    return word in denials or word.endswith("n't")


def _read(clauses: Clauses, names: Names, denials: set[str] = _DENY_OTHERS) -> tuple[set, set]:
    """Returns (values that are claimed, values that are denied)."""
    claimed: set[str] = set()
    denied: set[str] = set()
    for clause in clauses:
        denying = False
        for word in clause:
            if word in names:
                (denied if denying else claimed).add(names[word])
            elif _is_denial(word, denials):
                denying = True
            elif word not in _THROUGH:
                denying = False
    return claimed, denied


def _itself(names: Iterable[str]) -> Names:
    return {name: name for name in names}


def _one_of(names: Iterable[str]) -> Callable[[str], set[str]]:
    """Returns a reader of words that mean only one thing: colours, sizes, places, odd and even."""
    known = _itself(names)
    return lambda said: _read(_clauses(said), known)[0]


def _numerals_first(clauses: Clauses, names: Names, denials: set[str] = _DENY_OTHERS) -> set[str]:
    """Reads words that are numbers where no other value is claimed: "the one here is a circle"."""
    return _read(clauses, names, denials)[0] or _read(clauses, _DIGIT_WORDS, denials)[0]


def _kind(said: str) -> set[str]:
    return _numerals_first(_clauses(said), _itself(KINDS))


def _counted(said: str, nouns: set[str]) -> set[str]:
    """Reads a count: the numbers in front of a noun, or all numbers where none stands there."""
    clauses = _clauses(said)

    def counts(clause: list[str], index: int) -> bool:
        for word in clause[index + 1 :]:
            if word in nouns:
                return True
            if word in _NUMBERS or word not in _THROUGH:
                return False
        return False

    near = [
        [w if w not in _NUMBERS or counts(clause, i) else "…" for i, w in enumerate(clause)]
        for clause in clauses
    ]
    return _read(near, _NUMBERS)[0] or _read(clauses, _NUMBERS)[0]


def _sides(said: str) -> set[str]:
    said = re.sub(r"\bno (?=sides?\b)", "zero ", said)
    return _counted(re.sub(r"\bnone\b", "zero", said), _SIDES)


def _largest(said: str) -> set[str]:
    """Reads which number is called the largest, else which numbers are given without comparing."""
    number = rf"(?:{'|'.join((*DIGITS, *_DIGIT_WORDS))})"
    in_a_list = re.compile(rf"\b{number}(?:, {number})+,? (?:and|or) {number}\b")
    said = in_a_list.sub(lambda found: found.group().replace(",", " and"), said)
    largest, others = [], []
    for clause in _clauses(said):
        at = next((i for i, word in enumerate(clause) if word in _LARGER), None)
        if at is None and _SMALLER.isdisjoint(clause):
            others.append(clause)
        elif at is not None and not any(_is_denial(word, _DENY) for word in clause[:at]):
            largest.append(clause)
    # "9 is larger than 3, and 3 than 2": 3 is beaten; "the largest of 3 and 9" only lists.
    beaten = _read(largest, _itself(DIGITS), {"than"})[1]
    lists = _DENY_OTHERS | {"of", "between", "among"}
    numerals = _numerals_first(largest, _itself(DIGITS), lists) - beaten
    return numerals or _numerals_first(others, _itself(DIGITS))


def _is_there(said: str) -> set[str]:
    """Reads "yes", "no", "there is …", "there is no …"; behind "but" stands another thing."""
    claims: set[str] = set()
    clauses = [clause for clause in _clauses(said) if clause[0] != "but"]
    for clause in clauses:
        if clause[0] == "yes":
            claims.add("yes")
        elif clause[0] in _NO:
            claims.add("no")
        exists = _EXISTS.search(" ".join(clause))
        if exists:
            claims.add("no" if any(exists.groups()) else "yes")
    if claims or not clauses:
        return claims
    if any(word in _NO or _is_denial(word, _DENY) for clause in clauses for word in clause):
        return {"no"}
    return {"yes"} if _SEES.search(said) else set()


_READERS: dict[str, tuple[Callable[[str], set[str]], Names]] = {
    "colour": (_one_of(COLOURS), _itself(COLOURS)),
    "kind": (_kind, _itself(KINDS)),
    "size": (_one_of(SIZES), _itself(SIZES)),
    "where": (_one_of(PLACES), _itself(PLACES)),
    "is_there": (_is_there, _itself(("yes", "no"))),
    "how_many": (lambda said: _counted(said, _THINGS), _NUMBERS),
    "parity": (_one_of(("odd", "even")), _itself(("odd", "even"))),
    "sides": (_sides, _NUMBERS),
    "larger": (_largest, _itself(DIGITS)),
}


def claims(kind: str, answer: str) -> set[str]:
    """Returns what an answer claims to be the case, as values of a kind of question.

    Raises:
        ValueError: for an unknown kind.
    """
    if kind not in _READERS:
        raise unknown_name_error("kind of question", kind, _READERS)
    return _READERS[kind][0](_said(answer))


def score_answer(turn_or_key: Turn | str, kind: str, answer: str) -> bool:
    """Tells whether an answer is right: it claims the key, and no other value of its kind.

    Args:
        turn_or_key: the key ("red", "two", "yes", …), or the turn that holds it.
        kind: type of question, one of `world.questions.QUESTION_TYPES`; "" takes the turn's own.
        answer: what was said, a word or sentences.

    Returns:
        True when `claims(kind, answer)` is the key and nothing else. By kind:
        colour, size, where, parity: the word itself, once or more; "top left" is "top-left".
        kind: a shape or a number; words such as "one" count where nothing else is claimed.
        how_many, sides: the numbers in front of "things", "sides"; all numbers where none stands
        there; "no sides" is zero sides.
        is_there: "yes" or "there is …" against "no" or "there is no …", both at once is wrong.
        larger: what is called largest; where nothing is, the one number that is given.

    Raises:
        ValueError: for an unknown kind, or a key that no answer of the kind can be.
    """
    if isinstance(turn_or_key, Turn):
        key, kind = turn_or_key.key, kind or turn_or_key.kind
    else:
        key = turn_or_key
    found = claims(kind, answer)
    values = _READERS[kind][1]
    if key not in values:
        raise ValueError(f"{key!r} answers no question of type {kind!r}: give its one right word.")
    return found == {values[key]}


def detail_score(answer: str, scene: Scene) -> float:
    """Scores a description: things named wholly right ÷ max(things there, things named).

    As `captions.things_right`, only that a phrase with "no" or "not" in it names nothing.
    """
    parts = re.split(r"(\band\b|[,.;:])", answer.lower().replace("’", "'"))
    told = [p for p in parts if not any(_is_denial(w, _DENY) for w in _WORD.findall(p))]
    right, of = things_right(" ".join(told), scene)
    return right / of
