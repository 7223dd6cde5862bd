"""How far raters agree beyond chance: Cohen's kappa of two, Fleiss' kappa of any number.

Both are (observed - chance) ÷ (1 - chance): 1 is full agreement, 0 what chance gives. Cohen's
(Educational and Psychological Measurement 20, 1960) takes each rater's own habit as chance, Fleiss'
(Psychological Bulletin 76, 1971) the habit of all together, so the two differ for two raters, too.
Cohen's comes from scikit-learn; Fleiss', which the course's packages lack, is the few lines of
`fleiss_kappa`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from course_lib.evaluation.ratings import GRADES, Rating

PASSED = ("A", "B")


def cohen_kappa(
    first: Sequence[str], second: Sequence[str], weights: str | None = None
) -> float | None:
    """Returns Cohen's kappa of two raters, by scikit-learn.

    Args:
        first: grades of one rater.
        second: grades of the other, of the same answers in the same order.
        weights: None counts A against B like A against D; "linear" and "quadratic" count by how
            many grades they are apart.

    Returns:
        Kappa; None where both gave one and the same grade throughout: then chance agrees, too.

    Raises:
        ValueError: without ratings, for a grade that is none, or when the two have not rated as
            many.
    """
    if len(first) != len(second) or not first:
        raise ValueError(
            f"{len(first)} and {len(second)} ratings: give those of the same answers, one or more."
        )
    strangers = {*first, *second} - set(GRADES)
    if strangers:
        raise ValueError(f"{min(strangers, key=str)!r} is no grade: they are {', '.join(GRADES)}.")
    if len({*first, *second}) == 1:
        return None
    from sklearn.metrics import cohen_kappa_score

    ratings = (list(first), list(second))
    return float(cohen_kappa_score(*ratings, labels=list(GRADES), weights=weights))


def fleiss_kappa(counts: Sequence[Sequence[int]]) -> float | None:
    """Returns Fleiss' kappa.

    Args:
        counts: a row for each of N subjects, in it how many of n raters chose each category;
            (N, k). The raters of two subjects need not be the same people.

    Returns:
        Kappa; None where all ratings are of one category.

    Raises:
        ValueError: without a subject, for rows of different lengths or sums, for numbers that count
            nothing, or for less than two raters.
    """
    counts = [list(row) for row in counts]
    if not counts or len({len(row) for row in counts}) > 1:
        raise ValueError(f"{len(counts)} rows: give one or more, each with a number a category.")
    if any(count != int(count) or count < 0 for row in counts for count in row):
        raise ValueError("A count is a whole number from 0 on: count the raters of each category.")
    sums = sorted({sum(row) for row in counts})
    if len(sums) > 1:
        raise ValueError(
            f"The subjects have {sums[0]} to {sums[-1]} ratings: Fleiss' kappa needs as many of "
            "each."
        )
    (n,) = sums
    if n < 2:
        raise ValueError(f"{n} ratings of each subject: agreement needs two or more.")
    totals = [sum(column) for column in zip(*counts, strict=True)]
    chance = sum((total / (len(counts) * n)) ** 2 for total in totals)
    pairs = [sum(count * (count - 1) for count in row) / (n * (n - 1)) for row in counts]
    observed = sum(pairs) / len(counts)
    return None if max(totals) == len(counts) * n else (observed - chance) / (1 - chance)


@dataclass(frozen=True)
class Pair:
    """Agreement of two raters on the answers that both rated.

    Args:
        raters: their names.
        answers: how many both rated.
        same: share with the same grade.
        kappa: Cohen's, of four grades.
        weighted: Cohen's with quadratic weights: A against D counts nine times A against B.
        passed: Cohen's of A or B against C or D, which is what the paper's figure counts.
    """

    raters: tuple[str, str]
    answers: int
    same: float
    kappa: float | None
    weighted: float | None
    passed: float | None


@dataclass(frozen=True)
class Agreement:
    """Agreement of all raters.

    Args:
        raters: their names.
        pairs: those of two that rated an answer in common.
        answers: how many all rated.
        fleiss: Fleiss' kappa over these; None without any, or where all got one grade.
    """

    raters: tuple[str, ...]
    pairs: tuple[Pair, ...]
    answers: int
    fleiss: float | None


def agreement(ratings: Iterable[Rating]) -> Agreement:
    """Compares raters on the answers that they rated in common.

    Args:
        ratings: of two raters or more, one a rater and answer.

    Raises:
        ValueError: for less than two raters, or where no two rated the same answer.
    """
    by_rater: dict[str, dict[str, str]] = {}
    for rating in ratings:
        by_rater.setdefault(rating.rater, {})[rating.code] = rating.grade
    if len(by_rater) < 2:
        raise ValueError(
            f"{len(by_rater)} raters: agreement needs two or more, each under a name of their own."
        )
    pairs = [
        _pair((one, other), by_rater[one], by_rater[other])
        for one, other in combinations(by_rater, 2)
        if by_rater[one].keys() & by_rater[other].keys()
    ]
    if not pairs:
        raise ValueError(f"No answer was rated by two of {', '.join(by_rater)}: rate the same.")
    common = sorted(set.intersection(*(set(grades) for grades in by_rater.values())))
    counts = [Counter(grades[code] for grades in by_rater.values()) for code in common]
    table = [[count[grade] for grade in GRADES] for count in counts]
    fleiss = fleiss_kappa(table) if table else None
    return Agreement(tuple(by_rater), tuple(pairs), len(common), fleiss)


def _pair(raters: tuple[str, str], one: dict[str, str], other: dict[str, str]) -> Pair:
    common = sorted(one.keys() & other.keys())
    first, second = [one[code] for code in common], [other[code] for code in common]
    same = sum(a == b for a, b in zip(first, second, strict=True)) / len(common)
    passed = (["A" if grade in PASSED else "D" for grade in grades] for grades in (first, second))
    return Pair(
        raters,
        len(common),
        same,
        cohen_kappa(first, second),
        cohen_kappa(first, second, "quadratic"),
        cohen_kappa(*passed),
    )
