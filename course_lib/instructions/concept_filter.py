"""Which captions to keep, so that rare things are kept and common ones do not drown them.

The recipe that made 595,375 pairs of CC3M's three million (LLaVA, arXiv 2304.08485, appendix E):
count each noun phrase, leave out those seen fewer than three times, go from the rarest to the most
frequent, and take all captions with the phrase, or a random hundred where it has more.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from course_lib.instructions.noun_phrases import noun_phrases


@dataclass(frozen=True)
class Filtered:
    """What the filter kept.

    Args:
        kept: rows of the captions that stay, in order.
        before: phrase → captions that hold it.
        after: the same among those that stay.
    """

    kept: tuple[int, ...]
    before: dict[str, int]
    after: dict[str, int]


def phrase_counts(phrases: Iterable[Iterable[str]]) -> Counter[str]:
    """Counts in how many captions each phrase is; one that is twice in a caption counts once."""
    counts: Counter[str] = Counter()
    for found in phrases:
        counts.update(set(found))
    return counts


def filter_captions(
    captions: Sequence[str],
    least: int = 3,
    most: int = 100,
    seed: int = 0,
    phrases_of: Callable[[str], list[str]] = noun_phrases,
) -> Filtered:
    """Keeps captions by the noun phrases in them.

    Args:
        captions: the texts.
        least: a phrase in fewer captions is not looked at.
        most: of a phrase in more captions, so many are drawn.
        seed: of the draws.
        phrases_of: caption → phrases; give another chunker here (spaCy's `noun_chunks`).

    Returns:
        Rows and counts. A caption stays when any of its phrases takes it, so the drawn ones are
        at least `most`: other, rarer phrases bring more.

    Raises:
        ValueError: for limits that keep nothing.
    """
    if least < 1 or most < 1:
        raise ValueError(f"Limits of {least} and {most} keep nothing: both are one or more.")
    found = [sorted(set(phrases_of(caption))) for caption in captions]
    before = phrase_counts(found)
    rows: dict[str, list[int]] = {}
    for row, phrases in enumerate(found):
        for phrase in phrases:
            if before[phrase] >= least:
                rows.setdefault(phrase, []).append(row)
    rng, kept = random.Random(seed), set()
    for phrase in sorted(rows, key=lambda phrase: (before[phrase], phrase)):
        holders = rows[phrase]
        kept.update(holders if len(holders) <= most else rng.sample(holders, most))
    after = phrase_counts(found[row] for row in kept)
    return Filtered(tuple(sorted(kept)), dict(before), dict(after))
