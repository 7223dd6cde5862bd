"""Scenes as words: captions for people, and the forms in which a language model reads a scene.

The first caption of a scene is the canonical one, which evaluation compares exactly. The forms of
`SCENE_FORMS` exist because a language model that has read a scene in many forms answers questions
about soft prompts that it has never seen, where one that has read a single form does not.
"""

from __future__ import annotations

import numpy as np

from course_lib.world.scene import KINDS, PLACES, Scene, Thing

NUMBER_WORDS = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
)


def join(parts: list[str]) -> str:
    """Joins phrases with commas and a last "and"."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def article(word: str) -> str:
    """Returns the word with "a" or "an" before it."""
    return ("an " if word[0] in "aeiou" else "a ") + word


def phrase(thing: Thing) -> str:
    """Returns "a small red circle at top-left"."""
    return f"a {thing.size} {thing.colour} {thing.kind} at {thing.place}"


def _brief(thing: Thing) -> str:
    return f"{article(thing.colour)} {thing.kind}"


def canonical_caption(scene: Scene) -> str:
    """Returns the caption that names every thing with size, colour, kind and place, in order."""
    return join([phrase(thing) for thing in scene.things]) + "."


def captions(scene: Scene) -> list[str]:
    """Returns the five captions of a scene, the canonical one first."""
    things = scene.things
    count = NUMBER_WORDS[len(things)]
    noun = "thing" if len(things) == 1 else "things"
    return [
        canonical_caption(scene),
        join([f"at {t.place} there is a {t.size} {t.colour} {t.kind}" for t in things]) + ".",
        f"the picture shows {join([_brief(t) + f' at {t.place}' for t in things])}.",
        f"{count} {noun}: {join([f'a {t.size} {t.colour} {t.kind}' for t in things])}.",
        f"{join([_brief(t) for t in things])}.",
    ]


def noisy_caption(scene: Scene, rng: np.random.Generator, noise: float = 0.5) -> str:
    """Returns a "web" caption: with probability `noise` something in it is wrong or missing.

    What goes wrong is one of: a thing is left out (or, if there is only one, its kind is wrong),
    the colour of a thing is wrong, or the text is of no use ("click here for more").
    """
    from course_lib.world.scene import COLOURS

    things = list(scene.things)
    if rng.random() < noise:
        fault = rng.integers(3)
        victim = int(rng.integers(len(things)))
        if fault == 0 and len(things) > 1:
            del things[victim]
        elif fault == 2:
            return "click here for more pictures."
        else:
            thing = things[victim]
            field, names = ("kind", KINDS) if fault == 0 else ("colour", COLOURS)
            others = [name for name in names if name != getattr(thing, field)]
            things[victim] = Thing(**{**vars(thing), field: str(rng.choice(others))})
    return join([phrase(thing) for thing in things]) + "."


def _lists(things: list[Thing]) -> str:
    return " ; ".join(f"{t.size} {t.colour} {t.kind} {t.place}" for t in things) + " ."


def _places_first(things: list[Thing]) -> str:
    return " ; ".join(f"{t.place} {t.size} {t.colour} {t.kind}" for t in things) + " ."


def _attributes_last(things: list[Thing]) -> str:
    return " ; ".join(f"{t.place} : {t.kind} , {t.colour} , {t.size}" for t in things) + " ."


def _sentences(things: list[Thing]) -> str:
    return " ".join(f"at {t.place} there is a {t.size} {t.colour} {t.kind} ." for t in things)


def _phrases(things: list[Thing]) -> str:
    return " ".join(f"{phrase(t)} ." for t in things)


def _bare(things: list[Thing]) -> str:
    """Nothing but the words, without a mark between things: the form nearest to soft prompts."""
    return " ".join(f"{t.size} {t.colour} {t.kind} {t.place}" for t in things)


def _grid(things: list[Thing]) -> str:
    """All four places in order, the empty ones named: as many words as a Q-Former has queries."""
    at = {t.place: t for t in things}
    return " ".join(
        f"{at[p].size} {at[p].colour} {at[p].kind} {p}" if p in at else f"nothing {p}"
        for p in PLACES
    )


SCENE_FORMS = {
    "lists": _lists,
    "places_first": _places_first,
    "attributes_last": _attributes_last,
    "sentences": _sentences,
    "phrases": _phrases,
    "bare": _bare,
    "grid": _grid,
}


def scene_in_words(scene: Scene, rng: np.random.Generator, form: str | None = None) -> str:
    """Writes a scene as text, its things in random order, in a random or given form.

    Args:
        form: a key of `SCENE_FORMS`; None draws one.
    """
    things = [scene.things[i] for i in rng.permutation(len(scene.things))]
    name = form if form is not None else list(SCENE_FORMS)[int(rng.integers(len(SCENE_FORMS)))]
    return SCENE_FORMS[name](things)
