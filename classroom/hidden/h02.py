"""Hidden inputs of notebook 02, where the exercise draws none by chance."""

import random

import torch

from course_lib.teach.task import Case


def _masks(draw: random.Random, rows: int) -> torch.Tensor:
    """Draws rows of 1 with padding in front or behind."""
    width = draw.randint(6, 9)
    mask = torch.ones(rows, width, dtype=torch.long)
    for row in range(1, rows):
        pads = draw.randint(1, width - 2)
        if row % 2:
            mask[row, :pads] = 0
        else:
            mask[row, -pads:] = 0
    return mask


def causal_mask(draw: random.Random) -> list[Case]:
    return [Case("", (_masks(draw, rows),)) for rows in (2, 3)]


def opt_positions(draw: random.Random) -> list[Case]:
    return [Case("", (_masks(draw, rows),)) for rows in (2, 3)]


def decoder_reads(draw: random.Random) -> list[Case]:
    labels = torch.tensor([[draw.randint(4, 60) for _ in range(7)] for _ in range(3)])
    labels[1, draw.randint(2, 5) :] = -100
    labels[2, 4:] = -100
    return [Case("", (labels, draw.randint(61, 70), draw.randint(0, 3)))]


def reads_context(draw: random.Random) -> list[Case]:
    colours = ["red", "blue", "green", "black", "white"]
    items = [(f"small {c} {n}", "what colour is it?", c) for n, c in enumerate(colours)]
    known = {f"small {colour} {number}" for number, colour in enumerate(colours[:3])}

    def answer(context: str, question: str) -> str:
        return context.split()[1] if context in known else "red"

    drawn = [draw.choice(items) for _ in range(draw.randint(8, 13))]
    return [Case("", (answer, [*items, *drawn])), Case("", (answer, [*drawn, *items[::-1]]))]


def t5_bucket(draw: random.Random) -> list[Case]:
    offsets = torch.tensor([draw.randint(-300, 300) for _ in range(40)])
    few = torch.tensor([draw.randint(-90, 90) for _ in range(40)])
    return [Case("", (offsets.view(5, 8),)), Case("", (few, 12, 50))]
