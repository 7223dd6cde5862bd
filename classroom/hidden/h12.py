"""Hidden inputs of notebook 12, where the exercise draws none by chance."""

import random

import torch

from course_lib.teach.task import Case


def ddp_factors(draw: random.Random) -> list[Case]:
    cases = []
    for processes in (2, 3, 5):
        words = [[draw.randint(0, 30) for _ in range(draw.randint(1, 4))] for _ in range(processes)]
        words[draw.randrange(processes)].append(draw.randint(1, 9))
        cases.append(Case("", (words,)))
    return [*cases, Case("", ([[0], [0, 0], [0]],))]


def fit_batch(draw: random.Random) -> list[Case]:
    cases = []
    for gpus in (2, 3, 8):
        own = draw.choice((30, 42, 60, 66))
        cases.append(Case("", (gpus * own, gpus, draw.randint(4, 14))))
        cases.append(Case("", (gpus * own + 1, gpus, draw.randint(4, 14))))
    return [*cases, Case("", (draw.choice((24, 48)), 2, 0))]


def memory_bytes(draw: random.Random) -> list[Case]:
    cases = []
    for shards in (1, 2, 8):
        frozen, trained = (8 * draw.randint(10, 9_999) for _ in range(2))
        cases.append(
            Case("", (frozen, trained, 8 * draw.randint(3, 99), draw.randint(2, 9), shards))
        )
    return cases


def own_portions(draw: random.Random) -> list[Case]:
    cases = []
    for world in (2, 5, 8):
        each, done = draw.randint(1, 4), draw.randint(1, 90)
        cases.append(
            Case("", (done * each, draw.randrange(world), world, each, draw.randint(2, 4)))
        )
    return cases


def pack_sight(draw: random.Random) -> list[Case]:
    rows = []
    for _ in range(3):
        row = [number for number in range(1, 5) for _ in range(draw.randint(1, 4))][:12]
        rows.append(row + [0] * (14 - len(row)))
    return [Case("", (torch.tensor(rows),)), Case("", (torch.tensor(rows[:1]),))]


def run_hours(draw: random.Random) -> list[Case]:
    cases = []
    for batch, gpus in ((draw.randint(11, 40), 4), (draw.randint(9, 30), 8), (5, 16)):
        flops, speed = draw.uniform(1, 9), draw.uniform(1, 9)
        images, rate = draw.uniform(0.2, 3), draw.uniform(0.5, 4)
        steps = draw.randint(500, 5_000)
        cases.append(Case("", (steps, batch, gpus, flops, images, speed, rate)))
    return cases


def vqa_score(draw: random.Random) -> list[Case]:
    words = ["red", "dark red", "green", "left", "two dogs"]
    cases = []
    for matches in range(6):
        answer, *others = draw.sample(words, 4)
        people = [answer] * matches + [draw.choice(others) for _ in range(10 - matches)]
        draw.shuffle(people)
        cases.append(Case("", (answer, people)))
    return cases
