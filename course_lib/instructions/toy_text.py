"""Instructions of the toy world that come without any picture, each with one right answer.

mPLUG-Owl mixes text-only instructions with those about images (arXiv 2304.14178, section 3.2).
There are five kinds: questions about a scene in words, words to repeat, a word to pick out of a
list, facts, and several scenes in words to compare. What is held out is a list of words, or a fact
in one of its wordings; every fact itself is taught, those of `facts.HELD_OUT` too, which no
instruction about a picture holds: a model that answers about a picture by one of these has it from
the text alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from course_lib.instructions import toy_rules
from course_lib.instructions.symbols import TYPES
from course_lib.instructions.teacher import Turn
from course_lib.instructions.toy_several import compared_in_words, how_many
from course_lib.world.language import scene_in_words
from course_lib.world.questions import SIDES, Question, parity
from course_lib.world.scene import COLOURS, DIGITS, KINDS, SIZES, Scene

TEXT_KINDS = ("told", "repeat", "pick", "facts", "compare")
WORDS = (*KINDS, *COLOURS, *SIZES)
_ORDINALS = ("first", "second", "last")
_REPEAT = ("repeat: {}.", "please say again: {}.", "write these words: {}.")
_PICK = ("which word is {}: {}?", "tell me the {} word: {}.", "{} word: {}?")
_PARITY = ("is {} odd or even?", "is the number {} odd or even?", "odd or even, what is {}?")
_LARGER = (
    "which number is larger, {} or {}?",
    "which is larger: {} or {}?",
    "find the larger: {}, {}.",
)
_SIDES = ("how many sides has a {}?", "how many sides does a {} have?", "count the sides of a {}.")


def told_turns(scene: Scene, type: str, rng: np.random.Generator) -> list[Turn]:
    """Returns what is asked and answered about a scene in words, which opens the first question.

    Args:
        scene: of the toy world.
        type: "conversation", "detail" or "reasoning".
        rng: of every choice.
    """
    turns = toy_rules.turns_about(scene, type, rng, every_fact=True)
    return [_behind(scene_in_words(scene, rng), turns[0]), *turns[1:]]


def told_question(scene: Scene, question: Question, rng: np.random.Generator) -> Turn:
    """Returns one question about a scene in words; its answer is the key alone."""
    asked = Turn(question.text, question.answer, question.answer, question.type)
    return _behind(scene_in_words(scene, rng), asked)


def _behind(words: str, turn: Turn) -> Turn:
    return Turn(f"{words} {turn.question}", turn.answer, turn.key, turn.kind, turn.facts)


def _three_words(rng: np.random.Generator, held_out: bool) -> list[str]:
    """Draws three different words from one side of the split: one list in five is held out."""
    while True:
        drawn = [int(index) for index in rng.choice(len(WORDS), size=3, replace=False)]
        if (sum(place * index for place, index in enumerate(drawn, 1)) % 5 == 0) == held_out:
            return [WORDS[index] for index in drawn]


def _repeat(rng: np.random.Generator, held_out: bool) -> Turn:
    said = " ".join(_three_words(rng, held_out))
    return Turn(_one(rng, _REPEAT).format(said), f"{said}.", said, "repeat")


def _pick(rng: np.random.Generator, held_out: bool) -> Turn:
    words = _three_words(rng, held_out)
    place = int(rng.integers(3))
    question = _one(rng, _PICK).format(_ORDINALS[place], " ".join(words))
    answer = f"the {_ORDINALS[place]} word is {words[place]}."
    return Turn(question, answer, words[place], "pick")


def _one(rng: np.random.Generator, items: Sequence[str]) -> str:
    return items[int(rng.integers(len(items)))]


def _wording(rng: np.random.Generator, wordings: Sequence[str], fact: int, held_out: bool) -> str:
    """Picks a wording: of a fact's three, one is never taught."""
    kept = fact % len(wordings)
    if held_out:
        return wordings[kept]
    return wordings[(kept + int(rng.integers(1, len(wordings)))) % len(wordings)]


def _fact(rng: np.random.Generator, held_out: bool) -> Turn:
    which = int(rng.integers(3))
    if which == 0:
        digit = _one(rng, DIGITS)
        question = _wording(rng, _PARITY, int(digit), held_out).format(digit)
        return Turn(question, f"{digit} is {parity(digit)}.", parity(digit), "parity")
    if which == 1:
        pair = [str(digit) for digit in rng.choice(DIGITS, size=2, replace=False)]
        fact = 10 * int(pair[0]) + int(pair[1])
        question = _wording(rng, _LARGER, fact, held_out).format(*pair)
        return Turn(question, f"{max(pair)} is larger than {min(pair)}.", max(pair), "larger")
    shape = _one(rng, list(SIDES))
    question = _wording(rng, _SIDES, list(SIDES).index(shape), held_out).format(shape)
    return Turn(question, f"a {shape} has {SIDES[shape]} sides.", SIDES[shape], "sides")


_MAKERS: dict[str, Callable[[np.random.Generator, bool], Turn]] = {
    "repeat": _repeat,
    "pick": _pick,
    "facts": _fact,
}


def text_task(kind: str, rng: np.random.Generator, held_out: bool = False) -> Turn:
    """Draws an instruction that speaks of no scene.

    Args:
        kind: "repeat", "pick" or "facts".
        rng: of every choice.
        held_out: whether it is one that training never draws, or one that it may draw.
    """
    return _MAKERS[kind](rng, held_out)


def text_turns(
    rng: np.random.Generator,
    scenes: Sequence[Scene],
    shares: Sequence[float],
    mix: Sequence[float],
) -> list[Turn]:
    """Draws a text-only instruction for training.

    Args:
        rng: of every choice.
        scenes: what is told in words is one of these, or two to four of them to compare.
        shares: of the five `TEXT_KINDS`.
        mix: of conversation, detail and reasoning among what is told.
    """
    kind = TEXT_KINDS[int(rng.choice(len(TEXT_KINDS), p=np.array(shares) / sum(shares)))]
    if kind not in ("told", "compare"):
        return [text_task(kind, rng)]
    drawn = [scenes[int(i)] for i in rng.integers(len(scenes), size=how_many(rng))]
    compared = compared_in_words(drawn, rng) if kind == "compare" else None
    if compared is not None:
        return [compared]
    type = TYPES[int(rng.choice(len(TYPES), p=np.array(mix) / sum(mix)))]
    return told_turns(drawn[0], type, rng)
