"""The zoo's language models: an OPT and a T5 that read a scene in words and answer about it.

What decided: loss on captions and answers alone; scenes in seven forms; one thing before two and
three; and, for OPT, learned positions that start as sinusoids. Learned positions that start as
noise have to find "the token before" anew at every position, and look-ups then come thousands of
steps later than with LLaMA's rotary positions. A random offset trains every position.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, lru_cache

import numpy as np
import torch
from torch import nn
from transformers import (
    OPTConfig,
    OPTForCausalLM,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.data.prompts import pad_rows
from course_lib.losses import lm_loss
from course_lib.world.documents import Piece, document

CONTEXT = 384
BATCH_SIZE = 64
BLOCK = 8


def sinusoids(positions: int, width: int) -> torch.Tensor:
    """Returns the fixed position vectors of "Attention is all you need", section 3.5."""
    angle = torch.arange(positions)[:, None] * torch.exp(
        -math.log(10_000.0) * torch.arange(0, width, 2) / width
    )
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)


def build_opt(width: int = 128, layers: int = 4, seed: int = 0) -> OPTForCausalLM:
    """Builds an untrained toy OPT with a context of 384 tokens."""
    tokenizer = build_tokenizer("opt", CONTEXT)
    torch.manual_seed(seed)
    config = OPTConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        word_embed_proj_dim=width,
        ffn_dim=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        max_position_embeddings=CONTEXT,
        dropout=0.0,
        attention_dropout=0.0,
        layerdrop=0.0,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = OPTForCausalLM(config)
    _normal_init(model, 0.05)
    with torch.no_grad():
        table = model.model.decoder.embed_positions.weight
        table[2:] = 0.05 * sinusoids(CONTEXT, width)
    return model


def build_t5(width: int = 128, layers: int = 3, seed: int = 0) -> T5ForConditionalGeneration:
    """Builds an untrained toy T5 (v1.1: gated GELU, untied head).

    The head starts small: transformers draws an untied one with deviation 1, which makes a loss of
    dozens at the start, and a small model spends hundreds of steps on getting rid of it.
    """
    tokenizer = build_tokenizer("t5", CONTEXT)
    torch.manual_seed(seed)
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=width,
        d_kv=32,
        d_ff=3 * width,
        num_layers=layers,
        num_decoder_layers=layers,
        num_heads=width // 32,
        relative_attention_num_buckets=32,
        relative_attention_max_distance=128,
        dropout_rate=0.0,
        feed_forward_proj="gated-gelu",
        dense_act_fn="gelu",
        tie_word_embeddings=False,
        decoder_start_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = T5ForConditionalGeneration(config)
    nn.init.normal_(model.lm_head.weight, std=width**-0.5)
    return model


def _normal_init(model: nn.Module, embedding_std: float) -> None:
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=embedding_std)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=module.in_features**-0.5)


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


def things_at(step: int, steps: int) -> int:
    """Returns the curriculum's largest number of things: 1, 2 from a tenth on, 3 from a fifth."""
    return 1 if step < 0.1 * steps else 2 if step < 0.2 * steps else 3


@lru_cache(maxsize=1)
def _block_by_length(
    tokenizer: PreTrainedTokenizerFast,
    rows_of: Callable,
    batch_size: int,
    seed: int,
    block: int,
    max_things: int,
) -> list[tuple[list[int], list[int]]]:
    rng = np.random.default_rng((seed, block))
    rows: list[tuple[list[int], list[int]]] = []
    while len(rows) < BLOCK * batch_size:
        rows += rows_of(tokenizer, document(rng, max_things), rng)
    return sorted(rows[: BLOCK * batch_size], key=lambda row: len(row[0]))


def batch_rows(
    tokenizer: PreTrainedTokenizerFast,
    rows_of: Callable,
    batch_size: int,
    seed: int,
    step: int,
    steps: int,
) -> list[tuple[list[int], list[int]]]:
    """Returns the rows of a step, of like length, a function of seed and step alone.

    Eight steps share a block of documents that is cut by length, since otherwise a third of all
    positions would be padding; which step gets which length is drawn anew for each block.

    Args:
        rows_of: (tokenizer, document, rng) → rows of two lists of ids.
        steps: of the whole training, for the curriculum.
    """
    block, place = divmod(step, BLOCK)
    start = batch_size * int(np.random.default_rng((seed, block, 1)).permutation(BLOCK)[place])
    max_things = things_at(block * BLOCK, steps)
    rows = _block_by_length(tokenizer, rows_of, batch_size, seed, block, max_things)
    return rows[start : start + batch_size]


def causal_rows(
    tokenizer: PreTrainedTokenizerFast, pieces: list[Piece], rng: np.random.Generator
) -> list[tuple[list[int], list[int]]]:
    """Makes one row of a document: ids and labels."""
    return [encode(tokenizer, pieces)]


def causal_batch(tokenizer: PreTrainedTokenizerFast, seed: int, step: int, steps: int) -> dict:
    """Makes the batch of a step for a decoder-only model; half of the rows start at an offset."""
    rows = batch_rows(tokenizer, causal_rows, BATCH_SIZE, seed, step, steps)
    rng = np.random.default_rng((seed, step, 2))
    input_ids = pad_rows([ids for ids, _ in rows], tokenizer.pad_token_id)
    room = CONTEXT - input_ids.shape[1]
    offset = rng.integers(0, room + 1, BATCH_SIZE) * (rng.random(BATCH_SIZE) < 0.5)
    return {
        "input_ids": input_ids,
        "attention_mask": (input_ids != tokenizer.pad_token_id).long(),
        "position_ids": torch.arange(input_ids.shape[1]) + torch.from_numpy(offset)[:, None],
        "labels": pad_rows([labels for _, labels in rows], -100),
    }


def seq2seq_rows(
    tokenizer: PreTrainedTokenizerFast, pieces: list[Piece], rng: np.random.Generator
) -> list[tuple[list[int], list[int]]]:
    """Makes four rows of a document: what is read, and one target, which is said.

    Three times in four only the scene and the target's own question are read, not the questions in
    between: short rows let a step see twice as many targets. A caption is cut in two now and then,
    its first words read and the rest said: the prefix language modelling of BLIP-2's stage 2 with
    an encoder-decoder (section 3.3).
    """
    targets = [index for index, piece in enumerate(pieces) if piece.target]
    opening = pieces[: targets[0] - 1]
    separable = all(piece.target for piece in pieces[targets[0] :: 2])
    rows = []
    for chosen in targets[:1] + [int(rng.choice(targets)) for _ in range(3)]:
        before = pieces[:chosen]
        if separable and rng.random() < 0.75:
            before = [*opening, pieces[chosen - 1]]
        read = [id for piece in before for id in _ids(tokenizer, piece.text)]
        said = list(_ids(tokenizer, pieces[chosen].text))
        if len(said) > 5 and rng.random() < 0.3:
            cut = int(rng.integers(1, len(said) - 1))
            read, said = read + said[:cut], said[cut:]
        rows.append(([*read, tokenizer.eos_token_id], [*said, tokenizer.eos_token_id]))
    return rows


def seq2seq_batch(tokenizer: PreTrainedTokenizerFast, seed: int, step: int, steps: int) -> dict:
    """Makes the batch of a step for an encoder-decoder: twice as many rows, for they are short."""
    rows = batch_rows(tokenizer, seq2seq_rows, 2 * BATCH_SIZE, seed, step, steps)
    input_ids = pad_rows([read for read, _ in rows], tokenizer.pad_token_id)
    return {
        "input_ids": input_ids,
        "attention_mask": (input_ids != tokenizer.pad_token_id).long(),
        "labels": pad_rows([said for _, said in rows], -100),
    }


class CausalPretraining(nn.Module):
    """Next-token loss of a decoder-only model on the targets of its documents."""

    def __init__(self, model: OPTForCausalLM) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: dict) -> torch.Tensor:
        inputs = {key: batch[key] for key in ("input_ids", "attention_mask", "position_ids")}
        hidden = self.model.model(**inputs).last_hidden_state
        return lm_loss(hidden, self.model.lm_head, batch["labels"])[0]


class Seq2SeqPretraining(nn.Module):
    """Loss of an encoder-decoder on one target of each document."""

    def __init__(self, model: T5ForConditionalGeneration) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: dict) -> torch.Tensor:
        return self.model(**batch).loss
