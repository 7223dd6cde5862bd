"""How many steps fit into a budget of seconds: a few are tried, and a clock is read."""

import math
from collections.abc import Sequence
from itertools import pairwise

from course_lib.teach.task import Case, Exercise, Mistake


def steps_in_seconds(clock: Sequence[float], warm: int, seconds: float) -> int:
    """Returns how many steps of a stage its share of a budget pays."""
    one = (clock[-1] - clock[warm - 1]) / (len(clock) - warm)
    return max(1, math.floor(seconds / one))


def reference(clock: Sequence[float], warm: int, seconds: float) -> int:
    """Takes the time of each step by itself, and adds steps while there is money."""
    times = [late - early for early, late in pairwise(clock)][warm - 1 :]
    one, steps = sum(times) / len(times), 1
    while (steps + 1) * one <= seconds + 1e-9:
        steps += 1
    return steps


def _from_the_start(clock, warm, seconds):
    return max(1, math.floor(seconds / (clock[-1] / len(clock))))


def _with_the_warm_ones(clock, warm, seconds):
    one = (clock[-1] - clock[0]) / (len(clock) - 1)
    return max(1, math.floor(seconds / one))


def _readings_for_gaps(clock, warm, seconds):
    one = (clock[-1] - clock[warm - 1]) / (len(clock) - warm + 1)
    return max(1, math.floor(seconds / one))


def _all_steps_for_some(clock, warm, seconds):
    one = (clock[-1] - clock[warm - 1]) / len(clock)
    return max(1, math.floor(seconds / one))


def _one_later(clock, warm, seconds):
    one = (clock[-1] - clock[warm]) / (len(clock) - warm - 1)
    return max(1, math.floor(seconds / one))


def _last_step_alone(clock, warm, seconds):
    return max(1, math.floor(seconds / (clock[-1] - clock[-2])))


def _rounded_up(clock, warm, seconds):
    one = (clock[-1] - clock[warm - 1]) / (len(clock) - warm)
    return math.ceil(seconds / one)


def _maybe_none(clock, warm, seconds):
    one = (clock[-1] - clock[warm - 1]) / (len(clock) - warm)
    return math.floor(seconds / one)


def _trial_is_paid(clock, warm, seconds):
    one = (clock[-1] - clock[warm - 1]) / (len(clock) - warm)
    return max(1, math.floor((seconds - clock[-1]) / one))


def _not_whole(clock, warm, seconds):
    return max(1.0, seconds * (len(clock) - warm) / (clock[-1] - clock[warm - 1]))


_SLOW_START = (2.0, 3.0, 3.5, 4.0, 4.5)  # 2, 1, then half a second each
_IN_TURNS = (4.0, 5.5, 6.0, 7.5, 7.75, 8.0)  # small and large batches take turns

EXERCISE = Exercise(
    objective="11.2",
    title="steps that fit into seconds",
    difficulty=2,
    minutes=8,
    contract=(
        "`clock` holds what a clock showed *after* each step of a trial; it showed 0 before the "
        "first. The first `warm` steps are slower than later ones and tell nothing; `warm` is at "
        "least 1, and fewer than there are steps.",
        "A step takes as long as the others did on average.",
        "Gives the number of whole steps that fit into `seconds`, and at least 1. The trial itself "
        "is not paid from the budget.",
    ),
    hints=(
        "You need one number first: how long a step takes once things run. Which two readings of "
        "the clock have all the steps that count between them, and none of the others?",
        "The reading behind the last warm step is where you begin, the last reading is where you "
        "end. Divide what lies between them by the number of steps there. The budget divided by "
        "that, rounded down.",
        "After `warm` steps the clock shows `clock[warm - 1]`. From there to `clock[-1]` there are "
        "`len(clock) - warm` steps. `math.floor`, and `max(1, …)`.",
    ),
    solution=steps_in_seconds,
    reference=reference,
    cases=lambda: [
        Case("even steps of 0.5 s, 10 s", ((0.5, 1.0, 1.5, 2.0), 1, 10.0)),
        Case("two slow steps first, 10 s", (_SLOW_START, 2, 10.0)),
        Case("steps that take turns, 20.9 s", (_IN_TURNS, 3, 20.9)),
        Case("steps that take turns, one slow, 7 s", (_IN_TURNS, 1, 7.0)),
        Case("a budget below one step", ((3.0, 5.0, 7.0), 1, 1.5)),
    ],
    mistakes=(
        Mistake(
            _from_the_start,
            "slow steps are left out",
            "the mean is over the whole trial, its slow beginning included",
        ),
        Mistake(
            _with_the_warm_ones,
            "slow steps are left out",
            "only the first step was left out, whatever `warm` says",
        ),
        Mistake(
            _readings_for_gaps,
            "steps between two readings",
            "readings were counted and not the steps between them, which are one fewer",
        ),
        Mistake(
            _all_steps_for_some,
            "steps between two readings",
            "the time of some steps was divided by the number of all",
        ),
        Mistake(
            _one_later,
            "the clock is read after a step",
            "the beginning is one reading too late: it is taken after a step that counts",
        ),
        Mistake(
            _last_step_alone,
            "a mean",
            "the last step stands for all, and batches of several sizes take turns",
        ),
        Mistake(_rounded_up, "within the budget", "rounded up, so that the last step is not paid"),
        Mistake(_maybe_none, "at least one step", "a budget below one step gives no step at all"),
        Mistake(_trial_is_paid, "the trial is free", "the trial was taken from the budget"),
        Mistake(_not_whole, "whole steps", "nothing was rounded"),
    ),
)
