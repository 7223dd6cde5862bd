"""Hidden inputs of notebook 08, where the exercise draws none by chance."""

import json
import random

from course_lib.teach.exercises import e08_describe_long, e08_prompt_tokens
from course_lib.teach.task import Case


def curated_labels(draw: random.Random) -> list[Case]:
    cases = []
    for end in ([2], [77, 78]):
        prompt = [draw.randint(10, 40) for _ in range(draw.randint(4, 8))]
        answers = [[draw.randint(50, 70) for _ in range(draw.randint(1, 6))] for _ in range(5)]
        cases.append(Case("", (prompt, answers, end, draw.randint(4, 6), draw.choice((0, 2)))))
    return cases


def describe_long(draw: random.Random) -> list[Case]:
    texts = ["a small square.", "two stars, one red.", "a large 4 at the top.", "nothing much."]
    cases = []
    for short in (4, 6, 9):
        first, more = ((draw.choice(texts), draw.randint(3, 11)) for _ in range(2))
        cases.append(Case("", (e08_describe_long._model(first, more), "describe it.", short)))
    return cases


def first_loop(draw: random.Random) -> list[Case]:
    cases = []
    for times in (2, 3, 4):
        stretch = draw.sample(["left", "of", "a", "blue", "five", "there"], draw.randint(1, 4))
        before = draw.sample(["it", "was", "said", "that"], draw.randint(0, 3))
        cases.append(Case("", ([*before, *stretch * times, "and", *stretch],)))
    return cases


def keep_decided(draw: random.Random) -> list[Case]:
    images = draw.sample(range(50, 999), 6)
    proposals = {str(image): f"caption {image}." for image in images}

    def line(image: int) -> str:
        row = {"image_id": str(image), "decision": draw.choice(("accept", "edit", "reject"))}
        return json.dumps(row | ({"caption": "mine."} if row["decision"] == "edit" else {}))

    lines = [json.dumps({"image_id": str(images[0]), "decision": "accept"})]
    lines += [line(image) for image in images[1:5]]
    again = [*lines, line(images[draw.randint(1, 4)])]
    broken = [*lines, line(images[5])[:-6]]
    return [Case("", ("\n".join(rows), dict(proposals))) for rows in (lines, again, broken)]


def made_up_share(draw: random.Random) -> list[Case]:
    def thing() -> dict[str, str]:
        return {
            "size": draw.choice(("small", "large")),
            "colour": draw.choice(("red", "blue", "green")),
            "kind": draw.choice(("star", "square", "7", "circle")),
            "place": draw.choice(("top-left", "top-right", "bottom-left")),
        }

    def named() -> dict[str, str]:
        keys = draw.sample(["size", "colour", "kind", "place"], draw.randint(2, 4))
        return {key: value for key, value in thing().items() if key in keys}

    def scenes(make, least: int) -> list[list[dict[str, str]]]:
        return [[make() for _ in range(draw.randint(least, 3))] for _ in range(7)]

    return [Case("", (scenes(named, 0), scenes(thing, 1))) for _ in range(2)]


def prompt_tokens(draw: random.Random) -> list[Case]:
    wishes = ["list all of it.", "is <ImageHere> typed?", "how many are red?", "{} or what?"]
    shapes = ["Human: <ImageHere> {} AI:", "{} <Img><ImageHere></Img>AI:", "look <ImageHere>: {}"]
    tokens_of = e08_prompt_tokens.tokens_of
    return [
        Case("", (draw.choice(shapes), wish, tokens_of, draw.randint(4, 7)))
        for wish in draw.sample(wishes, 3)
    ]


def step_flops(draw: random.Random) -> list[Case]:
    names = ["encoder", "head", "projector", "language model"]
    cases = []
    for cached in (0, 1, 2):
        parts = [(name, draw.randint(5, 900), draw.randint(2, 30)) for name in names]
        cases.append(Case("", (parts, set(draw.sample(names, draw.randint(1, 3))), cached)))
    cases.append(Case("", (parts, {"language model"}, 3)))
    return cases
