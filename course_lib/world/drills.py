"""Documents that hold one kind of look-up and nothing else: what is learned last, drilled alone."""

from __future__ import annotations

import numpy as np

from course_lib.world.documents import Piece, answered
from course_lib.world.language import scene_in_words
from course_lib.world.questions import unique_names
from course_lib.world.scene import Scene, Thing, sample_scene


def _two_or_three_things(rng: np.random.Generator, split: str) -> Scene:
    return sample_scene(rng, split, 2 if rng.random() < 0.6 else 3)


def place_drill(
    rng: np.random.Generator, split: str, level: int, both_ways: bool = False
) -> list[Piece]:
    """A scene of two or three things and nothing but the look-up from an attribute to a place.

    Captions do not teach it, though they name every place: their things come in the order of the
    places, so that the next place can be told without looking at the attributes. What decides is
    that the attribute stands right before the place at first: OPT stood at chance after 8,000 steps
    of questions, found the look-up in 150 steps of this drill at level 0, and needed 100 more for
    level 1 and 50 for level 2. Mixed into other documents the same lines taught nothing in 500.

    Args:
        level: 0 says "red top-left", 1 also "the red thing is at top-left", 2 also asks for it.
        both_ways: half of the look-ups go from the place to what stands there.
    """
    known: list = []
    while not known:  # two things may share colour and kind
        scene = _two_or_three_things(rng, split)
        known = unique_names(scene)
    pieces = [Piece(scene_in_words(scene, rng), "bos")]
    for index in rng.permutation(len(known))[:4]:
        form = int(rng.integers(level + 1))
        if both_ways and rng.random() < 0.5:
            thing = scene.things[int(rng.integers(len(scene.things)))]
            pieces += _by_place(thing, form, rng)
        else:
            pieces += _by_name(*known[index], form)
    return pieces


def _by_name(name: str, thing: Thing, form: int) -> list[Piece]:
    if form == 2:
        return answered(f"where is the {name}?", thing.place)
    words = f"the {name} is at" if form else name.removesuffix(" thing")
    return [Piece(words), Piece(thing.place, target=True)]


def _by_place(thing: Thing, form: int, rng: np.random.Generator) -> list[Piece]:
    field = ("colour", "kind", "size")[int(rng.integers(3))]
    value = getattr(thing, field)
    if form == 2:
        asked = "what is" if field == "kind" else f"what {field} is the thing"
        return answered(f"{asked} at {thing.place}?", value)
    if form == 1:
        words, value = f"at {thing.place} there is a", f"{thing.size} {thing.colour} {thing.kind}"
    else:
        words = thing.place if field == "kind" else f"{field} {thing.place}"
    return [Piece(words), Piece(value, target=True)]


def retelling(rng: np.random.Generator, split: str) -> list[Piece]:
    """A scene of two or three things, said again and again in other forms and other orders.

    From "at top-left" on, the words about that thing are a look-up by place; behind "small red 7"
    the place is a look-up by attributes; and one such text holds a dozen of them.
    """
    scene = _two_or_three_things(rng, split)
    pieces = [Piece(scene_in_words(scene, rng), "bos")]
    for _ in range(4):
        form = "lists" if rng.random() < 0.5 else "places_first"
        pieces += [Piece("repeat:"), Piece(scene_in_words(scene, rng, form), target=True)]
    return pieces
