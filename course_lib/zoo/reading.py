"""What the zoo's language models read while they train: documents as ids, batch by batch.

What decided for OPT: captions are a look-up of everything at every place, and with 60 % of the
documents holding one, colour and kind by place came between steps 1,500 and 3,000 (captions .985
at 4,000), while "where is the red thing?" stood at .59. With 40 % captions and twice as many of the
look-ups by attribute these came first ("is there" .98 at 2,500) and the look-ups by place had not
come at 4,000 (captions .45). So it reads in rounds: captions first, then the rest beside them, then
a drill of the one look-up that stood at chance after both ("where", see `place_drill`), and then
everything, with a third of the drill kept: without it the whole mix lost the look-up again within
1,000 steps.

LLaMA reads in three rounds: the drill in both directions alone, everything, and then captions more
often, since half of the last wrong ones had a size wrong that stood far behind its place (.945 of
captions exact before). What decided is how it starts (`zoo.lm.build_llama`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from course_lib.data.prompts import pad_rows
from course_lib.world.documents import Mix, Piece, document
from course_lib.world.drills import place_drill, retelling
from course_lib.zoo.lm import CONTEXT

BATCH_SIZE = 64


@cache
def _ids(tokenizer: PreTrainedTokenizerFast, text: str) -> tuple[int, ...]:
    return tuple(tokenizer(text, add_special_tokens=False).input_ids)


def encode(tokenizer: PreTrainedTokenizerFast, pieces: list[Piece]) -> tuple[list[int], list[int]]:
    """Returns ids and labels of a document in one pass; -100 where nothing is to be said."""
    marks = {"": [], "bos": [tokenizer.bos_token_id], "eos": [tokenizer.eos_token_id]}
    ids: list[int] = []
    labels: list[int] = []
    for piece in pieces:
        new = list(_ids(tokenizer, piece.text)) + marks[piece.mark]
        ids += new
        labels += new if piece.target else [-100] * len(new)
    return ids, labels


@dataclass(frozen=True)
class Reading:
    """What one round of training reads.

    Args:
        mix: what documents about a scene ask for.
        first_things: largest number of things at the start; it grows to 3 within a fifth of the
            steps.
        drill: share of documents that are a `place_drill`.
        first_level: the drill's level at the start; it grows to 2 by thirds of the steps.
        both_ways: whether the drill also asks what stands at a place.
        retelling: share of the others that are a `retelling`.
        offsets: share of rows of a decoder-only model that start at another position than 0.
    """

    mix: Mix
    first_things: int = 1
    drill: float = 0.0
    first_level: int = 2
    both_ways: bool = False
    retelling: float = 0.0
    offsets: float = 0.5

    def draw(self, rng: np.random.Generator, step: int, steps: int) -> list[Piece]:
        """Draws a document of a step."""
        if self.drill and rng.random() < self.drill:
            level = max(self.first_level, 3 * step // steps)
            return place_drill(rng, "train", level, self.both_ways)
        if self.retelling and rng.random() < self.retelling:
            return retelling(rng, "train")
        return document(rng, self.things_at(step, steps), mix=self.mix)

    def things_at(self, step: int, steps: int) -> int:
        """Returns the largest number of things in a scene of this step."""
        return max(self.first_things, 1 if step < 0.1 * steps else 2 if step < 0.2 * steps else 3)


def batch_rows(
    tokenizer: PreTrainedTokenizerFast,
    row_of: Callable,
    seed: int,
    step: int,
    steps: int,
    reading: Reading,
) -> list[tuple[list[int], list[int]]]:
    """Returns the rows of a step, shortest first, a function of seed and step alone.

    Every batch is a fair draw: batches of like length would each hold one kind of document.

    Args:
        row_of: (tokenizer, document, rng) → a row of two lists of ids.
        steps: of the whole round, for the curriculum.
        reading: what is read.
    """
    rng = np.random.default_rng((seed, step))
    rows = [row_of(tokenizer, reading.draw(rng, step, steps), rng) for _ in range(BATCH_SIZE)]
    return sorted(rows, key=lambda row: len(row[0]))


def padded(tokenizer: PreTrainedTokenizerFast, rows: list, labels: str = "labels") -> dict:
    """Pads rows of two lists of ids: what is read, and what is said or labelled."""
    input_ids = pad_rows([read for read, _ in rows], tokenizer.pad_token_id)
    return {
        "input_ids": input_ids,
        "attention_mask": (input_ids != tokenizer.pad_token_id).long(),
        labels: pad_rows([said for _, said in rows], -100),
    }


def causal_row(
    tokenizer: PreTrainedTokenizerFast, pieces: list[Piece], rng: np.random.Generator
) -> tuple[list[int], list[int]]:
    """Makes the row of a document: ids and labels."""
    return encode(tokenizer, pieces)


def causal_batch(
    tokenizer: PreTrainedTokenizerFast, seed: int, step: int, steps: int, reading: Reading
) -> dict:
    """Makes the batch of a step for a decoder-only model; some rows start at an offset.

    Without offsets there are no positions in the batch: all begin at 0, which is faster.
    """
    batch = padded(tokenizer, batch_rows(tokenizer, causal_row, seed, step, steps, reading))
    if not reading.offsets:
        return batch
    rng = np.random.default_rng((seed, step, 2))
    length = batch["input_ids"].shape[1]
    offset = rng.integers(0, CONTEXT - length + 1, BATCH_SIZE)
    offset *= rng.random(BATCH_SIZE) < reading.offsets
    return {**batch, "position_ids": torch.arange(length) + torch.from_numpy(offset)[:, None]}


def seq2seq_row(
    tokenizer: PreTrainedTokenizerFast, pieces: list[Piece], rng: np.random.Generator
) -> tuple[list[int], list[int]]:
    """Makes the row of a document: what is read, and one of its targets, which is said.

    Three times in four only the scene and the target's own question are read, not the questions in
    between: short rows let a step see more targets. A caption is cut in two now and then, its first
    words read and the rest said: the prefix language modelling of BLIP-2's stage 2 with an
    encoder-decoder (section 3.3). One row a document, since rows about the same scene teach less.
    """
    targets = [index for index, piece in enumerate(pieces) if piece.target]
    separable = all(piece.target for piece in pieces[targets[0] :: 2])
    chosen = targets[0] if rng.random() < 0.25 else int(rng.choice(targets))
    before = pieces[:chosen]
    if separable and rng.random() < 0.75:
        before = [*pieces[: targets[0] - 1], pieces[chosen - 1]]
    read = [id for piece in before for id in _ids(tokenizer, piece.text)]
    said = list(_ids(tokenizer, pieces[chosen].text))
    if len(said) > 5 and rng.random() < 0.3:
        cut = int(rng.integers(1, len(said) - 1))
        read, said = read + said[:cut], said[cut:]
    return [*read, tokenizer.eos_token_id], [*said, tokenizer.eos_token_id]


def encoder_row(
    tokenizer: PreTrainedTokenizerFast, pieces: list[Piece], rng: np.random.Generator
) -> tuple[list[int], list[int]]:
    """Makes the row of a drill for an encoder alone: its cues, each labelled with its answer.

    The answers are left out of the text, and the label stands at the last token of the cue. What
    decided for T5: through the decoder a row gives one target, and the encoder stood at chance for
    as long as we looked (2,000 steps, both ways); with four or more targets a row right at the
    cues it knew both directions after 700 steps (.99 and .98).
    """
    ids = list(_ids(tokenizer, pieces[0].text))
    labels = [-100] * len(ids)
    for cue, target in zip(pieces[1::2], pieces[2::2], strict=True):
        new = _ids(tokenizer, cue.text)
        ids += new
        labels += [-100] * (len(new) - 1) + [_ids(tokenizer, target.text)[0]]
    return ids, labels


def encoder_batch(
    tokenizer: PreTrainedTokenizerFast, seed: int, step: int, steps: int, reading: Reading
) -> dict:
    """Makes the batch of a step for the encoder of an encoder-decoder alone."""
    rows = batch_rows(tokenizer, encoder_row, seed, step, steps, reading)
    return padded(tokenizer, rows, "encoder_labels")


def seq2seq_batch(
    tokenizer: PreTrainedTokenizerFast, seed: int, step: int, steps: int, reading: Reading
) -> dict:
    """Makes the batch of a step for an encoder-decoder."""
    return padded(tokenizer, batch_rows(tokenizer, seq2seq_row, seed, step, steps, reading))
