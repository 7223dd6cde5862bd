"""What the toy language models read: documents in which something early decides what comes late.

Plain text of random scenes teaches a small model nothing about reading, because nobody could
predict it. So a document states a scene in words, in one of many forms, and only what follows from
it carries loss: captions and answers. The other kinds (dialogues, several scenes, symbols that get
a meaning for the length of one document, knowledge without any scene) are there for later chapters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from course_lib.world.language import captions, scene_in_words
from course_lib.world.questions import SIDES, Question, ask, parity
from course_lib.world.scene import COLOURS, DIGITS, KINDS, Scene, sample_scene
from course_lib.world.vocabulary import symbols

CAPTION_PROMPTS = (
    "",
    "describe the picture:",
    "what does the picture show?",
    "count and list:",
    "in short:",
)
PREFIXES = ("", "picture:", "scene:", "objects:", "the picture shows:", "look:")
SPEAKERS = (("user:", "assistant:"), ("human:", "ai:"), ("### human:", "### assistant:"))
ORDINALS = ("first", "second", "third", "fourth")


@dataclass(frozen=True)
class Piece:
    """A stretch of a document.

    Args:
        text: words, or "" for a mark alone.
        mark: "bos" or "eos" puts that token behind the words, "" none.
        target: True where the model has to say these words (and the mark) itself.
    """

    text: str
    mark: str = ""
    target: bool = False


@dataclass(frozen=True)
class Mix:
    """How often a document about a scene asks for what.

    Args:
        captions: share of documents with a caption: a look-up of every thing at every place.
        questions: how many are asked.
        where: share of questions that ask for a place by an attribute, on top of the even draw.
        is_there: the same for "is there a …?".
    """

    captions: float = 0.6
    questions: int = 6
    where: float = 0.2
    is_there: float = 0.1


def answered(question: str, answer: str, short: bool = False) -> list[Piece]:
    """Returns a question with its answer as the target, in BLIP-2's wording (section 4.1)."""
    word = "short answer:" if short else "answer:"
    return [Piece(f"question: {question} {word}"), Piece(answer, "eos", target=True)]


def _caption(scene: Scene, rng: np.random.Generator) -> list[Piece]:
    style = 0 if rng.random() < 0.6 else int(rng.integers(1, 5))
    return [
        Piece(CAPTION_PROMPTS[style]),
        Piece(captions(scene)[style], "eos", target=True),
    ]


def _question(scene: Scene, rng: np.random.Generator, mix: Mix) -> Question:
    """Asks a question; what is looked up from an attribute comes more often: it is learned last."""
    drawn = rng.random()
    if drawn < mix.where + mix.is_there:
        found = ask(scene, rng, "where" if drawn < mix.where else "is_there")
        if found is not None:
            return found
    return ask(scene, rng)


def scene_document(scene: Scene, rng: np.random.Generator, mix: Mix) -> list[Piece]:
    """A scene in words, then captions and answers about it.

    Half of the time the scene stands before the start token, where BLIP-2 puts the visual tokens
    (facts: [visual tokens][BOS][text]), and half of the time behind it.
    """
    words = scene_in_words(scene, rng)
    if rng.random() < 0.5:
        pieces = [Piece(words, "bos")]
    else:
        pieces = [Piece("", "bos"), Piece(f"{rng.choice(PREFIXES)} {words}")]
    if rng.random() < mix.captions:
        pieces += _caption(scene, rng)
    for _ in range(mix.questions):
        question = _question(scene, rng, mix)
        pieces += answered(question.text, question.answer, short=rng.random() < 0.3)
    return pieces


def dialogue(scene: Scene, rng: np.random.Generator, mix: Mix, turns: int = 3) -> list[Piece]:
    """A talk about a scene under one of three pairs of roles, the assistant's words as targets."""
    user, assistant = SPEAKERS[int(rng.integers(len(SPEAKERS)))]
    pieces = [Piece("", "bos"), Piece(f"{user} {scene_in_words(scene, rng)}")]
    for turn in range(turns):
        question = _question(scene, rng, mix)
        start = "" if turn == 0 else user
        pieces.append(Piece(f"{start} {question.text} {assistant}".strip()))
        pieces.append(Piece(question.answer, "eos", target=True))
    return pieces


def several_scenes(rng: np.random.Generator, split: str) -> list[Piece]:
    """Two to four scenes of one thing each, and questions that have to pick one of them."""
    count = int(rng.integers(2, 5))
    scenes = [sample_scene(rng, split, 1) for _ in range(count)]
    pieces = [Piece("", "bos")]
    for name, scene in zip(ORDINALS, scenes, strict=False):
        pieces.append(Piece(f"{name} picture: {scene_in_words(scene, rng)}"))
    for _ in range(3):
        index = int(rng.integers(count))
        thing = scenes[index].things[0]
        field, form = (("colour", "{} thing"), ("kind", "{}"))[int(rng.integers(2))]
        value = getattr(thing, field)
        if [getattr(s.things[0], field) for s in scenes].count(value) == 1 and rng.random() < 0.6:
            pieces += answered(f"which picture has a {form.format(value)}?", ORDINALS[index])
        else:
            pieces += answered(
                f"what {field} is the thing in the {ORDINALS[index]} picture?", value
            )
    return pieces


def symbol_episode(rng: np.random.Generator, split: str) -> list[Piece]:
    """Few-shot binding: two symbols mean two kinds; each counts from its second shot on."""
    first, second = rng.choice(symbols(), size=2, replace=False)
    kinds = rng.choice(KINDS, size=2, replace=False)
    meaning = dict(zip(kinds, (first, second), strict=True))
    pieces, seen = [Piece("", "bos")], set()
    for _ in range(int(rng.integers(3, 9))):
        kind = str(rng.choice(kinds))
        thing = sample_scene(rng, split, 1).things[0]
        thing = type(thing)(**{**vars(thing), "kind": kind, "scan": None})
        pieces.append(Piece(f"{scene_in_words(Scene((thing,)), rng)} this is a"))
        pieces.append(Piece(str(meaning[kind]), "eos", target=kind in seen))
        seen.add(kind)
    return pieces


def knowledge(rng: np.random.Generator) -> list[Piece]:
    """Questions without a scene: what is odd, which number is larger, how many sides."""
    pieces = [Piece("", "bos")]
    for _ in range(5):
        which = int(rng.integers(4))
        if which == 0:
            digit = str(rng.choice(DIGITS))
            pieces += answered(f"is {digit} odd or even?", parity(digit))
        elif which == 1:
            pair = [str(d) for d in rng.choice(DIGITS, size=2, replace=False)]
            pieces += answered(f"which number is larger, {pair[0]} or {pair[1]}?", max(pair))
        elif which == 2:
            shape = str(rng.choice(list(SIDES)))
            pieces += answered(f"how many sides has a {shape}?", SIDES[shape])
        else:
            words = [str(w) for w in rng.choice(KINDS + COLOURS, size=3)]
            pieces += answered(f"repeat {' '.join(words)}.", " ".join(words))
    return pieces


def document(
    rng: np.random.Generator, max_things: int = 3, split: str = "train", mix: Mix | None = None
) -> list[Piece]:
    """Draws one document of the mix that the zoo's language models are trained on.

    Args:
        max_things: 1 to 3; the curriculum starts with 1.
        split: scenes in words have no scans, so this only keeps the streams of scenes apart. All
            combinations of colour and kind occur in text: what is held out is held out of images.
        mix: what documents about a scene ask for.
    """
    mix = mix or Mix()
    which = rng.random()
    if which < 0.06:
        return knowledge(rng)
    if which < 0.12:
        return symbol_episode(rng, split)
    if which < 0.18:
        return several_scenes(rng, split)
    scene = sample_scene(
        rng, "combos" if rng.random() < 0.1 else split, int(rng.integers(1, max_things + 1))
    )
    return dialogue(scene, rng, mix) if which < 0.28 else scene_document(scene, rng, mix)
