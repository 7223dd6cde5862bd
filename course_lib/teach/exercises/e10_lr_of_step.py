"""The learning rates of both stages: a fast projector first, then all together."""

import math

from course_lib.teach.task import Case, Exercise, Mistake
from course_lib.training.stages import Stage


def lr_of_step(step: int, warmup: int, total: int, rate: float, last: float) -> dict[str, float]:
    """Returns the learning rates of VPG and projector at a step counted from 0."""
    if step < warmup:
        return {"vpg": 0.0, "projector": 5 * rate}
    done = (step - warmup) / (total - warmup - 1)  # from 0 to 1 within stage 2
    both = last + (rate - last) * 0.5 * (1 + math.cos(math.pi * done))
    return {"vpg": both, "projector": both}


def reference(step: int, warmup: int, total: int, rate: float, last: float) -> dict[str, float]:
    """The library's stages, asked in turn."""
    fast = {"learning_rate": 5 * rate, "min_learning_rate": 5 * rate}
    first = Stage("1", ("projector",), warmup, 1, **fast)
    second = Stage("2", ("vpg.head", "projector"), total - warmup, 1, rate, min_learning_rate=last)
    stage, at = (first, step) if step < warmup else (second, step - warmup)
    found = stage.learning_rate_at(at)
    trains = {"vpg": "vpg.head" in stage.trainable, "projector": True}
    return {part: found if listed else 0.0 for part, listed in trains.items()}


def _same(rate):
    return {"vpg": rate, "projector": rate}


def _vpg_at_once(step, warmup, total, rate, last):
    made = lr_of_step(step, warmup, total, rate, last)
    return made | {"vpg": rate} if step < warmup else made


def _vpg_as_fast(step, warmup, total, rate, last):
    return _same(5 * rate) if step < warmup else lr_of_step(step, warmup, total, rate, last)


def _not_faster(step, warmup, total, rate, last):
    if step < warmup:
        return {"vpg": 0.0, "projector": rate}
    return lr_of_step(step, warmup, total, rate, last)


def _slower(step, warmup, total, rate, last):
    if step < warmup:
        return {"vpg": 0.0, "projector": rate / 5}
    return lr_of_step(step, warmup, total, rate, last)


def _grows(step, warmup, total, rate, last):
    if step < warmup:
        return {"vpg": 0.0, "projector": 5 * rate * (step + 1) / warmup}
    return lr_of_step(step, warmup, total, rate, last)


def _fast_for_good(step, warmup, total, rate, last):
    made = lr_of_step(step, warmup, total, rate, last)
    return made if step < warmup else {**made, "projector": 5 * made["projector"]}


def _one_cosine(step, warmup, total, rate, last):
    if step < warmup:
        return {"vpg": 0.0, "projector": 5 * rate}
    return lr_of_step(step, 0, total, rate, last)


def _one_step_late(step, warmup, total, rate, last):
    if step == warmup:
        return {"vpg": 0.0, "projector": 5 * rate}
    return lr_of_step(step, warmup, total, rate, last)


def _straight(step, warmup, total, rate, last):
    if step < warmup:
        return lr_of_step(step, warmup, total, rate, last)
    return _same(rate + (last - rate) * (step - warmup) / (total - warmup - 1))


def _to_zero(step, warmup, total, rate, last):
    return lr_of_step(step, warmup, total, rate, 0.0)


def _constant(step, warmup, total, rate, last):
    return lr_of_step(step, warmup, total, rate, rate)


def _never_ends(step, warmup, total, rate, last):
    return lr_of_step(step, warmup, total + 1, rate, last)


def _cases() -> list[Case]:
    numbers = {"warmup": 4, "total": 12, "rate": 2.0, "last": 1.0}
    places = {
        0: "the first step",
        3: "the last step of the warm-up",
        4: "the first step of stage 2",
        6: "the third step of stage 2",
        11: "the last step of all",
    }
    return [Case(f"{says}, of 4 + 8", (step,), numbers) for step, says in places.items()]


EXERCISE = Exercise(
    objective="10.5",
    title="two stages, two learning rates",
    difficulty=2,
    minutes=10,
    contract=(
        "`step` counts from 0 to `total - 1`, through both stages: the first `warmup` steps are "
        "stage 1, all others stage 2.",
        "In stage 1 the projector trains alone, at 5 times `rate`, the same at every step; the VPG "
        "stands still, which is 0.",
        "In stage 2 both train at one rate, which follows half a cosine: `rate` at its first step, "
        "`last` at its last, without any warm-up of its own.",
        "Gives `{'vpg': …, 'projector': …}`.",
    ),
    hints=(
        "First find out in which stage the step lies. Stage 1 needs no formula at all. For stage 2 "
        "count anew from its own first step: how far is it, as a number from 0 to 1?",
        "If the step lies before `warmup`: VPG 0, projector 5 times the rate. Otherwise: steps "
        "since `warmup`, divided by the number of steps of stage 2 less one; half a cosine of "
        "that, from `rate` down to `last`; the same for both.",
        "`0.5 * (1 + math.cos(math.pi * done))` goes from 1 to 0 while `done` goes from 0 to 1. "
        "Stage 2 has `total - warmup` steps, and the last of them is number "
        "`total - warmup - 1`.",
    ),
    solution=lr_of_step,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _vpg_at_once,
            "the VPG stands still in stage 1",
            "the VPG trains from the first step on, behind a projector that does not fit yet",
        ),
        Mistake(
            _vpg_as_fast,
            "the VPG stands still in stage 1",
            "the VPG trains at 5 times the rate, too: that is what makes it crash in the paper",
        ),
        Mistake(_not_faster, "stage 1 is faster", "the warm-up runs at the plain rate"),
        Mistake(_slower, "stage 1 is faster", "the rate was divided by 5 and not multiplied"),
        Mistake(
            _grows,
            "stage 1 is constant",
            "the rate of stage 1 grows step by step: here the projector warms up, not the rate",
        ),
        Mistake(
            _fast_for_good,
            "one rate for both in stage 2",
            "the projector keeps its 5 times in stage 2",
        ),
        Mistake(
            _one_cosine,
            "stage 2 counts from its own first step",
            "the cosine began with the warm-up: stage 2 starts below its rate",
        ),
        Mistake(
            _one_step_late,
            "stage 2 begins at step `warmup`",
            "counted from 0, step number `warmup` is the first of stage 2 already",
        ),
        Mistake(_straight, "half a cosine", "the rate falls along a straight line"),
        Mistake(_to_zero, "down to `last`", "the cosine goes down to 0 and not to `last`"),
        Mistake(_constant, "stage 2 falls", "stage 2 stays at its first rate"),
        Mistake(
            _never_ends,
            "`last` is reached",
            "the last step is not quite at the end: the steps of stage 2 were counted and not the "
            "gaps between them",
        ),
    ),
)
