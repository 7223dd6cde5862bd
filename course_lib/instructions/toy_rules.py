"""The exact teacher of the toy world: every sentence follows from the scene or from a known fact.

The three types are LLaVA's (arXiv 2304.08485, section 3). A question has the wording of
`course_lib/world/questions.py`; each has one right answer, so that answers can be scored exactly.
Reasoning says first what is seen and then what follows, the order in which LLaVA converged faster
(section 5.2, table 8).
"""

from __future__ import annotations

import numpy as np

from course_lib.instructions.facts import any_held_out, larger_of, parity_of, sides_of
from course_lib.instructions.teacher import Turn
from course_lib.world.language import NUMBER_WORDS, article, join, phrase
from course_lib.world.questions import Question, ask
from course_lib.world.scene import PLACES, Scene, Thing

SEEN = ("colour", "kind", "size", "where", "is_there", "how_many")
KNOWN = ("parity", "sides", "larger")
DETAIL_QUESTIONS = (
    "describe the picture in detail.",
    "give a long description of the picture.",
    "what does the picture show, with all details?",
    "look at the picture and describe everything in it.",
    "tell me all details of the picture.",
    "explain what is in the picture, and where.",
)


def _named(kind: str) -> str:
    """Returns "a circle" or "the number 7"."""
    return f"the number {kind}" if kind.isdigit() else article(kind)


def _is_there(question: Question) -> str:
    asked = question.text.removeprefix("is there a ").removesuffix("?")
    if question.answer == "no":
        return f"no, there is no {asked}."
    words = asked.split()
    return f"yes, there is {article(asked) if len(words) == 2 else _named(asked)}."


def _seen_answer(question: Question) -> str:
    """Returns the sentence that answers a question about what is seen."""
    words = question.text.removesuffix("?").split()
    place, said = words[-1], question.answer
    match question.type:
        case "kind":
            return f"{_named(said)} is at {place}."
        case "where":
            return f"{' '.join(words[2:])} is at {said}."
        case "is_there":
            return _is_there(question)
        case "how_many":
            return f"there is {said} thing." if said == "one" else f"there are {said} things."
        case _:
            return f"the thing at {place} is {said}."


def conversation(scene: Scene, rng: np.random.Generator, most: int = 4) -> list[Turn]:
    """Asks two to `most` different questions about what is seen.

    Raises:
        ValueError: when fewer than two turns are allowed.
    """
    if most < 2:
        raise ValueError(f"A conversation of at most {most} turns is none: allow two or more.")
    wanted = int(rng.integers(2, most + 1))
    turns: dict[str, Turn] = {}
    while len(turns) < wanted:
        question = ask(scene, rng, SEEN[int(rng.integers(len(SEEN)))])
        if question is not None and question.text not in turns:
            answer = _seen_answer(question)
            turns[question.text] = Turn(question.text, answer, question.answer, question.type)
    return list(turns.values())


def _how_many_of_each(scene: Scene) -> str:
    """Returns "there are two shapes and one number.", which no caption says."""
    numbers = sum(thing.is_digit for thing in scene.things)
    counts = [(len(scene.things) - numbers, "shape"), (numbers, "number")]
    parts = [f"{NUMBER_WORDS[count]} {noun}{'s' * (count > 1)}" for count, noun in counts if count]
    verb = "is" if parts[0].startswith("one") else "are"
    return f"there {verb} {' and '.join(parts)}."


def detail(scene: Scene, rng: np.random.Generator) -> list[Turn]:
    """Describes everything: how many, each thing, what kinds, what is left empty.

    Each thing has a sentence of its own and nothing else names a kind, a colour or a place, so
    that `course_lib.evaluation.captions.things_right` reads it as it reads a caption.
    """
    count, empty = len(scene.things), len(PLACES) - len(scene.things)
    sentences = [f"the picture shows {NUMBER_WORDS[count]} thing{'s' * (count > 1)}."]
    sentences += [f"{phrase(thing).replace(' at ', ' is at ')}." for thing in scene.things]
    sentences.append(_how_many_of_each(scene))
    sentences.append(
        "the other place is empty."
        if empty == 1
        else f"the other {NUMBER_WORDS[empty]} places are empty."
    )
    question = DETAIL_QUESTIONS[int(rng.integers(len(DETAIL_QUESTIONS)))]
    return [Turn(question, " ".join(sentences), kind="detail")]


def _known_about(thing: Thing) -> Turn:
    """Asks what has to be known about one thing: is it odd, how many sides has it?"""
    alone, rng = Scene((thing,)), np.random.default_rng(0)
    question = ask(alone, rng, "parity" if thing.is_digit else "sides")
    if thing.is_digit:
        answer = f"the number at {thing.place} is {thing.kind}, and {thing.kind} is "
        answer += f"{question.answer}."
        fact = parity_of(thing.kind)
    else:
        answer = f"the thing at {thing.place} is {article(thing.kind)}, and {article(thing.kind)} "
        answer += f"has {question.answer} sides."
        fact = sides_of(thing.kind)
    return Turn(question.text, answer, question.answer, question.type, (fact,))


def reasoning_turns(scene: Scene) -> list[Turn]:
    """Returns every reasoning question that a scene allows, held-out facts included.

    `facts.any_held_out(turn.facts)` tells which may be taught; the others are for testing.
    """
    turns = [_known_about(thing) for thing in scene.things]
    largest = ask(scene, np.random.default_rng(0), "larger")
    if largest is not None:
        numbers = [thing.kind for thing in scene.things if thing.is_digit]
        # Every pair counts: who sees 2, 7 and 9 in a row is told that 9 beats both, in words that
        # put 2 beside 7, and a held-out pair shall not even be hinted at.
        facts = {larger_of(a, b) for a in numbers for b in numbers if a < b}
        answer = f"the numbers are {join(numbers)}, and {largest.answer} is the largest."
        turns.append(Turn(largest.text, answer, largest.answer, "larger", tuple(sorted(facts))))
    return turns


def reasoning(scene: Scene, rng: np.random.Generator, every_fact: bool = False) -> list[Turn]:
    """Asks one question that needs a fact which no picture states and which is not held out.

    Args:
        scene: of the toy world.
        rng: of every choice.
        every_fact: True allows held-out facts, for text that speaks of no picture.

    Returns:
        One turn; none where every fact that the scene would need is held out.
    """
    turns = reasoning_turns(scene)
    allowed = [turn for turn in turns if every_fact or not any_held_out(turn.facts)]
    if not allowed:
        return []
    kinds = [kind for kind in KNOWN if any(turn.kind == kind for turn in allowed)]
    kind = kinds[int(rng.integers(len(kinds)))]
    allowed = [turn for turn in allowed if turn.kind == kind]
    return [allowed[int(rng.integers(len(allowed)))]]


def turns_about(
    scene: Scene, type: str, rng: np.random.Generator, most: int = 4, every_fact: bool = False
) -> list[Turn]:
    """Returns a sample of one type; none where `reasoning` has none.

    Args:
        scene: of the toy world.
        type: "conversation", "detail" or "reasoning".
        rng: of every choice.
        most: turns of a conversation.
        every_fact: see `reasoning`.
    """
    if type == "conversation":
        return conversation(scene, rng, most)
    return detail(scene, rng) if type == "detail" else reasoning(scene, rng, every_fact)
