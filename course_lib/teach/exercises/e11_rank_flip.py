"""Who leads at a price: by its own training alone, and with all that came before."""

from collections.abc import Mapping, Sequence

from course_lib.teach.task import Case, Exercise, Mistake

Curves = Mapping[str, Sequence[tuple[float, float]]]


def rank_flip(
    curves: Mapping[str, Sequence[tuple[float, float]]],
    inherited: Mapping[str, float],
    budget: float,
) -> tuple[str, str]:
    """Returns the leader at a budget, first without and then with inherited samples."""

    def leader(before):
        best = {}
        for name, points in curves.items():
            paid = [quality for samples, quality in points if samples + before[name] <= budget]
            best[name] = paid[-1] if paid else 0.0
        return min(best, key=lambda name: (-best[name], name))

    return leader(dict.fromkeys(curves, 0)), leader(inherited)


def reference(curves: Curves, inherited: Mapping[str, float], budget: float) -> tuple[str, str]:
    """Takes what a model has left for its own training, and goes back from its last point."""
    found = []
    for counts in (False, True):
        ranked = []
        for name in sorted(curves):
            left = budget - inherited[name] if counts else budget
            quality = next((q for s, q in reversed(curves[name]) if s <= left), 0.0)
            ranked.append((-quality, name))
        found.append(sorted(ranked)[0][1])
    return found[0], found[1]


def _leader(curves, quality):
    found = {name: quality(name, points) for name, points in curves.items()}
    return min(found, key=lambda name: (-found[name], name))


def _last(points, left):
    paid = [quality for samples, quality in points if samples <= left]
    return paid[-1] if paid else 0.0


def _never_counted(curves, inherited, budget):
    first = rank_flip(curves, inherited, budget)[0]
    return first, first


def _other_way_round(curves, inherited, budget):
    return rank_flip(curves, inherited, budget)[::-1]


def _best_on_the_way(curves, inherited, budget):
    def leader(before):
        return _leader(
            curves,
            lambda name, points: max(
                (q for s, q in points if s + before[name] <= budget), default=0.0
            ),
        )

    return leader(dict.fromkeys(curves, 0)), leader(inherited)


def _at_the_end(curves, inherited, budget):
    first = _leader(curves, lambda name, points: points[-1][1])
    return first, rank_flip(curves, inherited, budget)[1]


def _just_above(curves, inherited, budget):
    def leader(before):
        def quality(name, points):
            later = [q for s, q in points if s + before[name] >= budget]
            return later[0] if later else points[-1][1]

        return _leader(curves, quality)

    return leader(dict.fromkeys(curves, 0)), leader(inherited)


def _strictly_below(curves, inherited, budget):
    def leader(before):
        return _leader(
            curves,
            lambda name, points: [0.0, *(q for s, q in points if s + before[name] < budget)][-1],
        )

    return leader(dict.fromkeys(curves, 0)), leader(inherited)


def _first_point_anyway(curves, inherited, budget):
    def quality(name, points):
        paid = [q for s, q in points if s + inherited[name] <= budget]
        return paid[-1] if paid else points[0][1]

    return rank_flip(curves, inherited, budget)[0], _leader(curves, quality)


def _inherited_is_taken_off(curves, inherited, budget):
    second = _leader(curves, lambda name, points: _last(points, budget + inherited[name]))
    return rank_flip(curves, inherited, budget)[0], second


def _first_in_the_table(curves, inherited, budget):
    def leader(before):
        found = {name: _last(points, budget - before[name]) for name, points in curves.items()}
        return max(found, key=found.get)

    return leader(dict.fromkeys(curves, 0)), leader(inherited)


def _worst(curves, inherited, budget):
    first = _leader(curves, lambda name, points: -_last(points, budget))
    second = _leader(curves, lambda name, points: -_last(points, budget - inherited[name]))
    return first, second


def _cases() -> list[Case]:
    heir = ((100, 0.7), (400, 0.8), (900, 0.82))
    new = ((100, 0.1), (400, 0.4), (900, 0.6), (4_000, 0.9))
    two, debts = {"heir": heir, "new": new}, {"heir": 3_000.0, "new": 0.0}
    falls = ((100, 0.5), (400, 0.9), (900, 0.3))
    three = {"falls": falls, "heir": heir, "new": new}
    some = {"falls": 500.0, "heir": 100.0, "new": 0.0}
    return [
        Case("900 samples", (two, debts, 900)),
        Case("100 samples", (two, debts, 100)),
        Case("3,500 samples", (two, debts, 3_500)),
        Case("5,000 samples", (two, debts, 5_000)),
        Case("50 samples, below every measurement", ({"new": new, "heir": heir}, debts, 50)),
        Case("three models, one of which falls again, 900", (three, some, 900)),
        Case("the same at 450", (three, some, 450)),
        Case("the same at 199", (three, some, 199)),
    ]


EXERCISE = Exercise(
    objective="11.7",
    title="where a ranking turns over",
    difficulty=3,
    minutes=12,
    contract=(
        "`curves` holds for each model its measurements (samples of its *own* training, quality), "
        "by growing samples; `inherited` how many samples it had behind it at its start.",
        "At a budget a model has the quality of its last measurement that the budget pays, whole "
        "or to the last sample. If it pays none, 0.",
        "Gives two names: the leader where own samples alone are counted, and the leader where "
        "inherited ones are counted with them. Of equally good models the first in the alphabet.",
    ),
    hints=(
        "Two models, one price. The first question is how far each comes for that price. Then the "
        "same price once more, and this time one of them has debts.",
        "Write the search for the leader once, with the debts as its argument: for each model "
        "the last quality whose samples plus debt are within the budget, 0 where there is none; "
        "then the best. Call it with no debts, and with `inherited`.",
        "`paid = [q for s, q in points if s + before[name] <= budget]`, then "
        "`paid[-1] if paid else 0.0`. `min(best, key=lambda name: (-best[name], name))` takes "
        "the first name among equals.",
    ),
    solution=rank_flip,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _never_counted,
            "inherited samples count the second time",
            "both leaders were found without what was inherited",
        ),
        Mistake(_other_way_round, "without first", "the two leaders are the wrong way round"),
        Mistake(
            _best_on_the_way,
            "the last measurement that is paid",
            "the best of a curve was taken: a model that fell again does not have that quality",
        ),
        Mistake(
            _at_the_end,
            "within the budget",
            "the first leader is that of the ends of the curves, whatever they cost",
        ),
        Mistake(
            _just_above,
            "within the budget",
            "the next measurement was taken, which the budget does not pay",
        ),
        Mistake(
            _strictly_below,
            "to the last sample",
            "a measurement that costs exactly the budget was left out",
        ),
        Mistake(
            _first_point_anyway,
            "nothing paid, nothing had",
            "a model whose debts eat the whole budget was given its first measurement all the same",
        ),
        Mistake(
            _inherited_is_taken_off,
            "debts leave less",
            "what was inherited was added to the budget, and it has to be paid from it",
        ),
        Mistake(
            _first_in_the_table,
            "the first in the alphabet",
            "of equally good models the one that comes first in the table was named",
        ),
        Mistake(_worst, "the leader", "the last of the ranking was named"),
    ),
)
