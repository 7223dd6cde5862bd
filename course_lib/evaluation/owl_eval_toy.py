"""The toy world's own OwlEval: 50 unseen scenes and 82 questions in the released layout and mix.

`RELEASED_MIX` is what the released file asks for: one word a question with its ability letters, but
for "a", which all have; one dialogue an image (`questions.jsonl` at commit 21ff9b0: 82 questions
need a, 63 b, 30 c, 24 d, 35 e, 20 f; 30 images have one question, the others two to eight). Each
word becomes a question about a scene of the test split, whose right answer follows from the scene
(`owl_eval_kinds`, `owl_eval_follow_ups`). What differs: words, images, and that there is a key.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from course_lib.evaluation.owl_eval import CATEGORIES, MULTI, SINGLE, Key, OwlEval, OwlQuestion
from course_lib.evaluation.owl_eval_follow_ups import MAKERS
from course_lib.evaluation.owl_eval_kinds import Asked, describe
from course_lib.world.scene import Scene, sample_scenes

RELEASED_MIX = """
be be be c,bcef b,b,bef bc,c c ce ce,cef ce,c,c,c,ce,bc,bc,bcef
c,c c,cef c,ce,ce,cef bcde bcde bd bc,bcef b b bce
b,bef b,bef bce bde bde bd bd bd bd bd
bd bd b,bef b,bef bd bd be bde bd be,bef
b,bef be,bef bd,bdef bd,bdf b,bf bd b,b,bf,bf,bf bd bde bd
"""
SEED = 82
_POOL = 600  # scenes to choose from: a dialogue about three different numbers needs a rare one
_CHOICES = 8


def released_dialogues() -> list[tuple[str, ...]]:
    """Returns the ability letters of each question, "a" left out, one tuple an image."""
    return [tuple(word.split(",")) for word in RELEASED_MIX.split()]


def _gives_away(said: list[Asked], asked: Asked) -> bool:
    """Tells a question that was asked before, or whose answer a turn before linked to its words."""
    about_it = (turn.told for turn in said if turn.subject == asked.subject)
    told = bool(asked.told) and asked.told <= frozenset().union(*about_it)
    return told or any(asked.text == turn.text for turn in said)


def _dialogue(
    scene: Scene,
    letters: tuple[str, ...],
    used: Counter,
    rng: np.random.Generator,
    said: tuple[Asked, ...] = (),
) -> tuple[Asked, ...] | None:
    """Asks a scene a whole dialogue, None where it cannot carry it.

    Wordings, and keys within a wording, that were used least come first.
    """
    if len(said) == len(letters):
        return said
    # The two questions that ask for b alone and stand alone are wishes for a description.
    maker = describe if letters == ("b",) else MAKERS[letters[len(said)]]
    found = list(maker(scene, said[-1] if said else None))
    luck = rng.random(len(found))
    order = sorted(
        range(len(found)),
        key=lambda i: (used[found[i].variant], used[found[i].variant, found[i].key], luck[i]),
    )
    for index in order:
        if not _gives_away(list(said), found[index]):
            whole = _dialogue(scene, letters, used, rng, (*said, found[index]))
            if whole is not None:
                return whole
    return None


def _cost(dialogue: tuple[Asked, ...], used: Counter) -> int:
    """Returns how often these wordings and their keys were used before."""
    return sum(used[turn.variant] + used[turn.variant, turn.key] for turn in dialogue)


def _chosen(
    unused: list[Scene], letters: tuple[str, ...], used: Counter, rng: np.random.Generator
) -> tuple[Scene, tuple[Asked, ...]]:
    """Takes one of the first scenes that can carry a dialogue, the one that repeats least.

    A scene of one thing is only counted: whatever else is asked, there is something to mix it up
    with.

    Raises:
        ValueError: where no scene can carry it.
    """
    found = []
    for scene in unused:
        if len(scene.things) > 1 or letters == ("be",):
            dialogue = _dialogue(scene, letters, used, rng)
            found += [] if dialogue is None else [(scene, dialogue)]
        if len(found) == _CHOICES:
            break
    if not found:
        raise ValueError(
            f"None of {len(unused)} scenes can be asked {', '.join(letters)}: take another seed."
        )
    return min(found, key=lambda pair: _cost(pair[1], used))


def _categories(turn: int, turns: int) -> tuple[str, ...]:
    if turns == 1:
        return (SINGLE,)
    return CATEGORIES if turn == 0 else (MULTI,)


def make_owl_eval(seed: int = SEED) -> OwlEval:
    """Makes the toy OwlEval; the same seed gives the same one.

    Args:
        seed: of scenes and questions.

    Returns:
        82 questions, images "1.png" to "50.png", each with its scene and each question with its
        key.

    Raises:
        ValueError: where no scene of the pool can carry one of the dialogues.
    """
    unused, used = list(sample_scenes(_POOL, seed, "test")), Counter()
    questions, keys, scenes = [], {}, {}
    for number, letters in enumerate(released_dialogues(), start=1):
        image, rng = f"{number}.png", np.random.default_rng((seed, number))
        scene, dialogue = _chosen(unused, letters, used, rng)
        unused.remove(scene)
        scenes[image] = scene
        for turn, asked in enumerate(dialogue):
            used.update([asked.variant, (asked.variant, asked.key)])
            id, categories = len(questions) + 1, _categories(turn, len(letters))
            questions.append(OwlQuestion(id, image, asked.text, ("a", *letters[turn]), categories))
            keys[id] = Key(asked.kind, asked.key)
    return OwlEval(tuple(questions), keys, scenes)
