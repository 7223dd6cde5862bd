"""Hidden inputs of notebook 01, where the exercise draws none by chance."""

import random

import torch

from course_lib.teach.task import Case


def cache_bytes(draw: random.Random) -> list[Case]:
    cases = []
    for with_cls in (True, False):
        patch = draw.choice((4, 14, 16))
        sizes = (draw.randint(5, 40), patch * draw.randint(3, 9), patch, 8 * draw.randint(3, 90))
        cases.append(Case("", (*sizes, draw.choice((16, 32, 64)), with_cls)))
    return cases


def patchify(draw: random.Random) -> list[Case]:
    chance = torch.Generator().manual_seed(draw.randrange(2**31))
    cases = []
    for size in (2, 3):
        rows, columns = draw.sample(range(2, 6), 2)
        shape = (draw.randint(2, 3), 3, size * rows, size * columns)
        cases.append(Case("", (torch.randn(*shape, generator=chance), size)))
    return cases


def quadrant_rows(draw: random.Random) -> list[Case]:
    places = [f"{up}-{across}" for up in ("top", "bottom") for across in ("left", "right")]
    return [Case("", (2 * draw.randint(4, 9), place)) for place in places]
