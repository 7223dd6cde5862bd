"""The recipe of LLaVA's 595,000 pairs: rare noun phrases are kept, frequent ones are sampled."""

import random
from collections import Counter
from collections.abc import Callable

from course_lib.teach.task import Case, Exercise, Mistake

Draw = Callable[[list[int], int], list[int]]


def keep_rare(
    phrases: list[list[str]], least: int, most: int, draw: Callable[[list[int], int], list[int]]
) -> list[int]:
    """Returns the rows of the captions that stay, ascending."""
    rows = {}
    for row, found in enumerate(phrases):
        for phrase in set(found):
            rows.setdefault(phrase, []).append(row)
    kept = set()
    for phrase in sorted(rows, key=lambda phrase: (len(rows[phrase]), phrase)):
        if len(rows[phrase]) > most:
            kept.update(draw(rows[phrase], most))
        elif len(rows[phrase]) >= least:
            kept.update(rows[phrase])
    return sorted(kept)


def reference(phrases: list[list[str]], least: int, most: int, draw: Draw) -> list[int]:
    """Counts first, notes what each phrase takes, and asks each caption whether it is taken."""
    counts = Counter(phrase for found in phrases for phrase in dict.fromkeys(found))
    taken: dict[str, set[int]] = {}
    for count, phrase in sorted((count, phrase) for phrase, count in counts.items()):
        holders = [row for row, found in enumerate(phrases) if phrase in found]
        if count < least:
            continue
        taken[phrase] = set(draw(holders, most)) if count > most else set(holders)
    return [
        row
        for row, found in enumerate(phrases)
        if any(row in taken.get(phrase, ()) for phrase in found)
    ]


def _rows(phrases, once=True):
    rows = {}
    for row, found in enumerate(phrases):
        for phrase in dict.fromkeys(found) if once else found:
            rows.setdefault(phrase, []).append(row)
    return dict(sorted(rows.items(), key=lambda item: (len(item[1]), item[0])))


def _kept(rows, least, most, draw):
    kept = set()
    for holders in rows.values():
        if len(holders) >= least:
            kept.update(draw(holders, most) if len(holders) > most else holders)
    return sorted(kept)


def _counts_twice(phrases, least, most, draw):
    return _kept(_rows(phrases, once=False), least, most, draw)


def _more_than_least(phrases, least, most, draw):
    return _kept(_rows(phrases), least + 1, most, draw)


def _rarest_too(phrases, least, most, draw):
    return _kept(_rows(phrases), 1, most, draw)


def _draws_at_most(phrases, least, most, draw):
    return _kept(_rows(phrases), least, most - 1, lambda rows, _: draw(rows, most))


def _first_ones(phrases, least, most, draw):
    return _kept(_rows(phrases), least, most, lambda rows, count: rows[:count])


def _no_limit(phrases, least, most, draw):
    return _kept(_rows(phrases), least, 10**9, draw)


def _tops_up(phrases, least, most, draw):
    kept = set()
    for holders in _rows(phrases).values():
        missing = most - len(kept & set(holders))
        if len(holders) > most and missing > 0:
            kept.update(draw([row for row in holders if row not in kept], missing))
        elif least <= len(holders) <= most:
            kept.update(holders)
    return sorted(kept)


def _all_phrases(phrases, least, most, draw):
    taken = {
        phrase: set(draw(holders, most) if len(holders) > most else holders)
        for phrase, holders in _rows(phrases).items()
        if len(holders) >= least
    }
    return [
        row
        for row, found in enumerate(phrases)
        if found and all(row in taken.get(phrase, ()) for phrase in found)
    ]


def _frequent_first(phrases, least, most, draw):
    return _kept(dict(reversed(_rows(phrases).items())), least, most, draw)


def _cases() -> list[Case]:
    few = [["dog"], ["dog", "red ball"], ["cat"], ["dog"], ["cat", "cat"], ["dog"], ["sofa"]]
    chance = random.Random(8)
    names = ["sky", "tree", "man", "red car", "old boat", "clock", "kite", "violin"]
    many = [
        [name for rank, name in enumerate(names) if chance.random() < 0.8 / (rank + 1)]
        for _ in range(30)
    ]
    many[7] = [*many[7], "violin", "violin"]
    return [
        Case("7 captions, from 2 on, 3 of a phrase", (few, 2, 3, lambda rows, n: rows[-n:])),
        Case("the same, from 3 on", (few, 3, 3, lambda rows, n: rows[-n:])),
        Case("the same, from 2 on, 4 of a phrase", (few, 2, 4, lambda rows, n: rows[-n:])),
        Case("30 captions, drawn by chance", (many, 3, 5, random.Random(0).sample)),
        Case("no caption", ([], 3, 5, random.Random(0).sample)),
        Case("a caption without a phrase", ([[], ["dog"], ["dog"]], 1, 5, random.Random(0).sample)),
    ]


EXERCISE = Exercise(
    objective="06.6",
    title="keep what is rare",
    difficulty=3,
    minutes=12,
    contract=(
        "`phrases[i]` are the noun phrases of caption i; one that comes twice in a caption counts "
        "once there. A phrase's frequency is the number of captions that hold it.",
        "A phrase in fewer than `least` captions takes none. One in at most `most` takes all its "
        "captions, one in more takes `draw(rows, most)`: `rows` are the rows of all its captions, "
        "ascending, and `draw` gives back `most` of them.",
        "Phrases take their turn from the rarest to the most frequent, equally frequent ones in "
        "alphabetical order, each whatever the others took.",
        "Gives the rows that some phrase took, ascending, each once. A caption stays when *any* of "
        "its phrases takes it.",
    ),
    hints=(
        "Turn the table round: the captions have phrases, and you need the captions of each "
        "phrase. Then each phrase can be asked for its own.",
        "Build phrase → rows. Go through the phrases in the wanted order: too rare, skip; too "
        "frequent, draw; else all. Collect rows in a set, sort it at the end.",
        "`rows.setdefault(phrase, []).append(row)` for every phrase of `set(found)` turns the "
        "table round. `sorted(rows, key=lambda p: (len(rows[p]), p))` is the order.",
    ),
    solution=keep_rare,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _counts_twice,
            "a phrase counts once a caption",
            "a phrase that comes twice in a caption was counted twice",
        ),
        Mistake(
            _more_than_least,
            "exactly `least` captions are enough",
            "a phrase in exactly `least` captions was left out",
        ),
        Mistake(
            _rarest_too,
            "what is too rare takes nothing",
            "`least` was not used: phrases that came up once are mostly typing errors",
        ),
        Mistake(
            _draws_at_most,
            "a phrase in exactly `most` captions takes all",
            "a draw was made where there was nothing to choose, and chance went on from there",
        ),
        Mistake(
            _first_ones,
            "`draw` chooses",
            "the first captions of the file were taken: a file often comes in some order",
        ),
        Mistake(
            _no_limit,
            "a frequent phrase takes `most`",
            "frequent phrases took all their captions, and those drown the rest",
        ),
        Mistake(
            _tops_up,
            "each phrase draws by itself",
            "what rarer phrases had taken was counted towards `most`",
        ),
        Mistake(
            _all_phrases,
            "any phrase is enough",
            "a caption was kept only if all its phrases took it",
        ),
        Mistake(
            _frequent_first,
            "from the rarest on",
            "the most frequent phrases drew first, so chance dealt other rows",
        ),
    ),
)
