"""What the picture adds, type by type, and whether that is more than chance."""

import math
from collections.abc import Mapping

from course_lib.teach.task import Case, Exercise, Mistake

Shares = Mapping[str, float]


def above_blind(
    seen: Mapping[str, float], blind: Mapping[str, float], asked: int
) -> tuple[float, bool, list[str]]:
    """Returns what the picture adds on the mean, if that is enough, and types at their prior."""
    gains = {kind: seen[kind] - blind[kind] for kind in seen}
    mean = sum(gains.values()) / len(gains)
    weak = []
    for kind, gain in gains.items():
        spread = seen[kind] * (1 - seen[kind]) + blind[kind] * (1 - blind[kind])
        if gain <= 2 * math.sqrt(spread / asked):
            weak.append(kind)
    return mean, mean >= 0.10, weak


def reference(seen: Shares, blind: Shares, asked: int) -> tuple[float, bool, list[str]]:
    """Compares numbers of right answers, whose variance is n p (1 - p), and takes no root."""
    added, weak = (sum(seen.values()) - sum(blind.values())) / len(seen), []
    for kind in seen:
        more = asked * (seen[kind] - blind[kind])
        variance = sum(asked * p * (1 - p) for p in (seen[kind], blind[kind]))
        if more <= 0 or more**2 <= 4 * variance:
            weak.append(kind)
    return added, added >= 0.10, weak


def _weak(seen, blind, asked, limit):
    return [kind for kind in seen if seen[kind] - blind[kind] <= limit(seen[kind], blind[kind])]


def _with(seen, blind, asked, **changed):
    mean, enough, weak = above_blind(seen, blind, asked)
    return changed.get("mean", mean), changed.get("enough", enough), changed.get("weak", weak)


def _not_compared(seen, blind, asked):
    mean = sum(seen.values()) / len(seen)
    return _with(seen, blind, asked, mean=mean, enough=mean >= 0.10)


def _below_zero_alone(seen, blind, asked):
    return _with(seen, blind, asked, weak=_weak(seen, blind, asked, lambda s, b: 0.0))


def _the_bar_for_each(seen, blind, asked):
    return _with(seen, blind, asked, weak=_weak(seen, blind, asked, lambda s, b: 0.10))


def _one_error(seen, blind, asked):
    def limit(s, b):
        return math.sqrt((s * (1 - s) + b * (1 - b)) / asked)

    return _with(seen, blind, asked, weak=_weak(seen, blind, asked, limit))


def _error_of_one(seen, blind, asked):
    def limit(s, b):
        return 2 * math.sqrt(s * (1 - s) / asked)

    return _with(seen, blind, asked, weak=_weak(seen, blind, asked, limit))


def _not_by_count(seen, blind, asked):
    def limit(s, b):
        return 2 * math.sqrt(s * (1 - s) + b * (1 - b))

    return _with(seen, blind, asked, weak=_weak(seen, blind, asked, limit))


def _errors_added(seen, blind, asked):
    def limit(s, b):
        return 2 * (math.sqrt(s * (1 - s) / asked) + math.sqrt(b * (1 - b) / asked))

    return _with(seen, blind, asked, weak=_weak(seen, blind, asked, limit))


def _either_way(seen, blind, asked):
    best = {kind: max(seen[kind], blind[kind]) for kind in seen}
    rest = {kind: min(seen[kind], blind[kind]) for kind in seen}
    return _with(seen, blind, asked, weak=above_blind(best, rest, asked)[2])


def _no_root(seen, blind, asked):
    def limit(s, b):
        return 2 * (s * (1 - s) + b * (1 - b)) / asked

    return _with(seen, blind, asked, weak=_weak(seen, blind, asked, limit))


def _every_type_has_to(seen, blind, asked):
    gains = [seen[kind] - blind[kind] for kind in seen]
    return _with(seen, blind, asked, enough=min(gains) >= 0.10)


def _best_type(seen, blind, asked):
    gains = [seen[kind] - blind[kind] for kind in seen]
    return _with(seen, blind, asked, enough=max(gains) >= 0.10)


def _strong_ones(seen, blind, asked):
    weak = above_blind(seen, blind, asked)[2]
    return _with(seen, blind, asked, weak=[kind for kind in seen if kind not in weak])


def _cases() -> list[Case]:
    two = {"colour": 0.9, "parity": 0.6}, {"colour": 0.3, "parity": 0.5}
    near = {"colour": 0.42, "size": 0.58, "sides": 0.99}, {"colour": 0.3, "size": 0.5, "sides": 1.0}
    surer = {"place": 0.34, "count": 0.62, "kind": 0.5}, {"place": 0.26, "count": 0.5, "kind": 0.5}
    worse = {"colour": 0.9, "parity": 0.1}, {"colour": 0.5, "parity": 0.8}
    none = {"size": 0.5, "is_there": 0.48, "kind": 0.3}, {"size": 0.5, "is_there": 0.5, "kind": 0.2}
    return [
        Case("two types, 50 questions each", (*two, 50)),
        Case("small gains, 50 questions each", (*near, 50)),
        Case("small gains, 300 questions each", (*near, 300)),
        Case("between one and two errors", (*surer, 100)),
        Case("hardly a gain", (*none, 80)),
        Case("worse than without the picture, 10 questions each", (*worse, 10)),
        Case("a tiny gain of few questions", ({"is_there": 0.53}, {"is_there": 0.5}, 20)),
    ]


EXERCISE = Exercise(
    objective="11.4",
    title="above its own blindness",
    difficulty=2,
    minutes=10,
    contract=(
        "`seen` and `blind` give for each type of question the share of right answers with the "
        "picture and without it; behind each share are `asked` questions.",
        "Gives first what the picture adds on the mean over types, then whether that is at least "
        "0.10.",
        "Last, in the order of `seen`, the types at their prior: those where the picture adds at "
        "most two standard errors. A share $p$ of $n$ questions has the variance $p(1 - p)/n$; the "
        "variance of a difference is the sum of both.",
    ),
    hints=(
        "A model that answers *yes* to every question of the form 'is there …?' is right half the "
        "time, and has seen nothing. What has to be subtracted, and from what on is the rest more "
        "than luck?",
        "For each type: the difference. Their mean is the first number, compared with 0.10 it "
        "gives the second. Then, for each type, add the two variances, take the root, and see "
        "whether the difference is above twice that.",
        "`spread = seen[k] * (1 - seen[k]) + blind[k] * (1 - blind[k])`, and the standard error is "
        "`math.sqrt(spread / asked)`.",
    ),
    solution=above_blind,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _not_compared,
            "above the answers without the picture",
            "nothing was subtracted: this is the share of right answers, luck included",
        ),
        Mistake(
            _below_zero_alone,
            "two standard errors",
            "every gain above 0 was believed, however few questions were asked",
        ),
        Mistake(
            _the_bar_for_each,
            "two standard errors",
            "the bar of the mean was used for each type: how sure one may be depends on how many "
            "questions there were",
        ),
        Mistake(_one_error, "two standard errors", "one standard error was asked for"),
        Mistake(
            _error_of_one,
            "both shares are measured",
            "the answers without the picture were taken as known exactly, and they vary, too",
        ),
        Mistake(
            _not_by_count,
            "more questions, more certainty",
            "the variance was not divided by the number of questions",
        ),
        Mistake(
            _errors_added,
            "the error of a difference",
            "two errors were added: variances are what adds up, and the root comes after",
        ),
        Mistake(
            _either_way,
            "the picture has to help",
            "the sign of the difference was dropped: a type that is worse with the picture shows "
            "nothing",
        ),
        Mistake(_no_root, "a standard error", "that is twice the variance: the root is missing"),
        Mistake(
            _every_type_has_to,
            "the mean has to reach the bar",
            "0.10 was asked of every type, and not of their mean",
        ),
        Mistake(_best_type, "the mean has to reach the bar", "the best type was held to the bar"),
        Mistake(
            _strong_ones,
            "types at their prior",
            "the types that do gain were listed",
        ),
    ),
)
