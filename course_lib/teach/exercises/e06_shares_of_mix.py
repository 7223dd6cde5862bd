"""A number of samples, divided by a mix of types so that nothing is lost to rounding."""

from course_lib.instructions.mix import shares
from course_lib.teach.task import Case, Exercise, Mistake


def shares_of_mix(samples: int, mix: tuple[int, int, int]) -> list[int]:
    """Returns how many samples of each type there are; they sum to `samples`."""
    exact = [samples * part / sum(mix) for part in mix]
    counts = [int(number) for number in exact]
    left = samples - sum(counts)
    by_remainder = sorted(range(len(mix)), key=lambda i: counts[i] - exact[i])
    for i in by_remainder[:left]:
        counts[i] += 1
    return counts


def reference(samples: int, mix: tuple[int, int, int]) -> list[int]:
    """The library's division."""
    return list(shares(samples, mix).values())


def _each_rounded(samples, mix):
    return [round(samples * part / sum(mix)) for part in mix]


def _rounded_down(samples, mix):
    return [samples * part // sum(mix) for part in mix]


def _rest_to(samples, mix, order):
    counts = _rounded_down(samples, mix)
    for i in order[: samples - sum(counts)]:
        counts[i] += 1
    return counts


def _rest_to_the_last(samples, mix):
    counts = _rounded_down(samples, mix)
    counts[-1] += samples - sum(counts)
    return counts


def _rest_to_the_first(samples, mix):
    return _rest_to(samples, mix, range(len(mix)))


def _rest_to_the_largest(samples, mix):
    return _rest_to(samples, mix, sorted(range(len(mix)), key=lambda i: -mix[i]))


def _smallest_remainder(samples, mix):
    return _rest_to(
        samples, mix, sorted(range(len(mix)), key=lambda i: samples * mix[i] % sum(mix))
    )


def _percent(samples, mix):
    return [samples * part // 100 for part in mix]


def _cases() -> list[Case]:
    return [
        Case("10 samples, mix 1:1:2", (10, (1, 1, 2))),
        Case("100 samples, mix 58:23:77", (100, (58, 23, 77))),
        Case("158 samples, mix 58:23:77", (158, (58, 23, 77))),
        Case("8 samples, mix 1:1:1", (8, (1, 1, 1))),
        Case("2 samples, mix 58:23:77", (2, (58, 23, 77))),
        Case("7 samples, mix 1:0:1", (7, (1, 0, 1))),
        Case("35 samples, mix 58:23:77", (35, (58, 23, 77))),
    ]


EXERCISE = Exercise(
    objective="06.2",
    title="how many of each type?",
    difficulty=2,
    minutes=8,
    contract=(
        "`mix` holds three whole numbers for conversation, detail and reasoning, such as (58, 23, "
        "77): proportions, not percentages.",
        "Gives three whole numbers, a list, that sum to exactly `samples`.",
        "Each exact share is rounded down first. The samples that are then left go one each to the "
        "shares that lost most by it; where two lost the same, the earlier type comes first.",
    ),
    hints=(
        "Three numbers that are rounded one by one need not sum to what you began with. Give "
        "everybody what is certain, and then ask who is owed most.",
        "An exact share is `samples` times its part of the whole mix. Round all shares down, count "
        "what is left, order the types by what each lost, the largest loss first, and give one "
        "sample to each from the front of that order.",
        "`exact[i] - counts[i]` is what type i lost. `sorted(range(3), key=lambda i: …)` sorts "
        "from small to large, so a minus turns it; it keeps the order of what is equal.",
    ),
    solution=shares_of_mix,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _each_rounded,
            "the counts sum to `samples`",
            "each share was rounded by itself, and the roundings do not cancel",
        ),
        Mistake(
            _rounded_down,
            "the counts sum to `samples`",
            "what rounding down left over was given to nobody",
        ),
        Mistake(
            _rest_to_the_last,
            "who lost most is served first",
            "whatever was left went to the last type",
        ),
        Mistake(
            _rest_to_the_first,
            "who lost most is served first",
            "what was left went round in the order of the types",
        ),
        Mistake(
            _rest_to_the_largest,
            "who lost most is served first",
            "what was left went to the types with the largest part of the mix",
        ),
        Mistake(
            _smallest_remainder,
            "who lost most is served first",
            "the order is turned: those were served first who had lost least",
        ),
        Mistake(_percent, "a mix is no percentage", "the parts were taken for percentages"),
    ),
)
