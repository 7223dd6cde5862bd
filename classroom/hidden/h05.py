"""Hidden inputs of notebook 05, where the exercise draws none by chance."""

import random

import torch

from course_lib.teach.task import Case


def document_labels(draw: random.Random) -> list[Case]:
    cases = []
    for length in (3, 4):
        start, tag, end, *words = draw.sample(range(3, 90), 12)
        chunks = []
        for number in range(length):
            given = draw.sample(words, draw.randint(1, 3))
            said = draw.sample(words, draw.randint(1, 3))
            chunks.append((draw.randint(0, 2), given, said, number % 2 == length % 2))
        chunks[-1] = (1, draw.sample(words, 2), [], True)
        cases.append(Case("", (chunks, start, tag, end)))
    return cases


def few_shot_prompt(draw: random.Random) -> list[Case]:
    asked = ["how many?", "which colour?", "is it even?", "how large?", "where is it?"]
    said = ["three", "green", "no", "small", "bottom-right"]
    images = [f"{number}.png" for number in draw.sample(range(10, 99), 6)]
    pairs = list(zip(images, draw.sample(asked, 5), draw.sample(said, 5), strict=False))
    query = (images[5], draw.choice(asked))
    shown = [(pairs, query, shots) for shots in (0, 3, 5)]
    too_few = [(pairs[:3], query, 4), (pairs[:1], query, 0)]
    return [Case("", args) for args in (*shown, *too_few)]


def layer_places(draw: random.Random) -> list[Case]:
    every = draw.randint(3, 7)
    blocks = every * draw.randint(3, 6)
    shown = [(blocks, every, every - 1), (blocks + 1, every, 0), (blocks + every - 1, every, 1)]
    refused = [(every, every + draw.randint(1, 9), 0), (blocks, 0, 0), (blocks, -every, 0)]
    return [Case("", args) for args in (*shown, *refused)]


def seen_image(draw: random.Random) -> list[Case]:
    signs = [draw.choice(".I") for _ in range(9)]
    texts = [[".", *signs, "I", "I", "."], ["I", *signs, "."]]
    return [Case("", (torch.tensor([sign == "I" for sign in text]),)) for text in texts]
