"""Questions about several toy pictures, and about what moved from one frame of a clip to the next.

mPLUG-Owl was tuned on one picture at a time and still takes several, and a video as frames (the
released README calls it emergent and its format open; serve/conversation.py shows four frames).
Here words between the pictures of a prompt tell them apart, and frames follow each other bare.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from course_lib.instructions.teacher import Turn
from course_lib.instructions.toy_rules import conversation
from course_lib.world.documents import ORDINALS
from course_lib.world.language import article, scene_in_words
from course_lib.world.scene import PLACES, QUADRANT, Scene, Thing

MOST_PICTURES = len(ORDINALS)
# Of two, three and four pictures in training: half have two, as one learns by comparing few first.
COUNT_SHARES = (0.5, 0.25, 0.25)
MOVED = "what moved?"


def how_many(rng: np.random.Generator) -> int:
    """Draws how many pictures a question of training speaks of."""
    return 2 + int(rng.choice(len(COUNT_SHARES), p=COUNT_SHARES))


def which_picture(scenes: Sequence[Scene], rng: np.random.Generator) -> Turn | None:
    """Asks which of two to four scenes has something that no other has.

    Args:
        scenes: in the order in which they are shown.
        rng: of every choice; each scene is as likely to be the right one.

    Returns:
        The question, with the ordinal as its key ("second"); None where a scene has nothing of its
        own.

    Raises:
        ValueError: for fewer than two scenes, or more than there are ordinals.
    """
    if not 2 <= len(scenes) <= MOST_PICTURES:
        raise ValueError(f"{len(scenes)} pictures: compare 2 to {MOST_PICTURES} of them.")
    index = int(rng.integers(len(scenes)))
    others = [name for i, scene in enumerate(scenes) if i != index for name in _names(scene)]
    own = [name for name in _names(scenes[index]) if name not in others]
    if not own:
        return None
    name, place = article(own[int(rng.integers(len(own)))]), ORDINALS[index]
    answer = f"the {place} picture has {name}."
    return Turn(f"which picture has {name}?", answer, place, "which")


def _names(scene: Scene) -> list[str]:
    """Returns the names of its things by colour, by kind, and by both, each once."""
    forms = [
        name
        for thing in scene.things
        for name in (f"{thing.colour} thing", thing.kind, f"{thing.colour} {thing.kind}")
    ]
    return list(dict.fromkeys(forms))


def in_one_picture(scenes: Sequence[Scene], rng: np.random.Generator) -> Turn:
    """Asks a question of a conversation about one of several scenes, which is named."""
    index = int(rng.integers(len(scenes)))
    turn = conversation(scenes[index], rng, 2)[0]
    return replace(turn, question=f"in the {ORDINALS[index]} picture, {turn.question}")


def picture_parts(count: int, question: str) -> tuple[str, ...]:
    """Returns the words between pictures: `count` + 1 parts, the question behind the last one."""
    marks = [f"{' ' * bool(i)}{name} picture: " for i, name in enumerate(ORDINALS[:count])]
    return (*marks, f" {question}")


@dataclass(frozen=True)
class Move:
    """A scene in which one thing goes to a place that was empty.

    Args:
        before: the scene.
        after: the same scene afterwards; everything else, the digit scans too, stays as it was.
        turn: what is asked, and the answer; its key is colour and kind, "red circle".
    """

    before: Scene
    after: Scene
    turn: Turn


def move(scene: Scene, rng: np.random.Generator) -> Move | None:
    """Moves one thing of a scene.

    Returns:
        The move; None for a scene of fewer than two things, where nothing could be confused, or
        where no thing has colour and kind to itself.
    """
    names = [f"{thing.colour} {thing.kind}" for thing in scene.things]
    alone = [i for i, name in enumerate(names) if names.count(name) == 1]
    if len(names) < 2 or not alone:
        return None
    index = alone[int(rng.integers(len(alone)))]
    free = [place for place in PLACES if scene.at(place) is None]
    thing = _at(scene.things[index], free[int(rng.integers(len(free)))])
    things = [*scene.things[:index], *scene.things[index + 1 :], thing]
    things.sort(key=lambda one: PLACES.index(one.place))
    answer = f"the {names[index]} moved to {thing.place}."
    turn = Turn(MOVED, answer, names[index], "moved")
    return Move(scene, replace(scene, things=tuple(things)), turn)


def _at(thing: Thing, place: str) -> Thing:
    """Puts a thing at another place, as far from its middle as it was."""
    left, top, width, height = thing.box
    left = left % QUADRANT + QUADRANT * place.endswith("right")
    top = top % QUADRANT + QUADRANT * place.startswith("bottom")
    return replace(thing, place=place, box=(left, top, width, height))


def told(parts: Sequence[str], scenes: Sequence[Scene], rng: np.random.Generator) -> str:
    """Returns a prompt with scenes in words, each in a form of its own, where pictures would be."""
    words = [scene_in_words(scene, rng) for scene in scenes]
    pairs = [f"{part} {said}" for part, said in zip(parts, words, strict=False)]
    return " ".join(" ".join([*pairs, parts[-1]]).split())


def compared_in_words(scenes: Sequence[Scene], rng: np.random.Generator) -> Turn | None:
    """Asks which of several scenes in words has something, or what moved from one to the next.

    What a language model cannot look up in words it does not find in pictures: the zoo's, asked in
    words, was right about two scenes in .08 and about moves in none before it was tuned.

    Args:
        scenes: two to four; a move is made of the first.
        rng: of every choice.

    Returns:
        The question; None where these scenes allow none.
    """
    if rng.random() < 0.5:
        turn = which_picture(scenes, rng)
        if turn is None:
            return None
        return replace(turn, question=told(picture_parts(len(scenes), turn.question), scenes, rng))
    made = move(scenes[0], rng)
    if made is None:
        return None
    frames = (made.before, made.after)
    return replace(made.turn, question=told(frame_parts(2), frames, rng))


def frame_parts(count: int) -> tuple[str, ...]:
    """Returns the words of a clip's prompt: frames one behind the other, then the question."""
    return ("frames: ", *[""] * (count - 1), f" {MOVED}")
