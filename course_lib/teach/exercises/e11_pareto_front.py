"""Models that nobody beats in price and quality at once."""

from collections.abc import Mapping

from course_lib.teach.task import Case, Exercise, Mistake

Models = Mapping[str, tuple[float, float]]


def pareto_front(models: Mapping[str, tuple[float, float]]) -> list[str]:
    """Returns the models on the front, from the cheapest to the dearest."""
    front = []
    for name, (cost, quality) in models.items():
        beaten = False
        for other_cost, other_quality in models.values():
            as_good = other_cost <= cost and other_quality >= quality
            better = other_cost < cost or other_quality > quality
            beaten = beaten or (as_good and better)
        if not beaten:
            front.append(name)
    return sorted(front, key=lambda name: (models[name][0], name))


def reference(models: Models) -> list[str]:
    """Walks from the cheapest on, best first, and keeps what is better than all before."""
    found, best, price = [], float("-inf"), None
    for name in sorted(models, key=lambda name: (models[name][0], -models[name][1], name)):
        cost, quality = models[name]
        if quality > best or (quality == best and cost == price):
            found.append(name)
            best, price = quality, cost
    return found


def _best_alone(models):
    return [max(models, key=lambda name: models[name][1])]


def _by_ratio(models):
    order = sorted(models, key=lambda name: -models[name][1] / max(models[name][0], 1e-9))
    return order[:1]


def _dearest_first(models):
    return pareto_front(models)[::-1]


def _as_listed(models):
    front = pareto_front(models)
    return [name for name in models if name in front]


def _by_quality_and_name(models):
    return sorted(pareto_front(models))


def _dear_is_good(models):
    return pareto_front({name: (-cost, quality) for name, (cost, quality) in models.items()})[::-1]


def _kept(models, beaten):
    return sorted(
        (n for n, own in models.items() if not any(beaten(own, o) for o in models.values())),
        key=lambda name: (models[name][0], name),
    )


def _beaten_in_both(models):
    return _kept(models, lambda own, other: other[0] < own[0] and other[1] > own[1])


def _beaten_in_one(models):
    return _kept(models, lambda own, other: other[0] < own[0] or other[1] > own[1])


def _twins_out(models):
    front, seen = [], set()
    for name in pareto_front(models):
        if models[name] not in seen:
            front.append(name)
        seen.add(models[name])
    return front


def _beaten_ones(models):
    front = pareto_front(models)
    return sorted((n for n in models if n not in front), key=lambda name: (models[name][0], name))


EXERCISE = Exercise(
    objective="11.6",
    title="price and quality",
    difficulty=2,
    minutes=9,
    contract=(
        "`models` gives for each model (cost, quality). Less cost is better, more quality is "
        "better.",
        "A model is *beaten* if another costs no more and is no worse, and is better in at least "
        "one of the two.",
        "Gives the names of the models that are not beaten, from the cheapest to the dearest; "
        "those that cost the same by the alphabet.",
    ),
    hints=(
        "Draw a point for each model, cost to the right, quality upwards. Somebody who may pay any "
        "price picks which points? Those with nobody in the corner above and to the left of them.",
        "For each model look at every other one: no dearer and no worse, and in one of the two "
        "really better? Then it is beaten. Two that are equal in both do not beat each other.",
        "`as_good = c <= cost and q >= quality`, `better = c < cost or q > quality`; beaten means "
        "both. At the end `sorted(front, key=lambda name: (models[name][0], name))`.",
    ),
    solution=pareto_front,
    reference=reference,
    cases=lambda: [
        Case("one model", ({"A": (3.0, 0.5)},)),
        Case("the dearer one is better", ({"B": (9.0, 0.9), "A": (3.0, 0.5)},)),
        Case("the dearer one is worse", ({"A": (9.0, 0.4), "B": (3.0, 0.5)},)),
        Case("the same price", ({"B": (3.0, 0.7), "A": (3.0, 0.5), "C": (4.0, 0.8)},)),
        Case("the same quality", ({"A": (8.0, 0.7), "B": (2.0, 0.7), "C": (1.0, 0.2)},)),
        Case("twins", ({"D": (1.0, 0.3), "A": (1.0, 0.3), "C": (0.5, 0.1)},)),
        Case(
            "six models",
            (
                {
                    "U": (5.0, 0.6),
                    "V": (2.0, 0.55),
                    "W": (7.0, 0.9),
                    "X": (6.0, 0.58),
                    "Y": (1.0, 0.1),
                    "Z": (9.0, 0.9),
                },
            ),
        ),
    ],
    mistakes=(
        Mistake(
            _best_alone,
            "every price has its model",
            "only the best model is left: whoever has less money gets nothing",
        ),
        Mistake(
            _by_ratio,
            "every price has its model",
            "quality was divided by cost, which fixes what a point of quality is worth",
        ),
        Mistake(_dearest_first, "from the cheapest on", "the dearest comes first"),
        Mistake(_as_listed, "from the cheapest on", "the order is that of the table"),
        Mistake(_by_quality_and_name, "from the cheapest on", "the order is the alphabet"),
        Mistake(_dear_is_good, "less cost is better", "a dearer model was taken for a better one"),
        Mistake(
            _beaten_in_both,
            "better in one is enough",
            "a model was kept though another is as good and cheaper, or as cheap and better",
        ),
        Mistake(
            _beaten_in_one,
            "no worse in the other",
            "a model was dropped for being dearer, though it is also better",
        ),
        Mistake(_twins_out, "twins do not beat each other", "of two equal models one was dropped"),
        Mistake(_beaten_ones, "models that are not beaten", "these are the beaten ones"),
    ),
)
