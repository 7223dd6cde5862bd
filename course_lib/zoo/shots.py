"""What turns the zoo's LLaMA into a host that learns from examples: words that mean nothing, bound.

A document pairs things in words with symbols ("7 dax", "star blax", "7 ..."), and the symbol of a
thing that was shown before is to be said. Larger language models bring this along; here it has to
be taught before gated layers can be asked to do it with images. A share of the rows are the
documents that LLaMA learned to read from, so that its gate still holds.

What decided: pairs that stand side by side, and nothing else, at first. 150 steps of them, and .99
of symbols are bound with 8 shots. Scenes in words as things then stood at 0 and took 100 steps more
(.96), 200 for all of them; captions and questions are all right behind that.

All reserved words are bound here, in text, those of evaluation too: the head has a row for each
word, and a word that it never said could not be said by any example. What evaluation holds out is
that such a word was ever bound to an image.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from course_lib.world.documents import Mix, Piece
from course_lib.world.language import scene_in_words
from course_lib.world.scene import COLOURS, KINDS, Scene, sample_scene
from course_lib.world.vocabulary import symbols
from course_lib.zoo.gates import LM_GATE, measure_lm, rows_right
from course_lib.zoo.reading import BATCH_SIZE, Reading, encode, padded

FORMS = ("words", "scenes")
MOST_KINDS = 4
MOST_SHOTS = 10
GATED_SHOTS = (2, 8)
READING = Reading(Mix(), first_things=3, drill=0.25, offsets=0.0)


def _in_words(rng: np.random.Generator, kind: str, form: str) -> str:
    """Returns a thing as the one word for it, or as a scene of one thing of that kind."""
    if form == "words":
        return kind
    thing = replace(sample_scene(rng, "train", 1).things[0], kind=kind, scan=None)
    return scene_in_words(Scene((thing,)), rng)


def pairs_document(
    rng: np.random.Generator, form: str, shots: int, kinds: int = 2, query: bool = False
) -> list[Piece]:
    """Pairs things with symbols; a symbol is to be said where its thing was shown before.

    Args:
        rng: source of randomness.
        form: "words", the kind alone, or "scenes", a scene of one thing in words.
        shots: pairs before the last one; each kind is among them.
        kinds: how many things have a symbol.
        query: True asks for the last symbol alone.
    """
    names = COLOURS if form == "words" and rng.random() < 0.2 else KINDS
    chosen = rng.choice(names, size=kinds, replace=False)
    words = rng.choice(symbols(), size=kinds, replace=False)
    sides = [*range(kinds), *rng.integers(kinds, size=shots - kinds)]
    rng.shuffle(sides)
    sides.append(int(rng.integers(kinds)))
    mark = "eos" if query or rng.random() < 0.7 else ""
    pieces, seen = [Piece("", "bos")], set()
    for number, side in enumerate(sides):
        counts = number == shots if query else side in seen
        pieces.append(Piece(_in_words(rng, str(chosen[side]), form)))
        pieces.append(Piece(str(words[side]), mark, target=counts))
        seen.add(side)
    return pieces


def _drawn(rng: np.random.Generator, scenes: float) -> list[Piece]:
    kinds = int(rng.integers(2, MOST_KINDS + 1))
    shots = int(rng.integers(kinds, MOST_SHOTS + 1))
    return pairs_document(rng, FORMS[int(rng.random() < scenes)], shots, kinds)


def shots_batch(
    tokenizer: PreTrainedTokenizerBase,
    seed: int,
    step: int,
    steps: int,
    reading: Reading,
    share: float = 1.0,
    scenes: float = 0.0,
) -> dict[str, torch.Tensor]:
    """Makes the batch of a step.

    Args:
        share: of rows that pair things with symbols.
        scenes: of these, share with scenes in words.
    """
    rng = np.random.default_rng((seed, step, 41))
    rows = [
        encode(
            tokenizer,
            _drawn(rng, scenes) if rng.random() < share else reading.draw(rng, step, steps),
        )
        for _ in range(BATCH_SIZE)
    ]
    return padded(tokenizer, rows)


# (steps, learning rate, warm-up, last learning rate) and batch of each round.
ROUNDS = (
    ((250, 1e-3, 30, 1e-3), shots_batch),
    ((300, 1e-3, 20, 2e-5), partial(shots_batch, share=0.35, scenes=0.5)),
)


def shots_scores(
    model: nn.Module, tokenizer: PreTrainedTokenizerBase, documents: int = 400, seed: int = 0
) -> dict[str, float]:
    """Measures binding in text: the share of last symbols that greedy decoding would write.

    Args:
        model: a decoder-only model of transformers, in eval mode.
        tokenizer: its own.
        documents: for each form and number of shots.
        seed: of the documents.

    Returns:
        {"binding, FORM, N shots": share}; chance is 0.5 for a model that knows the two symbols.
    """
    found = {}
    for form in FORMS:
        for shots in GATED_SHOTS:
            rng = np.random.default_rng((seed, shots, 79))
            draw = partial(pairs_document, form=form, shots=shots, query=True)
            rows = [encode(tokenizer, draw(rng)) for _ in range(documents)]
            found[f"binding, {form}, {shots} shots"] = rows_right(model, tokenizer, rows)
    return found


def measure_shots(model: nn.Module, tokenizer: PreTrainedTokenizerBase) -> dict:
    """Returns the scores of both gates, reading and binding, and the gate of each."""
    measured, bound = measure_lm(model, tokenizer), shots_scores(model, tokenizer)
    gates = measured["gates"] | dict.fromkeys(bound, LM_GATE)
    return {"scores": measured["scores"] | bound, "gates": gates}
