"""Hidden inputs of notebook 09, where the exercise draws none by chance."""

import random

import torch

from course_lib.teach.task import Case


def frame_prompt(draw: random.Random) -> list[Case]:
    def ids() -> list[int]:
        return [draw.randint(20, 90) for _ in range(draw.randint(2, 5))]

    cases = []
    for count in (3, 6):
        times = draw.sample([0.5 * step for step in range(30)], count)
        frames = [(time, draw.randint(0, 9)) for time in times]
        cases.append(Case("", (ids(), frames, ids(), draw.randint(3, 5), 9)))
    return cases


def join_answers(draw: random.Random) -> list[Case]:
    numbers = draw.sample(range(10, 99), 6)
    questions = [
        {"question_id": n, "image": f"{n}.jpg", "question": f"what is {n}?", "ability": "a,c"}
        for n in numbers
    ]
    answers = [
        {"question_id": n, "image": f"{n}.png", "question": "?", "answer": f"it is {index}"}
        for index, n in enumerate(draw.choices(numbers, k=5))
    ]
    return [Case("", (questions, answers))]


def joint_mean(draw: random.Random) -> list[Case]:
    cases = []
    for parts in (3, 5):
        losses: list[float | None] = [draw.uniform(0.2, 6.0) for _ in range(parts)]
        words = [draw.randint(1, 40) for _ in range(parts)]
        losses[-1], words[-1] = (None, 0) if parts == 5 else (losses[-1], words[-1])
        cases.append(Case("", (losses, words)))
    return cases


def lora_merge(draw: random.Random) -> list[Case]:
    chance = torch.Generator().manual_seed(draw.randrange(2**31))
    cases = []
    for out, wide, rank in ((5, 3, 2), (4, 6, 3)):
        shapes = ((out, wide), (rank, wide), (out, rank))
        tensors = [torch.randint(-4, 5, s, generator=chance).float() for s in shapes]
        cases.append(Case("", (*tensors, float(rank * draw.randint(1, 5)))))
    return cases


def share_of_grades(draw: random.Random) -> list[Case]:
    rows = [
        {
            "question_id": number,
            "ability": ",".join(sorted(draw.sample("abcdef", draw.randint(1, 3)))),
            "rating": draw.choice(("A", "B", "C", "D", None)),
        }
        for number in range(25)
    ]
    return [Case("", (rows,)), Case("", (rows[:9],))]


def who_trains(draw: random.Random) -> list[Case]:
    layer = f"language.model.layers.{draw.randint(1, 30)}"
    ends = ("weight", "lora_A", "lora_B")
    projections = [f"{layer}.self_attn.{p}_proj.{end}" for p in "qkvo" for end in ends]
    others = ["vpg.head.norm.bias", "vpg.encoder.conv.weight", "projector.bias", "language.norm"]
    names = draw.sample([*projections, *others, "vpg.heads.weight"], 14)
    return [Case("", (names, stage)) for stage in (1, 2)]
