"""Captions as words, in the way of the Penn Treebank, without Java.

Official caption scores are computed behind the PTBTokenizer of Stanford CoreNLP 3.4.1, which
pycocoevalcap starts in Java. It splits "man's" into "man" and "'s" and "can't" into "ca" and "n't",
writes brackets as "-lrb-" and "-rrb-", and pycocoevalcap then drops most punctuation. One quirk
decides what is dropped: its list says "-LRB-" in capitals while the words are lower case, so
brackets stay and count as words. Here the rules that captions need are written as one pattern.

Measured against CoreNLP 3.4.1 (pycocoevalcap 1.2) on captions of our own, chosen to be difficult:
equal on all 158 of `tests/golden/ptb_captions.json` with which the pattern was written, on 58 of 61
that came afterwards, and on 99.5 % of 2,149 lines of Python's own documentation. The three: "8 1/2"
is one word there, "c." before a year keeps its full stop, "keyboard,close-up" is not split.
"""

from __future__ import annotations

import re

# What follows a full stop belongs to these; in captions there are few of them.
_ABBREVIATIONS = (
    "mr|mrs|ms|dr|st|jr|sr|prof|gen|col|capt|lt|sgt|rev|sen|rep|gov|hon|vs|etc|inc|ltd|corp|"
    "co|bros|ave|blvd|rd|mt|ft|dept|est|jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec|ph\\.d"
)
_BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
# "cannot" and its like are two words of the Treebank.
_JOINED = {
    word: f"{word[:cut]} {word[cut:]}"
    for word, cut in {
        "cannot": 3, "gonna": 3, "gotta": 3, "wanna": 3, "gimme": 3, "lemme": 3, "'tis": 2,
        "'twas": 2, "y'all": 2,
    }.items()
}  # fmt: skip
_PIECE = r"[^\W_](?:[^\W_]|['_.&](?=[^\W_]))*"
_TOKEN = re.compile(
    rf"""
      (?P<whole>https?://\S+ | www\.\S+ | [\w.+-]+@[\w-]+(?:\.[\w-]+)+ | </?[a-z][^<>\s]*>)
    | (?P<short>\b(?: (?:[^\W\d_]\.){{2,}} | (?:{_ABBREVIATIONS})\. | no\.(?=\s*\d) ))
    | (?P<number>[+-]?\d+(?:[.,:/]\d+)+ | \B[+-]\d+ | \B\.\d+)
    | (?P<word>'n' | '(?:tis|twas|em|\d\ds?)\b | @?{_PIECE}(?:[-/]{_PIECE})*)
    | (?P<bracket>[()\[\]{{}}])
    | (?P<sign>[!?]{{2,}} | -{{3,}} | [$€£¥&%\#*+=@<>^~|\\/°½¼¾])
    """,
    re.VERBOSE,
)
_ENDING = re.compile(r"(?<=[^\W_])(n't|'(?:s|m|d|re|ve|ll))$")
_STRAIGHT = str.maketrans({"’": "'", "‘": "'", "´": "'", "`": "'"})


def ptb_words(caption: str) -> list[str]:
    """Splits a caption.

    Args:
        caption: of any case; line breaks count as spaces.

    Returns:
        Lower-case words, punctuation left out, brackets kept.
    """
    found = []
    for match in _TOKEN.finditer(caption.lower().translate(_STRAIGHT)):
        text = match.group()
        if match.lastgroup == "bracket":
            found.append(_BRACKETS[text])
        elif match.lastgroup == "word":
            found += _word(text)
        else:
            found.append(text)
    return found


def _word(text: str) -> list[str]:
    if text in _JOINED:
        return _JOINED[text].split()
    ending = _ENDING.search(text)
    return [text[: ending.start()], ending.group()] if ending else [text]
