"""Toy questions that an earlier turn is needed for (ability f), by the other abilities they ask.

"It" is the subject of the question right before, "them" the things that it counted, "other" all
but its subject.
"""

from __future__ import annotations

from collections.abc import Iterator

from course_lib.evaluation.owl_eval_kinds import (
    FIELDS,
    SINGLE_TURN,
    Asked,
    Makers,
    about,
    above,
    count,
    digits_of,
    most,
    number_of_sides,
    shapes_of,
    value_of_digit,
)
from course_lib.world.questions import SIDES
from course_lib.world.scene import COLOURS, SIZES, Scene


def _bf(scene: Scene, before: Asked | None) -> Iterator[Asked]:
    it = before.subject if before else None
    if it is None:
        return
    for asked in about(it, "it", "it", set(before.told), tuple(FIELDS)):
        if asked.told > before.told:
            yield asked
    if len(scene.things) == 2:
        (other,) = (thing for thing in scene.things if thing != it)
        yield from about(other, "the other thing", "other", set(), tuple(FIELDS))


def _bef(scene: Scene, before: Asked | None) -> Iterator[Asked]:
    if before is None:
        return
    things = list(before.group)
    for field, names in (("size", SIZES), ("colour", COLOURS)):
        for name in names:
            found = [thing for thing in things if getattr(thing, field) == name]
            if 0 < len(found) < len(things):
                yield count("of them", f"how many of them are {name}?", found)
    it = before.subject
    if it is None or things:
        return
    others = [thing for thing in scene.things if thing != it]
    if others:
        yield count("others", "how many other things are there?", others)
    for field in ("size", "colour"):
        found = [thing for thing in others if getattr(thing, field) == getattr(it, field)]
        if found:
            text = f"how many other things have the same {field} as it?"
            yield count("as it", text, found)


def _cef(scene: Scene, before: Asked | None) -> Iterator[Asked]:
    it = before.subject if before else None
    if it is None or not it.is_digit:
        return
    compared = {thing.kind for thing in before.group}
    for other in digits_of(scene):
        winner = most([it, other], value_of_digit)
        if other.kind not in compared and winner is not None:
            text = f"which number is larger, it or the one at {other.place}?"
            yield Asked("it or", text, "larger", winner.kind, winner)


def _bcef(scene: Scene, before: Asked | None) -> Iterator[Asked]:
    it = before.subject if before else None
    if it is not None and it.is_digit:
        for thing in above(digits_of(scene), it, value_of_digit):
            words = "the number that is larger than it"
            yield from about(thing, words, "above", set(), ("place", "colour"))


def _bdf(scene: Scene, before: Asked | None) -> Iterator[Asked]:
    # Not of a circle, which has none, nor of a star: people count five or ten.
    it = before.subject if before else None
    if it is not None and it.kind in ("square", "triangle"):
        yield Asked("corners", "how many corners has it?", "sides", SIDES[it.kind], it)


def _bdef(scene: Scene, before: Asked | None) -> Iterator[Asked]:
    it = before.subject if before else None
    if it is not None and not it.is_digit:
        for thing in above(shapes_of(scene), it, number_of_sides):
            words = "the thing that has more sides than it"
            yield from about(thing, words, "above", set(), ("place", "colour"))


FOLLOW_UPS: dict[str, Makers] = {
    "bf": _bf,
    "bef": _bef,
    "cef": _cef,
    "bcef": _bcef,
    "bdf": _bdf,
    "bdef": _bdef,
}
MAKERS = SINGLE_TURN | FOLLOW_UPS
