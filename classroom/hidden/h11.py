"""Hidden inputs of notebook 11, where the exercise draws none by chance."""

import random

from course_lib.teach.task import Case


def above_blind(draw: random.Random) -> list[Case]:
    cases = []
    for asked in (40, 150, 600):
        kinds = draw.sample(["colour", "kind", "size", "where", "is_there", "parity"], 5)
        blind = {kind: draw.uniform(0.2, 0.6) for kind in kinds}
        gains = (0.3, 0.11, 0.06, 0.02, -0.03)
        seen = {k: blind[k] + gain for k, gain in zip(kinds, gains, strict=True)}
        cases.append(Case("", (seen, blind, asked)))
    return cases


def inherited_cost(draw: random.Random) -> list[Case]:
    cases = []
    for _ in range(3):
        names = [f"run {number}" for number in range(7)]
        links = {name: () for name in names[:2]}
        for place in range(2, 7):
            links[names[place]] = tuple(draw.sample(names[:place], draw.randint(1, 2)))
        # Two ways to one run, and one that nobody needs.
        links |= {names[5]: (names[3], names[4]), "alone": ()}
        cost = {name: float(draw.randint(10, 900)) for name in links}
        cases.append(Case("", (names[5], links, cost)))
    return cases


def mean_over_types(draw: random.Random) -> list[Case]:
    cases = []
    for _ in range(3):
        kinds = draw.sample(["colour", "kind", "size", "where", "sides"], 3)
        counts = {kind: (draw.randint(1, 4), draw.randint(5, 9)) for kind in kinds}
        answers = [(k, n < right) for k, (right, asked) in counts.items() for n in range(asked)]
        draw.shuffle(answers)
        cases.append(Case("", (answers,)))
    return cases


def pareto_front(draw: random.Random) -> list[Case]:
    cases = []
    for _ in range(4):
        names = draw.sample("ABCDEFGHIJ", 8)
        models = {n: (float(draw.randint(1, 6)), draw.randint(2, 7) / 10) for n in names}
        cases.append(Case("", (models,)))
    return cases


def rank_flip(draw: random.Random) -> list[Case]:
    cases = []
    for _ in range(6):
        at = sorted(draw.sample(range(50, 900), 4))
        curves = {n: [(s, draw.uniform(0.1, 0.9)) for s in at] for n in ("p", "q", "r")}
        inherited = {"p": float(draw.randint(100, 600)), "q": 0.0, "r": float(at[0])}
        cases.append(Case("", (curves, inherited, draw.choice((at[1], at[2] + 10, at[3] + 300)))))
    return cases


def shared_ranks(draw: random.Random) -> list[Case]:
    cases = []
    for asked in (100, 400, 2_000):
        first = draw.randint(asked // 3, asked // 2)
        step = round(1.2 * asked**0.5)
        right = {name: first + place * step // 2 for place, name in enumerate("ABCDE")}
        cases.append(Case("", (right, asked)))
    return cases


def steps_in_seconds(draw: random.Random) -> list[Case]:
    cases = []
    for warm in (1, 2, 3):
        gaps = [draw.uniform(2, 4) for _ in range(warm)]
        gaps += [draw.uniform(0.2, 0.9) for _ in range(5)]
        clock = tuple(sum(gaps[: place + 1]) for place in range(len(gaps)))
        cases.append(Case("", (clock, warm, draw.uniform(20, 60))))
    return cases
