"""Pairs of words for two tokenizers that cut captions in their own ways."""

from collections.abc import Sequence
from itertools import chain

from course_lib.teach.task import Case, Exercise, Mistake

Rows = Sequence[Sequence[str]]


def pair_words(
    source: Sequence[Sequence[str]], target: Sequence[Sequence[str]], special: set[str]
) -> list[tuple[str, str]]:
    """Returns (source token, target token) of all captions that both cut into as many."""
    pairs = []
    for ours, theirs in zip(source, target, strict=True):
        ours = [token for token in ours if token not in special]
        theirs = [token for token in theirs if token not in special]
        if len(ours) == len(theirs):
            pairs += zip(ours, theirs, strict=True)
    return pairs


def reference(source: Rows, target: Rows, special: set[str]) -> list[tuple[str, str]]:
    """First both sides bare, then the captions that fit, then their places in a row."""
    bare = [[[t for t in row if t not in special] for row in rows] for rows in (source, target)]
    counts = [[len(row) for row in rows] for rows in bare]
    fit = [number for number, (a, b) in enumerate(zip(*counts, strict=True)) if a == b]
    sides = [list(chain.from_iterable(rows[number] for number in fit)) for rows in bare]
    return [(sides[0][place], sides[1][place]) for place in range(len(sides[0]))]


def _bare(row, special):
    return [token for token in row if token not in special]


def _as_far_as_it_goes(source, target, special):
    rows = zip(source, target, strict=True)
    return [p for a, b in rows for p in zip(_bare(a, special), _bare(b, special), strict=False)]


def _special_stay(source, target, special):
    return pair_words(source, target, set())


def _special_taken_late(source, target, special):
    pairs = pair_words(source, target, set())
    return [(a, b) for a, b in pairs if a not in special and b not in special]


def _each_once(source, target, special):
    return list(dict.fromkeys(pair_words(source, target, special)))


def _same_spelling_alone(source, target, special):
    return [(a, b) for a, b in pair_words(source, target, special) if a == b]


def _turned(source, target, special):
    return pair_words(target, source, special)


def _by_letters(source, target, special):
    kept = []
    for a, b in zip(source, target, strict=True):
        a, b = _bare(a, special), _bare(b, special)
        if sum(map(len, a)) == sum(map(len, b)):
            kept += zip(a, b, strict=False)
    return kept


def _stops_at_the_first(source, target, special):
    kept = []
    for a, b in zip(source, target, strict=True):
        if len(_bare(a, special)) != len(_bare(b, special)):
            break
        kept += pair_words([a], [b], special)
    return kept


def _lengths_in_all(source, target, special):
    sides = [[t for row in rows for t in _bare(row, special)] for rows in (source, target)]
    return list(zip(*sides, strict=False)) if len(sides[0]) == len(sides[1]) else []


def _in_order(source, target, special):
    rows = zip(source, target, strict=True)
    pairs = [pair_words([sorted(a)], [sorted(b)], special) for a, b in rows]
    return [pair for found in pairs for pair in found]


def _cases() -> list[Case]:
    special = {"</s>"}
    source = [
        ["</s>", "a", "red", "star"],
        ["</s>", "two", "stars"],
        ["</s>", "a", "blue", "circle"],
        ["</s>", "a", "red", "1", "0"],
    ]
    target = [
        ["a", "red", "star", "</s>"],
        ["two", "star", "##s", "</s>"],
        ["a", "blue", "disk", "</s>"],
        ["a", "re", "##d", "10", "</s>"],
    ]
    longer = (
        [*source, ["</s>", "a", "star"], ["</s>", "star", "</s>"]],
        [*target, ["a", "star", "</s>"], ["star", "##s", "</s>"]],
        special,
    )
    return [
        Case("1 caption", (source[:1], target[:1], special)),
        Case("2 captions", (source[:2], target[:2], special)),
        Case("6 captions", longer),
    ]


EXERCISE = Exercise(
    objective="10.2",
    title="which word is which",
    difficulty=1,
    minutes=8,
    contract=(
        "`source` and `target` hold the same captions, cut into tokens by two tokenizers. One "
        "writes a start token before them, the other an end token behind; `special` names these.",
        "Special tokens go first. A caption is kept where both are then equally long, and left out "
        "where they are not.",
        "Gives (source token, target token) for every place of every kept caption, in order, and "
        "as often as it comes: what is said often is trained often. Nobody asks whether the two "
        "are spelled the same.",
    ),
    hints=(
        "Think of one tokenizer that writes `</s> a red star` and another that writes "
        "`a red star </s>`. Both give four tokens. Which pairs would you get if you counted first?",
        "Go through both lists together. Take the special tokens out of both rows. Compare the "
        "lengths. If they are equal, walk along both rows at once and note each pair.",
        "`zip(source, target, strict=True)` walks through captions, a second `zip` through places. "
        "`[token for token in row if token not in special]` makes a bare row. `pairs += zip(a, b)` "
        "adds all pairs of a caption.",
    ),
    solution=pair_words,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _as_far_as_it_goes,
            "captions of other lengths go",
            "the shorter row decided where to stop: behind the first word that is cut in two, "
            "every pair is wrong",
        ),
        Mistake(
            _special_stay,
            "special tokens go first",
            "special tokens are still there, and as one side has them before and the other behind, "
            "every word meets its neighbour",
        ),
        Mistake(
            _special_taken_late,
            "special tokens go first",
            "the pairs were made before the special tokens went: one side is a place ahead",
        ),
        Mistake(
            _each_once,
            "as often as it comes",
            "each pair is there once, so that a rare word counts as much as a frequent one",
        ),
        Mistake(
            _same_spelling_alone,
            "nobody asks for the spelling",
            "pairs of other spelling were left out; two languages would share hardly a word",
        ),
        Mistake(_turned, "source first", "each pair is turned round: target, source"),
        Mistake(
            _by_letters,
            "the number of tokens decides",
            "letters were counted and not tokens",
        ),
        Mistake(
            _stops_at_the_first,
            "the others are still read",
            "the first caption that does not fit ended everything",
        ),
        Mistake(
            _lengths_in_all,
            "each caption by itself",
            "the captions were joined before they were compared, so that one token too many "
            "spoils all that follow",
        ),
        Mistake(
            _in_order,
            "place by place",
            "the tokens were sorted first, and the n-th of one alphabet is not that of another",
        ),
    ),
)
