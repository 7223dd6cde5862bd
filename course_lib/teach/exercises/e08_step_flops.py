"""What one training step costs, part by part, when some parts are frozen and some are cached."""

from typing import Any

from course_lib.teach.task import Case, Exercise, Mistake, call

Parts = list[tuple[str, int, int]]


def step_flops(parts: list[tuple[str, int, int]], trained: set[str], cached: int = 0) -> list[int]:
    """Returns the floating-point operations of one step, a number for each part."""
    names = [name for name, _, _ in parts]
    places = [i for i, name in enumerate(names) if name in trained]
    first = min(places, default=len(parts))  # the gradient goes back as far as this
    if first < cached:
        raise ValueError(f"{names[first]} trains, so what it gives cannot be kept")
    found = []
    for i, (name, parameters, tokens) in enumerate(parts):
        forward = 0 if i < cached else 2
        passing = 2 if i >= first else 0
        own = 2 if name in trained else 0
        found.append((forward + passing + own) * parameters * tokens)
    return found


def reference(parts: Parts, trained: set[str], cached: int = 0) -> list[int]:
    """Walks from the language model back to the image, as the gradient does."""
    waiting = len(trained)  # trained parts that the gradient has not reached yet
    found: list[int] = []
    for i in reversed(range(len(parts))):
        name, parameters, tokens = parts[i]
        factor = 4 if waiting else 2
        if name in trained:
            if i < cached:
                raise ValueError(name)
            factor, waiting = 6, waiting - 1
        found.insert(0, factor * parameters * tokens * (i >= cached))
    return found


def _run(answer: Any, case: Case) -> Any:
    """Tells what an answer gave, or that it raised a ValueError."""
    try:
        made = call(answer, case)
    except ValueError:
        return {"outcome": "raises ValueError", "operations": []}
    return made if made is ... else {"outcome": "gives numbers", "operations": made}


def _first(parts, trained):
    return min([i for i, part in enumerate(parts) if part[0] in trained], default=len(parts))


def _counted(parts, trained, cached, before, behind, own):
    """Counts with other factors than the right ones: before what trains, behind it, and in it."""
    first = _first(parts, trained)
    if first < cached:
        raise ValueError
    factors = [
        0 if i < cached else own if name in trained else behind if i > first else before
        for i, (name, _, _) in enumerate(parts)
    ]
    return [f * part[1] * part[2] for f, part in zip(factors, parts, strict=True)]


def _frozen_gets_no_gradient(parts, trained, cached=0):
    return _counted(parts, trained, cached, 2, 2, 6)


def _gradient_to_the_image(parts, trained, cached=0):
    return _counted(parts, trained, cached, 4, 4, 6)


def _all_like_trained(parts, trained, cached=0):
    return _counted(parts, trained, cached, 6, 6, 6)


def _multiplied_alone(parts, trained, cached=0):
    return [cost // 2 for cost in step_flops(parts, trained, cached)]


def _backward_once(parts, trained, cached=0):
    return _counted(parts, trained, cached, 2, 4, 4)


def _from_the_last(parts, trained, cached=0):
    last = max([i for i, part in enumerate(parts) if part[0] in trained], default=len(parts))
    if _first(parts, trained) < cached:
        raise ValueError
    frozen = [
        (0 if i < cached else 4 if i > last else 2) * part[1] * part[2]
        for i, part in enumerate(parts)
    ]
    pairs = zip(parts, frozen, strict=True)
    return [6 * p[1] * p[2] if p[0] in trained else cost for p, cost in pairs]


def _cached_still_runs(parts, trained, cached=0):
    if _first(parts, trained) < cached:
        raise ValueError
    return step_flops(parts, trained)


def _keeps_what_changes(parts, trained, cached=0):
    costs = step_flops(parts, trained)
    return [0 if i < cached else cost for i, cost in enumerate(costs)]


def _one_token(parts, trained, cached=0):
    return step_flops([(name, size, 1) for name, size, _ in parts], trained, cached)


def _something_trains(parts, trained, cached=0):
    min(i for i, part in enumerate(parts) if part[0] in trained)
    return step_flops(parts, trained, cached)


def _cases() -> list[Case]:
    three = [("VPG", 100, 3), ("projector", 10, 2), ("language model", 1_000, 5)]
    four = [("encoder", 300, 9), ("head", 40, 4), ("projector", 6, 4), ("language model", 70, 8)]
    return [
        Case("the projector trains", (three, {"projector"})),
        Case("the projector trains, the VPG is cached", (three, {"projector"}, 1)),
        Case("head and language model train", (four, {"head", "language model"}, 1)),
        Case("the head trains, two parts cached", (four, {"head"}, 2)),
        Case("nothing trains", (three, set())),
    ]


EXERCISE = Exercise(
    objective="08.1",
    title="what a step costs",
    difficulty=2,
    minutes=10,
    contract=(
        "`parts` are the parts of a model in the order in which a picture goes through them. Each "
        "is (name, number of parameters, tokens that it reads). `trained` holds the names of those "
        "that train, all others are frozen.",
        "Count for each parameter and each token: 2 operations forward (multiply, add). Backward 2 "
        "more where the gradient passes through a part, and 2 more for the gradient of a part's "
        "own parameters, if it trains. The gradient runs from the last part back to the first part "
        "that trains, and that part counts as passed through.",
        "What the first `cached` parts give was computed before and kept: they cost nothing. That "
        "cannot be if one of them trains: raise a `ValueError`.",
        "Gives one whole number for each part, in order. Where nothing trains, nothing goes back.",
    ),
    hints=(
        "Frozen is not the same as free. Draw the parts in a row, an arrow forward under all of "
        "them, and an arrow back from the end. Where may the arrow back stop?",
        "Find the place of the first part that trains. If it lies among the cached ones, raise. "
        "Then three questions for each part: does it run forward, does the gradient pass through "
        "it, does it want a gradient of its own? Each yes is 2.",
        "`first = min(places, default=len(parts))` with the places of what trains. Forward: "
        "`0 if i < cached else 2`. Passing: `2 if i >= first else 0`. Own: `2 if name in trained "
        "else 0`. Multiply the sum by parameters and tokens.",
    ),
    solution=step_flops,
    reference=reference,
    cases=_cases,
    run=_run,
    mistakes=(
        Mistake(
            _frozen_gets_no_gradient,
            "the gradient passes through the frozen language model",
            "a frozen part behind what trains was counted forward alone, but the gradient can "
            "reach the projector only through it",
        ),
        Mistake(
            _gradient_to_the_image,
            "the gradient stops at the first part that trains",
            "the gradient was sent back to the image, though nothing there wants one",
        ),
        Mistake(
            _all_like_trained,
            "frozen parts want no gradient of their own",
            "every part was counted as if it trained",
        ),
        Mistake(
            _multiplied_alone,
            "2 operations, a product and a sum",
            "each parameter was counted once a token; it is multiplied and added",
        ),
        Mistake(
            _backward_once,
            "what trains goes back twice",
            "for a part that trains only one of two gradients was counted: that of what it reads, "
            "or that of its own parameters",
        ),
        Mistake(
            _from_the_last,
            "the first part that trains decides",
            "the gradient was stopped at the last part that trains; it goes on to the first",
        ),
        Mistake(
            _cached_still_runs,
            "what is cached costs nothing",
            "cached parts were counted forward, but what they give was only read",
        ),
        Mistake(
            _keeps_what_changes,
            "what trains cannot be cached",
            "a part that changes with every step was taken from the cache, so the model would "
            "read what an older version of itself gave",
        ),
        Mistake(
            _one_token,
            "every token counts",
            "the tokens were left out: a part that reads 257 costs 257 times as much",
        ),
        Mistake(
            _something_trains,
            "a model in which nothing trains has a cost",
            "the first part that trains was looked for where there is none",
        ),
    ),
)
