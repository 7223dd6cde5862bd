"""Hidden inputs of notebook 10, where the exercise draws none by chance."""

import random

from course_lib.teach.exercises import e10_frozen_mode, e10_inherit_keys
from course_lib.teach.task import Case


def frozen_mode(draw: random.Random) -> list[Case]:
    parts = ["encoder", "head", "projector", "language"]
    chosen = [("encoder", "language.0"), tuple(draw.sample(parts, 3)), ("head.1",)]
    return [Case("", (e10_frozen_mode._model(names),)) for names in chosen]


def inherit_keys(draw: random.Random) -> list[Case]:
    model, seed = e10_inherit_keys._model, draw.randrange(10**6)
    return [
        Case("", (model(seed, 6, layers=4), model(seed + 1, 9, layers=4))),
        Case("", (model(seed + 2, 6, layers=1), model(seed + 3, 6, layers=1))),
    ]


def lr_of_step(draw: random.Random) -> list[Case]:
    warmup, total = draw.randint(5, 20), draw.randint(30, 90)
    numbers = {"warmup": warmup, "total": total, "rate": draw.uniform(1, 9), "last": 0.5}
    steps = (warmup - 1, warmup, draw.randint(warmup + 1, total - 2), total - 1)
    return [Case("", (step,), numbers) for step in steps]


def pair_words(draw: random.Random) -> list[Case]:
    words = ["a", "large", "green", "seven", "is", "left", "of", "it"]
    source, target = [], []
    for number in range(7):
        said = draw.sample(words, draw.randint(2, 5))
        cut = [word.upper() for word in said]
        if number % 3 == 2:
            cut = [cut[0], *cut]
        source.append(["<s>", *said])
        target.append([*cut, "</s>"])
    return [Case("", (source, target, {"<s>", "</s>"}))]


def speed_up(draw: random.Random) -> list[Case]:
    cases = []
    for _ in range(4):
        samples = sorted(draw.sample(range(50, 2000), 6))
        scratch, transfer = ([draw.uniform(0.1, 0.9) for _ in samples] for _ in range(2))
        cases.append(Case("", (samples, scratch, transfer, draw.uniform(0.4, 0.7))))
    return cases
