"""How many times fewer samples a transfer needs to reach a quality."""

import math
from collections.abc import Sequence

from course_lib.evaluation import speedup
from course_lib.teach.task import Case, Exercise, Mistake

NOT_REACHED = "not reached"


def speed_up(
    samples: Sequence[float], scratch: Sequence[float], transfer: Sequence[float], quality: float
) -> float | str:
    """Returns samples from scratch over samples with the transfer, or "not reached"."""
    needed = []
    for values in (scratch, transfer):
        place = samples[0] if values[0] >= quality else None
        for i in range(1, len(values)):
            if place is None and values[i] >= quality:
                part = (quality - values[i - 1]) / (values[i] - values[i - 1])
                place = samples[i - 1] + part * (samples[i] - samples[i - 1])
        if place is None:
            return "not reached"
        needed.append(place)
    return needed[0] / needed[1]


def reference(
    samples: Sequence[float], scratch: Sequence[float], transfer: Sequence[float], quality: float
) -> float | str:
    """The library's definition."""
    needed = [speedup.first_crossing(samples, values, quality) for values in (scratch, transfer)]
    found = speedup.SpeedUp(quality, *needed, samples[-1])
    return found.factor if all(map(math.isfinite, needed)) else NOT_REACHED


def _ratio(samples, scratch, transfer, quality, place):
    """Divides the places that `place(samples, values, quality)` finds."""
    slow, fast = (place(samples, values, quality) for values in (scratch, transfer))
    return NOT_REACHED if None in (slow, fast) else slow / fast


def _line(samples, values, quality, i):
    part = (quality - values[i - 1]) / (values[i] - values[i - 1])
    return samples[i - 1] + part * (samples[i] - samples[i - 1])


def _upside_down(samples, scratch, transfer, quality):
    found = speed_up(samples, scratch, transfer, quality)
    return found if found == NOT_REACHED else 1 / found


def _first_measured(samples, scratch, transfer, quality):
    def place(samples, values, quality):
        return next((x for x, v in zip(samples, values, strict=True) if v >= quality), None)

    return _ratio(samples, scratch, transfer, quality, place)


def _last_below(samples, scratch, transfer, quality):
    def place(samples, values, quality):
        found = [i for i, v in enumerate(values) if v >= quality]
        return samples[max(found[0] - 1, 0)] if found else None

    return _ratio(samples, scratch, transfer, quality, place)


def _for_good(samples, scratch, transfer, quality):
    def place(samples, values, quality):
        below = [i for i, v in enumerate(values) if v < quality]
        if not below:
            return samples[0]
        last = below[-1] + 1
        return _line(samples, values, quality, last) if last < len(values) else None

    return _ratio(samples, scratch, transfer, quality, place)


def _mirrored(samples, scratch, transfer, quality):
    def place(samples, values, quality):
        i = next((i for i, v in enumerate(values) if v >= quality), None)
        if not i:
            return None if i is None else samples[0]
        return samples[i - 1] + samples[i] - _line(samples, values, quality, i)

    return _ratio(samples, scratch, transfer, quality, place)


def _from_nothing(samples, scratch, transfer, quality):
    with_start = (0, *samples), (0.0, *scratch), (0.0, *transfer)
    return speed_up(*with_start, quality)


def _all_that_was_seen(samples, scratch, transfer, quality):
    def place(samples, values, quality):
        found = speedup.first_crossing(samples, values, quality)
        return samples[-1] if math.isinf(found) else found

    return _ratio(samples, scratch, transfer, quality, place)


def _zero(samples, scratch, transfer, quality):
    found = speed_up(samples, scratch, transfer, quality)
    return 0.0 if found == NOT_REACHED else found


def _measurements(samples, scratch, transfer, quality):
    def place(samples, values, quality):
        found = next((i for i, v in enumerate(values, 1) if v >= quality), None)
        return found

    return _ratio(samples, scratch, transfer, quality, place)


def _qualities(samples, scratch, transfer, quality):
    return transfer[-1] / scratch[-1]


def _saved(samples, scratch, transfer, quality):
    slow, fast = (speedup.first_crossing(samples, v, quality) for v in (scratch, transfer))
    return NOT_REACHED if math.inf in (slow, fast) else slow - fast


def _own_end(samples, scratch, transfer, quality):
    slow = speedup.first_crossing(samples, scratch, max(scratch))
    return slow / speedup.first_crossing(samples, transfer, max(transfer))


def _cases() -> list[Case]:
    samples = (100, 200, 300, 500)
    slow, fast = (0.1, 0.3, 0.5, 0.9), (0.5, 0.9, 0.7, 0.9)
    middle = (0.2, 0.6, 0.9, 0.9)
    return [
        Case("both measured at 0.5", (samples, slow, (0.1, 0.5, 0.6, 0.6), 0.5)),
        Case("0.6, between two measurements", (samples, slow, middle, 0.6)),
        Case("0.8, and a transfer that falls once more", (samples, slow, fast, 0.8)),
        Case("0.4, which the transfer has at its first measurement", (samples, slow, fast, 0.4)),
        Case("0.9, which the transfer never has", (samples, slow, (0.5, 0.8, 0.8, 0.8), 0.9)),
        Case("0.85, which scratch never has", (samples, (0.1, 0.2, 0.3, 0.4), fast, 0.85)),
    ]


EXERCISE = Exercise(
    objective="10.7",
    title="the speed-up",
    difficulty=2,
    minutes=12,
    contract=(
        "`samples` says how many samples had been seen at each measurement; `scratch` and "
        "`transfer` hold the quality of the two runs there.",
        "A run needs as many samples as it takes the straight line between two measurements to "
        "get to `quality` for the first time. If it has `quality` at its first measurement, it "
        "needs the samples of that one.",
        "Gives the samples of the run from scratch divided by those of the transfer: 4.0 means "
        "that the transfer needs a quarter.",
        "If one of the two never gets there, gives the string 'not reached'.",
    ),
    hints=(
        "Draw the two curves on paper and lay a ruler across them at the height of the quality. "
        "Where does it meet each curve first? These two places make the answer.",
        "For each run: if the first value is high enough, take the first number of samples. "
        "Otherwise look for the first value that is high enough; between it and the one before, "
        "find the part of the way at which the line is as high as `quality`, and go that part of "
        "the way between the two numbers of samples.",
        "With `low` and `high` for the two values, the part is "
        "`(quality - low) / (high - low)`. Stop at the first measurement that is high enough: a "
        "curve may fall again. After the loop, no place found means 'not reached'.",
    ),
    solution=speed_up,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _upside_down,
            "scratch over transfer",
            "the fraction is upside down: a transfer that saves has a number above 1",
        ),
        Mistake(
            _first_measured,
            "the line between two measurements",
            "the next measurement was taken, so that the answer depends on how often one measures",
        ),
        Mistake(
            _last_below,
            "the line between two measurements",
            "the last measurement below the quality was taken",
        ),
        Mistake(
            _for_good,
            "the first time counts",
            "this is where the curve stays above the quality, and not where it first gets there",
        ),
        Mistake(
            _mirrored,
            "a higher value is nearer to its own measurement",
            "the part of the way was counted from the far end",
        ),
        Mistake(
            _from_nothing,
            "nobody measured before the first measurement",
            "a quality of 0 at 0 samples was invented, and a line drawn from there",
        ),
        Mistake(
            _all_that_was_seen,
            "never is not at the end",
            "a run that never gets there was treated as if it did at its last sample",
        ),
        Mistake(
            _zero,
            "said in words",
            "0 came out where somebody never gets there, which looks like a measured number",
        ),
        Mistake(
            _measurements,
            "samples are counted",
            "measurements were counted and not samples",
        ),
        Mistake(
            _qualities,
            "at one quality",
            "the qualities at the end were divided, which says nothing about time",
        ),
        Mistake(_saved, "how many times fewer", "this is how many samples are saved, a difference"),
        Mistake(
            _own_end,
            "the same quality for both",
            "each run was asked for its own best, and these are two qualities",
        ),
    ),
)
