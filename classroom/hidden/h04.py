"""Hidden inputs of notebook 04, where the exercise draws none by chance."""

import random

import torch

from course_lib.teach.exercises import e04_greedy, e04_train_only, e04_what_stays
from course_lib.teach.task import Case


def greedy(draw: random.Random) -> list[Case]:
    model, embed, words = e04_greedy._logits_of, e04_greedy._embed, e04_greedy.WORDS
    cases = []
    for _ in range(4):
        prompt = [draw.randrange(1, words) for _ in range(draw.randint(4, 7))]
        shown = embed(torch.tensor([prompt]))
        cases.append(Case("", (model, embed, shown, draw.randrange(words), draw.randint(7, 9))))
    return cases


def picture_adds(draw: random.Random) -> list[Case]:
    names = [draw.choice(("colour", "sides", "size", "where")) for _ in range(23)]
    seeing, blind = ([draw.random() < share for _ in names] for share in (0.7, 0.4))
    return [Case("", (names, seeing, blind)), Case("", (names, blind, seeing))]


def read_and_say(draw: random.Random) -> list[Case]:
    def rows(least: int) -> list[list[int]]:
        return [[draw.randint(10, 90) for _ in range(draw.randint(least, 9))] for _ in range(3)]

    prompts, captions = rows(3), rows(1)
    eos = draw.randint(2, 9)
    return [
        Case("", (prompts, captions, eos, 1, False)),
        Case("", (prompts, captions, eos, 0, True)),
        Case("", (captions, prompts, eos, eos, False)),
    ]


def train_only(draw: random.Random) -> list[Case]:
    model, parts = e04_train_only._model, list(e04_train_only.PARTS)
    cases = [Case("", (model(draw.randrange(999)), tuple(draw.sample(parts, 2))))]
    cases.append(Case("", (model(3), tuple(draw.sample(parts, 3)))))
    cases.append(Case("", (model(4), ("language.words", "head"))))
    return cases


def what_stays(draw: random.Random) -> list[Case]:
    layers = draw.choice((2, 4, 5))
    return [Case("", (e04_what_stays._trained(layers, seed=draw.randrange(999)),))]
