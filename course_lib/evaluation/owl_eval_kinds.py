"""Toy questions by the abilities that they ask for, in the letters of OwlEval.

What each letter stands for in the toy world (mPLUG-Owl names them in section 4.2):

- a, instruction understanding: every question;
- b, visual understanding: shapes, colours, sizes and places have to be seen;
- c, reading: a handwritten digit has to be read;
- d, knowledge: a fact that no picture states, such as how many sides a star has or what is odd;
- e, reasoning: several things have to be compared or counted;
- f, multi-turn dialogue: "it", "them" or "other" means what was talked about right before.

A third has the wording of `world.questions`, which the toy models are taught; the others combine
the same words as no training text does. What needs an earlier turn is in `owl_eval_follow_ups`.
The tables leave "a" out, since every question has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from course_lib.evaluation.owl_eval import DETAIL
from course_lib.instructions.toy_rules import DETAIL_QUESTIONS
from course_lib.world.language import NUMBER_WORDS
from course_lib.world.questions import SIDES, parity
from course_lib.world.scene import COLOURS, SHAPES, SIZES, Scene, Thing


@dataclass(frozen=True)
class Asked:
    """One question of a dialogue.

    Args:
        variant: name of the wording, so that wordings can take turns.
        text: the question.
        kind, key: of the right answer, see `toy_answers.score_answer`.
        subject: what "it" means in the next question, None where it means nothing.
        told: fields of the subject that question and answer give away.
        group: what "them" means in the next question.
    """

    variant: str
    text: str
    kind: str
    key: str
    subject: Thing | None = None
    told: frozenset[str] = frozenset()
    group: tuple[Thing, ...] = ()


Makers = Callable[[Scene, Asked | None], Iterator[Asked]]
FIELDS = {"colour": "what colour is {}?", "size": "what size is {}?", "place": "where is {}?"}
_KIND_OF = {"colour": "colour", "size": "size", "place": "where"}


def about(
    thing: Thing, words: str, variant: str, named: set[str], fields: tuple[str, ...]
) -> Iterator[Asked]:
    """Asks for fields of one thing that the words do not name."""
    for name in fields:
        key, told = getattr(thing, name), frozenset({*named, name})
        text = FIELDS[name].format(words)
        yield Asked(f"{variant} {name}", text, _KIND_OF[name], key, thing, told)


def count(variant: str, text: str, things: list[Thing]) -> Asked:
    return Asked(variant, text, "how_many", NUMBER_WORDS[len(things)], group=tuple(things))


def unlike(things: list[Thing], field: str) -> Iterator[Thing]:
    """Yields the things that nothing else shares a field with."""
    values = [getattr(thing, field) for thing in things]
    yield from (thing for thing in things if values.count(getattr(thing, field)) == 1)


def digits_of(scene: Scene) -> list[Thing]:
    return [thing for thing in scene.things if thing.is_digit]


def shapes_of(scene: Scene) -> list[Thing]:
    return [thing for thing in scene.things if not thing.is_digit]


def number_of_sides(thing: Thing) -> int:
    return NUMBER_WORDS.index(SIDES[thing.kind])


def most(things: list[Thing], measure: Callable[[Thing], int]) -> Thing | None:
    """Returns the thing of the largest measure, None where it has no rival or an equal."""
    ordered = sorted(things, key=measure)
    unique = len(ordered) > 1 and measure(ordered[-1]) > measure(ordered[-2])
    return ordered[-1] if unique else None


def above(things: list[Thing], it: Thing, measure: Callable[[Thing], int]) -> Iterator[Thing]:
    """Yields the one thing whose measure is larger, where there is exactly one."""
    found = [thing for thing in things if measure(thing) > measure(it)]
    yield from found if len(found) == 1 else ()


def value_of_digit(thing: Thing) -> int:
    return int(thing.kind)


def describe(scene: Scene, before: Asked | None = None) -> Iterator[Asked]:
    """Asks for a description; what is right is the scene, not a key."""
    yield Asked(DETAIL, DETAIL_QUESTIONS[0], DETAIL, "")


def _b(scene: Scene, before: Asked | None) -> Iterator[Asked]:
    for thing in scene.things:
        yield from about(thing, f"the thing at {thing.place}", "at", {"place"}, ("colour", "size"))
    for thing in shapes_of(scene):
        told = frozenset({"place", "kind"})
        yield Asked("kind", f"what is at {thing.place}?", "kind", thing.kind, thing, told)
    for thing in unlike(list(scene.things), "colour"):
        yield from about(thing, f"the {thing.colour} thing", "the", {"colour"}, ("place",))
    for field, names, words in (("colour", COLOURS, "{} thing"), ("kind", SHAPES, "{}")):
        for name in names:
            found = [thing for thing in scene.things if getattr(thing, field) == name]
            it = found[0] if len(found) == 1 else None
            text, key = f"is there a {words.format(name)}?", "yes" if found else "no"
            yield Asked(f"is there {key}", text, "is_there", key, it, frozenset({field}))


def _c(scene: Scene, before: Asked | None) -> Iterator[Asked]:
    for thing in digits_of(scene):
        told = frozenset({"place", "kind"})
        yield Asked("read", f"what is at {thing.place}?", "kind", thing.kind, thing, told)


def _bc(scene: Scene, before: Asked | None) -> Iterator[Asked]:
    for thing in unlike(digits_of(scene), "kind"):
        yield from about(thing, f"the {thing.kind}", "read", {"kind"}, tuple(FIELDS))


def _bd(scene: Scene, before: Asked | None) -> Iterator[Asked]:
    single = set(unlike(list(scene.things), "colour"))
    for thing in shapes_of(scene):
        key, told = SIDES[thing.kind], frozenset({"place", "kind"})
        text = f"how many sides has the thing at {thing.place}?"
        yield Asked("sides at", text, "sides", key, thing, told)
        if thing in single:
            text, told = f"how many sides has the {thing.colour} thing?", frozenset({"colour"})
            yield Asked("sides the", text, "sides", key, thing, told | {"kind"})


def _be(scene: Scene, before: Asked | None) -> Iterator[Asked]:
    yield count("all", "how many things are there?", list(scene.things))
    for word, things in (("shapes", shapes_of(scene)), ("numbers", digits_of(scene))):
        if things:
            yield count("group", f"how many {word} are there?", things)
    for size in SIZES:
        things = [thing for thing in scene.things if thing.size == size]
        if things:
            yield count("sizes", f"how many {size} things are there?", things)


def _ce(scene: Scene, before: Asked | None) -> Iterator[Asked]:
    digits = digits_of(scene)
    largest = most(digits, value_of_digit)
    if largest is not None:
        text, all = "which number is the largest?", tuple(digits)
        yield Asked("largest", text, "larger", largest.kind, largest, group=all)
    for first in digits:
        for second in digits:
            winner = most([first, second], value_of_digit)
            if first.place < second.place and winner is not None:
                text = f"the one at {first.place} or the one at {second.place}?"
                text, pair = f"which number is larger, {text}", (first, second)
                yield Asked("larger of", text, "larger", winner.kind, winner, group=pair)


def _bce(scene: Scene, before: Asked | None) -> Iterator[Asked]:
    largest = most(digits_of(scene), value_of_digit)
    if largest is not None:
        yield from about(largest, "the largest number", "most", set(), ("colour", "place"))


def _bde(scene: Scene, before: Asked | None) -> Iterator[Asked]:
    winner = most(shapes_of(scene), number_of_sides)
    if winner is not None:
        words = "the thing with the most sides"
        yield from about(winner, words, "most", set(), ("colour", "place"))


def _bcde(scene: Scene, before: Asked | None) -> Iterator[Asked]:
    digits = digits_of(scene)
    for name in ("odd", "even"):
        found = [thing for thing in digits if parity(thing.kind) == name]
        if len(found) == 1 < len(digits):
            yield from about(found[0], f"the {name} number", name, set(), ("colour", "place"))


SINGLE_TURN: dict[str, Makers] = {
    "b": _b,
    "c": _c,
    "bc": _bc,
    "bd": _bd,
    "be": _be,
    "ce": _ce,
    "bce": _bce,
    "bde": _bde,
    "bcde": _bcde,
}
