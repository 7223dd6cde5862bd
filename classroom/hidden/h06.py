"""Hidden inputs of notebook 06, where the exercise draws none by chance."""

import random

from course_lib.instructions.teacher import Turn
from course_lib.teach.task import Case


def boxes_to_symbols(draw: random.Random) -> list[Case]:
    cases = []
    for width, height in ((640, 427), (333, 500)):
        boxes = [
            (
                draw.uniform(-9, width - 40),
                draw.uniform(-9, height - 40),
                draw.uniform(10, 90),
                draw.uniform(10, 90),
            )
            for _ in range(3)
        ]
        names = draw.sample(["sofa", "cat", "traffic light", "cup", "horse"], 3)
        cases.append(Case("", (list(zip(names, boxes, strict=True)), width, height)))
    return cases


def shares_of_mix(draw: random.Random) -> list[Case]:
    mixes = [tuple(draw.randint(1, 90) for _ in range(3)) for _ in range(4)]
    return [Case("", (draw.randint(11, 400), mix)) for mix in mixes]


def split_held_out(draw: random.Random) -> list[Case]:
    facts = [f"parity of {number}" for number in range(6)]
    held = frozenset(draw.sample(facts, 3))
    turns = [
        Turn(f"question {index}?", "so it is.", facts=tuple(draw.sample(facts, draw.randint(0, 3))))
        for index in range(14)
    ]
    sure = [Turn("a sure one?", "yes.", facts=tuple(sorted(held)[:2]))]
    return [Case("", ([*turns, *sure], held))]


def read_turns(draw: random.Random) -> list[Case]:
    words = ["one", "two", "three", "a cat", "the sofa", "it is blue", "nothing"]

    def talk(turns: int) -> list[str]:
        lines = []
        for _ in range(turns):
            lines += [f"Question: {draw.choice(words)}?", f"Answer:   {draw.choice(words)}. "]
            lines += draw.sample(["", "====", draw.choice(words)], 2)
        return lines

    bad = [*talk(2), "Question: left alone?"]
    start = ["here you are", *talk(2)]
    return [Case("", ("\n".join(lines),)) for lines in (talk(4), start, bad)]


def leaks(draw: random.Random) -> list[Case]:
    tells = ["Captions", "a box", ".25", "0.75,", "1.00", "coordinates", "BOXES", "coordinate"]
    plain = ["boxer", "12.5", "3", "captioned", "1.5", "sandbox", "20.0", "nothing", "at 9."]
    return [Case("", (" ".join(draw.sample([*tells, *plain], 12)),)) for _ in range(4)]


def stays_within(draw: random.Random) -> list[Case]:
    cases = []
    for _ in range(5):
        most = [draw.randint(5, 60) for _ in range(9)]
        asked = [(m, None if draw.random() < 0.2 else draw.randint(0, m)) for m in most]
        cases.append(Case("", (draw.randint(60, 220), asked)))
    return cases


def blind_scores(draw: random.Random) -> list[Case]:
    def rows(count: int, groups: str) -> list[tuple[str, str]]:
        return [(draw.choice(groups), draw.choice(("yes", "no", "red", "7"))) for _ in range(count)]

    return [Case("", (rows(25, "abcd"), rows(15, "abcde"))) for _ in range(2)]
