"""Ranks that say no more than was measured: who is not surely behind shares the rank."""

import math
from collections.abc import Mapping

from course_lib.teach.task import Case, Exercise, Mistake


def shared_ranks(right: Mapping[str, int], asked: int) -> dict[str, int]:
    """Returns each model's rank: one more than the number of models that are surely better."""
    share = {name: count / asked for name, count in right.items()}

    def surely_better(one, other):
        spread = share[one] * (1 - share[one]) + share[other] * (1 - share[other])
        return share[one] - share[other] > 2 * math.sqrt(spread / asked)

    return {name: 1 + sum(surely_better(other, name) for other in share) for name in share}


def reference(right: Mapping[str, int], asked: int) -> dict[str, int]:
    """Compares counts, whose variance is that of a share times the square of `asked`."""
    ranks = dict.fromkeys(right, 1)
    for name, own in right.items():
        for count in right.values():
            variance = (own * (asked - own) + count * (asked - count)) / asked
            ranks[name] += count > own and (count - own) ** 2 > 4 * variance
    return ranks


def _by_numbers_alone(right, asked):
    return {name: 1 + sum(c > own for c in right.values()) for name, own in right.items()}


def _in_a_row(right, asked):
    order = sorted(right, key=right.get, reverse=True)
    ranks = {name: place for place, name in enumerate(order, 1)}
    return {name: ranks[name] for name in right}


def _worst_first(right, asked):
    turned = {name: asked - count for name, count in right.items()}
    return shared_ranks(turned, asked)


def _from_zero(right, asked):
    return {name: rank - 1 for name, rank in shared_ranks(right, asked).items()}


def _chained(right, asked):
    order, ranks = sorted(right, key=right.get, reverse=True), {}
    for place, name in enumerate(order):
        before = order[place - 1] if place else name
        pair = {one: right[one] for one in {name, before}}
        apart = shared_ranks(pair, asked)[name] > 1
        ranks[name] = place + 1 if apart or not place else ranks[before]
    return {name: ranks[name] for name in right}


def _ranks(right, asked, limit):
    share = {name: count / asked for name, count in right.items()}
    return {
        name: 1 + sum(share[o] - share[name] > limit(share[o], share[name]) for o in share)
        for name in share
    }


def _one_error(right, asked):
    return _ranks(right, asked, lambda p, q: math.sqrt((p * (1 - p) + q * (1 - q)) / asked))


def _error_of_one(right, asked):
    return _ranks(right, asked, lambda p, q: 2 * math.sqrt(p * (1 - p) / asked))


def _errors_added(right, asked):
    def error(p):
        return 2 * math.sqrt(p * (1 - p) / asked)

    return _ranks(right, asked, lambda p, q: error(p) + error(q))


def _behind_none(right, asked):
    count = len(right)
    worse = _worst_first(right, asked)
    return {name: count + 1 - rank for name, rank in worse.items()}


def _dense(right, asked):
    ranks = shared_ranks(right, asked)
    places = sorted(set(ranks.values()))
    return {name: places.index(rank) + 1 for name, rank in ranks.items()}


EXERCISE = Exercise(
    objective="11.5",
    title="ranks that share",
    difficulty=2,
    minutes=10,
    contract=(
        "`right` says for each model how many of `asked` questions it answered rightly.",
        "One model is *surely better* than another if its share is larger by more than two "
        "standard errors of the difference: $2\\sqrt{(p(1-p) + q(1-q))/n}$.",
        "A model's rank is 1 plus the number of models that are surely better than it. Gives the "
        "ranks of all models.",
    ),
    hints=(
        "Of 100 questions one model gets 71 right and another 69. Would you bet that the first is "
        "ahead on another 100? A rank has to say what you would bet on.",
        "For every model look at every other one: is it surely better? Count those, and add one. "
        "Nobody has to be sorted.",
        "`share = {name: count / asked …}`; a small function `surely_better(one, other)` holds the "
        "rule, and `1 + sum(surely_better(other, name) for other in share)` the rank.",
    ),
    solution=shared_ranks,
    reference=reference,
    cases=lambda: [
        Case("two far apart", ({"A": 30, "B": 90}, 100)),
        Case("two that nobody can tell apart", ({"A": 71, "B": 69}, 100)),
        Case("the same on 5,000", ({"A": 3_550, "B": 3_400}, 5_000)),
        Case("as many right", ({"A": 50, "B": 50}, 100)),
        Case("a chain of three", ({"A": 60, "B": 52, "C": 44}, 100)),
        Case("two ahead, two behind", ({"A": 20, "B": 80, "C": 78, "D": 22}, 100)),
        Case("near the top", ({"A": 100, "B": 97, "C": 91, "D": 50}, 100)),
        Case("between one error and two", ({"A": 50, "B": 62, "C": 65}, 100)),
    ],
    mistakes=(
        Mistake(
            _by_numbers_alone,
            "who is not surely behind shares the rank",
            "one right answer more was taken for a lead, and other questions may turn it over",
        ),
        Mistake(
            _in_a_row,
            "who is not surely behind shares the rank",
            "every model got a place of its own, as if nothing were uncertain",
        ),
        Mistake(_worst_first, "more right answers are better", "the worst model has rank 1"),
        Mistake(_from_zero, "the first rank is 1", "counted from 0"),
        Mistake(
            _chained,
            "compared with every model",
            "each model was compared with its neighbour alone: many small steps are a large one",
        ),
        Mistake(_one_error, "two standard errors", "one standard error was asked for"),
        Mistake(
            _error_of_one,
            "both shares are measured",
            "the error of one model was taken for that of the difference",
        ),
        Mistake(
            _errors_added,
            "the error of a difference",
            "two errors were added: variances are what adds up, and the root comes after",
        ),
        Mistake(
            _behind_none,
            "models that are better",
            "the rank counts the models that are surely worse, from below",
        ),
        Mistake(
            _dense,
            "behind two is rank 3",
            "ranks were renumbered without gaps: behind two better models one is third",
        ),
    ),
)
