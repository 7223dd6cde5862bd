"""Hidden inputs of notebook 07, where the exercise draws none by chance."""

import random

import torch

from course_lib.teach.exercises import e07_find_mismatch, e07_rename_keys
from course_lib.teach.task import Case


def answer_labels(draw: random.Random) -> list[Case]:
    def ids(least: int = 1) -> list[int]:
        return [draw.randint(40, 99) for _ in range(draw.randint(least, 5))]

    cases = []
    for rounds in (2, 3):
        name, stop = ("name", [30, 31]), ("stop", [draw.randint(2, 7)])
        pieces = [("start", [1]), ("system", ids())]
        for number in range(rounds):
            image = [("image", [9])] if number == 0 else []
            pieces += [*image, ("human", ids()), name, ("answer", ids()), stop]
        cases.append(Case("", (pieces, draw.randint(5, 8))))
    return cases


def chat_string(draw: random.Random) -> list[Case]:
    words = ["why?", "is it a star?", "it is blue.", "no.", "what else?", "a seven."]
    shown = draw.choice(("look here\n<image>", "<image>\nlook here", "is <image> this new?"))
    return [
        Case("", (draw.choice(("Listen.", "Say little.")), [shown, *draw.sample(words, count)]))
        for count in (1, 2, 3)
    ]


def cut_at_turn(draw: random.Random) -> list[Case]:
    cases = []
    for _ in range(5):
        ids, labels = [1], [-100]
        for _ in range(4):
            question = [draw.randint(10, 99) for _ in range(draw.randint(1, 4))]
            answer = [*[draw.randint(10, 99) for _ in range(draw.randint(1, 4))], 2]
            ids, labels = ids + question + answer, labels + [-100] * len(question) + answer
        cases.append(Case("", (ids, labels, draw.randint(6, len(ids)))))
    return cases


def find_mismatch(draw: random.Random) -> list[Case]:
    asks = ["what is left of it?", "is it small?", "name it.", "how many stars are there?"]
    says = ["seven.", "it is a small blue star.", "two of them.", "nothing at all."]
    cases = []
    for tokenize in e07_find_mismatch.tokenizers().values():
        rounds = [
            f"USER: {draw.choice(asks)} ASSISTANT: {draw.choice(says)}</s>"
            for _ in range(draw.randint(2, 4))
        ]
        cases.append(Case("", ("Listen well. " + "".join(rounds), tokenize)))
    return cases


def rename_keys(draw: random.Random) -> list[Case]:
    e = e07_rename_keys
    ends = ["norm.bias", "layers.3.mlp.up_proj.weight", "layers.11.fc2.weight", "embed.weight"]
    begins = [e.LANGUAGE, e.VISION, e.VISION_4_52, "language_model.lm_head."]
    chance = torch.Generator().manual_seed(draw.randrange(2**31))
    cases = []
    for _ in range(2):
        names = [f"{begin}{draw.choice(ends)}" for begin in draw.sample(begins, 3)]
        names += ["model.language_model.norm.weight", f"{e.PROJECTOR}linear_1.bias"]
        cases.append(Case("", ({n: torch.randn(3, 5, generator=chance) for n in names},)))
    return cases
