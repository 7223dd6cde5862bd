"""Nine types of question with exact answers, and the knowledge that some of them need.

What no image states ("seven is odd", "a triangle has three sides") has to come from the language
model. So a score on `parity` or `sides` measures what the language model adds to the picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from course_lib.world.language import NUMBER_WORDS
from course_lib.world.scene import COLOURS, DIGITS, KINDS, Scene, Thing

SIDES = {"circle": "zero", "triangle": "three", "square": "four", "star": "ten"}


def parity(digit: str) -> str:
    """Returns "odd" or "even"."""
    return "odd" if int(digit) % 2 else "even"


@dataclass(frozen=True)
class Question:
    """A question about a scene, its type and its one right answer."""

    type: str
    text: str
    answer: str


Maker = Callable[[Scene, np.random.Generator], Question | None]


def _pick(rng: np.random.Generator, items: list | tuple):
    return items[int(rng.integers(len(items)))] if len(items) else None


def _colour(scene: Scene, rng: np.random.Generator) -> Question:
    thing = _pick(rng, scene.things)
    return Question("colour", f"what colour is the thing at {thing.place}?", thing.colour)


def _kind(scene: Scene, rng: np.random.Generator) -> Question:
    thing = _pick(rng, scene.things)
    return Question("kind", f"what is at {thing.place}?", thing.kind)


def _size(scene: Scene, rng: np.random.Generator) -> Question:
    thing = _pick(rng, scene.things)
    return Question("size", f"what size is the thing at {thing.place}?", thing.size)


def unique_names(scene: Scene) -> list[tuple[str, Thing]]:
    """Returns each colour and kind that names exactly one thing, as words of a question."""
    found = []
    for field, words in (("colour", "{} thing"), ("kind", "{}")):
        values = [getattr(thing, field) for thing in scene.things]
        found += [
            (words.format(value), thing)
            for value, thing in zip(values, scene.things, strict=True)
            if values.count(value) == 1
        ]
    return found


def _where(scene: Scene, rng: np.random.Generator) -> Question | None:
    chosen = _pick(rng, unique_names(scene))
    if chosen is None:
        return None
    words, thing = chosen
    return Question("where", f"where is the {words}?", thing.place)


def _is_there(scene: Scene, rng: np.random.Generator) -> Question:
    """Half of the answers are yes; a "no" asks for a colour or kind that the scene lacks."""
    field, names, words = (
        ("colour", COLOURS, "{} thing") if rng.random() < 0.5 else ("kind", KINDS, "{}")
    )
    present = sorted({getattr(thing, field) for thing in scene.things})
    yes = rng.random() < 0.5
    value = _pick(rng, present if yes else [name for name in names if name not in present])
    return Question("is_there", f"is there a {words.format(value)}?", "yes" if yes else "no")


def _how_many(scene: Scene, rng: np.random.Generator) -> Question:
    return Question("how_many", "how many things are there?", NUMBER_WORDS[len(scene.things)])


def _larger(scene: Scene, rng: np.random.Generator) -> Question | None:
    numbers = sorted({thing.kind for thing in scene.things if thing.kind in DIGITS}, key=int)
    if len(numbers) < 2:
        return None
    return Question("larger", "which number is the largest?", numbers[-1])


def _parity(scene: Scene, rng: np.random.Generator) -> Question | None:
    thing = _pick(rng, [thing for thing in scene.things if thing.is_digit])
    if thing is None:
        return None
    return Question("parity", f"is the number at {thing.place} odd or even?", parity(thing.kind))


def _sides(scene: Scene, rng: np.random.Generator) -> Question | None:
    thing = _pick(rng, [thing for thing in scene.things if not thing.is_digit])
    if thing is None:
        return None
    return Question("sides", f"how many sides has the thing at {thing.place}?", SIDES[thing.kind])


MAKERS: dict[str, Maker] = {
    "colour": _colour,
    "kind": _kind,
    "size": _size,
    "where": _where,
    "is_there": _is_there,
    "how_many": _how_many,
    "larger": _larger,
    "parity": _parity,
    "sides": _sides,
}
QUESTION_TYPES = tuple(MAKERS)


def ask(scene: Scene, rng: np.random.Generator, type: str | None = None) -> Question | None:
    """Asks one question.

    Args:
        type: a key of `MAKERS`; None draws one that this scene can answer.

    Returns:
        The question, or None where the scene has no answer to this type.
    """
    if type is not None:
        return MAKERS[type](scene, rng)
    for index in rng.permutation(len(MAKERS)):
        question = MAKERS[QUESTION_TYPES[index]](scene, rng)
        if question is not None:
            return question
    raise AssertionError("colour, kind and size can be asked of every scene")


def balanced_questions(
    scenes: list[Scene], per_type: int, rng: np.random.Generator
) -> list[tuple[int, Question]]:
    """Asks `per_type` questions of every type, going through the scenes in order.

    Returns:
        (index of the scene, question) pairs, type after type.

    Raises:
        ValueError: if the scenes cannot answer that many questions of some type.
    """
    asked = []
    for type in QUESTION_TYPES:
        found = []
        for index, scene in enumerate(scenes):
            question = ask(scene, rng, type)
            if question is not None:
                found.append((index, question))
            if len(found) == per_type:
                break
        if len(found) < per_type:
            raise ValueError(
                f"{len(scenes)} scenes hold {len(found)} questions of type {type!r}, "
                f"{per_type} are wanted: give more scenes or ask for fewer questions."
            )
        asked += found
    return asked
