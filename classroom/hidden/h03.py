"""Hidden inputs of notebook 03, where the exercise draws none by chance."""

import random

import torch

from course_lib.teach.task import Case


def first_hits(draw: random.Random) -> list[Case]:
    chance = torch.Generator().manual_seed(draw.randrange(2**31))
    cases = []
    for size in (7, 11):
        own = torch.eye(size) * torch.rand(size, generator=chance)[:, None]
        cases.append(Case("", (torch.rand(size, size, generator=chance) + own,)))
    return cases


def itg_mask(draw: random.Random) -> list[Case]:
    return [Case("", (draw.randint(2, 5), draw.randint(6, 9))), Case("", (draw.randint(6, 9), 2))]


def moves_along(draw: random.Random) -> list[Case]:
    chance = torch.Generator().manual_seed(draw.randrange(2**31))
    mixer = torch.randn(6, 6, generator=chance)

    def alike(queries):
        return torch.tanh(queries @ mixer)

    def aware(queries):
        return queries.softmax(dim=0) @ mixer

    def counts(queries):
        return queries * torch.arange(1, len(queries) + 1)[:, None]

    def first(queries):
        return queries + queries[:1]

    cases = []
    for run in draw.sample([alike, aware, counts, first], 4):
        order = torch.tensor([4, 0, 3, 1, 2])
        cases.append(Case("", (run, torch.randn(5, 6, generator=chance), order)))
    return cases
