"""Answers before they are compared, as VQA's official evaluation writes them.

GT-Vision-Lab/VQA, PythonEvaluationTools/vqaEvaluation/vqaEval.py at c4e6a0e4, of which LAVIS has a
copy. Its quirks are kept, since the papers' numbers hold them:

- A punctuation mark is taken out where it stands beside a space anywhere in the answer, or where
  the answer has a comma between digits; else it becomes a space: "red/blue" is "red blue".
- The pattern for full stops is meant to spare those behind a digit and does not, and the flag that
  it is called with is read as a count: the first 32 full stops go that no digit follows.
- "none" is "0". "somebody'd" loses its apostrophe, all other contractions get theirs.
- Contractions that the list has with a capital ("Im", "Ive", "Id've") never match, since words are
  lower case by then: they are not here.
"""

from __future__ import annotations

import re

_MARKS = ';/[]"{}()=+\\_-><@`,?!'
_COMMA = re.compile(r"\d,\d")
_STOP = re.compile(r"\.(?!\d)")
_MOST_STOPS = 32
_NUMBERS = ("none", "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_DIGITS = {word: str(max(0, place - 1)) for place, word in enumerate((*_NUMBERS, "ten"))}
_ARTICLES = {"a", "an", "the"}
_CONTRACTIONS = """
ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't he'd he's how'd
how'll how's isn't it'd it'll ma'am mightn't might've mustn't must've needn't not've o'clock
oughtn't shan't should've shouldn't somebody'll somebody's someone'd someone'll someone's
something'd something'll that's there'd there're there's they'd they'll they're they've 'twas
wasn't we've weren't what'll what're what's what've when's where'd where's where've who'd who'll
who's who've why'll why're why's won't would've wouldn't y'all you'd you'll you're you've
couldn't've hadn't've he'd've it'd've mightn't've 'ow's'at she'd've shouldn't've somebody'd've
someone'd've something'd've there'd've they'd've we'd've who'd've wouldn't've y'all'll y'all'd've
you'd've
"""


def _missing_one(word: str) -> list[str]:
    """Returns the spellings of a word that lack one of its apostrophes."""
    return [word[:i] + word[i + 1 :] for i, sign in enumerate(word) if sign == "'"]


# The official list is exactly this: each word without one of its apostrophes, and one slip.
CONTRACTIONS = {short: word for word in _CONTRACTIONS.split() for short in _missing_one(word)}
CONTRACTIONS["somebody'd"] = "somebodyd"


def without_punctuation(answer: str) -> str:
    """Takes punctuation out: all that the official evaluation does to people's answers."""
    everywhere = _COMMA.search(answer) is not None
    found = answer
    for mark in _MARKS:
        beside_space = f"{mark} " in answer or f" {mark}" in answer
        found = found.replace(mark, "" if beside_space or everywhere else " ")
    return _STOP.sub("", found, count=_MOST_STOPS)


def with_digits(answer: str) -> str:
    """Makes words lower case, numbers up to ten digits, articles nothing, contractions whole."""
    words = [_DIGITS.get(word, word) for word in answer.lower().split()]
    return " ".join(CONTRACTIONS.get(word, word) for word in words if word not in _ARTICLES)


def normalised(answer: str) -> str:
    """Returns a model's answer as it is compared."""
    return with_digits(without_punctuation(answer.replace("\n", " ").replace("\t", " ").strip()))
