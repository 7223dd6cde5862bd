"""A row of a batch, place by place: what is read, what is its label, where the loss looks.

Letters: B batch, S spliced length, T length of a decoder's text, Q visual tokens of an image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby

import torch
from transformers import PreTrainedTokenizerBase

from course_lib.data.prompts import image_token_id
from course_lib.losses.lm import IGNORE

NO_LABEL = "–"
VISUAL, LOSS, NO_LOSS, PADDING = "visual token place", "loss here", "no loss", "padding"
_SHIFTED = (
    "The state at a place predicts the label of the next place. The batch is not shifted: the loss "
    "shifts it."
)
_ENCODER = "The encoder reads all of this at once; nothing here has a label."
_DECODER = (
    "The decoder reads its labels moved one place to the right, so the state at a place predicts "
    "the label of that same place: no shift is left to do."
)
_UNLABELLED = "The batch has no labels: a prompt to go on from."


@dataclass(frozen=True)
class Place:
    """One place of a row, or a run of places that are alike.

    Args:
        first: index of the (first) place.
        count: how many places it stands for.
        reads: the token, such as "red", "<image>×16" or "<pad>×3".
        label: the word it should turn out to be, or "–".
        predicts: the word that the state here is compared with, or "–".
        kind: one of VISUAL, LOSS, NO_LOSS, PADDING.
    """

    first: int
    count: int
    reads: str
    label: str
    predicts: str
    kind: str


@dataclass(frozen=True)
class Strip:
    """Places of one side of a model.

    Args:
        title: whose they are.
        rows: which of "label" and "predicts" have something to say here.
        sentence: what to know about the labels.
        places: in reading order.
    """

    title: str
    rows: tuple[str, ...]
    sentence: str
    places: tuple[Place, ...]


def strips_of(
    tokenizer: PreTrainedTokenizerBase,
    batch: Mapping[str, torch.Tensor],
    row: int = 0,
    num_query_tokens: int | None = None,
    encoder_decoder: bool | None = None,
) -> list[Strip]:
    """Reads one row of a batch of `training_batch` or `generation_batch`.

    Args:
        tokenizer: the one that the batch was made with.
        batch: input_ids (B, S); attention_mask and labels where it has them.
        row: which row.
        num_query_tokens: Q; with it, neighbouring images are told apart, "<image>×16" each.
        encoder_decoder: None follows the tokenizer: one without start token is a T5's.

    Returns:
        One strip, or two for an encoder–decoder with labels.

    Raises:
        ValueError: when the batch lacks input_ids, the row or a word, or its labels do not fit.
    """
    if num_query_tokens is not None and num_query_tokens < 1:
        raise ValueError(f"num_query_tokens={num_query_tokens}: an image takes 1 place or more.")
    ids, mask, labels = _row(batch, row)
    seq2seq = tokenizer.bos_token_id is None if encoder_decoder is None else encoder_decoder
    if labels is not None and not seq2seq and len(labels) != len(ids):
        raise ValueError(
            f"The row has {len(ids)} places and {len(labels)} labels: a decoder-only model needs "
            "as many. For a T5 pass encoder_decoder=True."
        )
    word = _words(tokenizer)
    image = _image_id(tokenizer)
    own = [IGNORE] * len(ids) if labels is None or seq2seq else labels
    kinds = [_kind(i, m, y, image) for i, m, y in zip(ids, mask, own, strict=True)]
    names = _label_names(own, word)
    predicts = [*names[1:], NO_LABEL]
    places = _merged([word(i) for i in ids], names, predicts, kinds, num_query_tokens)
    if labels is None:
        return [Strip("the model reads", (), _UNLABELLED, places)]
    if not seq2seq:
        return [Strip("the model reads", ("label", "predicts"), _SHIFTED, places)]
    decoder = _decoder_places(tokenizer, labels, word)
    return [
        Strip("the encoder reads", (), _ENCODER, places),
        Strip("the decoder reads", ("label",), _DECODER, decoder),
    ]


def _row(batch: Mapping[str, torch.Tensor], row: int) -> tuple[list, list, list | None]:
    ids = batch.get("input_ids")
    if ids is None:
        raise ValueError(f"The batch has no input_ids, only {sorted(batch)}: give a batch of text.")
    if not 0 <= row < len(ids):
        raise ValueError(f"There is no row {row}: the batch has rows 0 to {len(ids) - 1}.")
    mask, labels = batch.get("attention_mask"), batch.get("labels")
    mask = torch.ones_like(ids) if mask is None else mask
    return ids[row].tolist(), mask[row].tolist(), None if labels is None else labels[row].tolist()


def _words(tokenizer: PreTrainedTokenizerBase) -> Callable[[int], str]:
    def word(token_id: int) -> str:
        token = None if token_id < 0 else tokenizer.convert_ids_to_tokens(token_id)
        if token is None:
            raise ValueError(
                f"The tokenizer has no word {token_id}: use the one that the batch was made with."
            )
        # A space in front of a word, as real tokenizers write it, and a new line.
        return token.replace("Ġ", "␣").replace("▁", "␣").replace("Ċ", "↵")

    return word


def _image_id(tokenizer: PreTrainedTokenizerBase) -> int | None:
    try:
        return image_token_id(tokenizer)
    except ValueError:
        return None  # a tokenizer of plain text


def _kind(token_id: int, mask: int, label: int, image: int | None) -> str:
    if label != IGNORE:
        return LOSS
    if not mask:
        return PADDING
    return VISUAL if token_id == image else NO_LOSS


def _label_names(labels: list, word: Callable[[int], str]) -> list[str]:
    return [NO_LABEL if label == IGNORE else word(label) for label in labels]


def _decoder_places(
    tokenizer: PreTrainedTokenizerBase, labels: list, word: Callable[[int], str]
) -> tuple[Place, ...]:
    """Moves the labels to the right, as T5 does: it starts with the padding token."""
    names = _label_names(labels, word)
    start = tokenizer.pad_token
    reads = [start, *(start if label == IGNORE else word(label) for label in labels[:-1])]
    last = max((i for i, label in enumerate(labels) if label != IGNORE), default=-1)
    kinds = [
        LOSS if label != IGNORE else NO_LOSS if i < last else PADDING
        for i, label in enumerate(labels)
    ]
    return _merged(reads, names, names, kinds, None)


def _merged(
    reads: list[str], labels: list[str], predicts: list[str], kinds: list[str], visual: int | None
) -> tuple[Place, ...]:
    """Joins places of images and of padding that stand together; `visual` is Q."""
    places, runs = [], {VISUAL, PADDING}
    columns = list(enumerate(zip(reads, labels, predicts, kinds, strict=True)))
    # Places that are alike share a key; any other place has its own index for one.
    for _, group in groupby(columns, lambda c: (c[1][0], c[1][3]) if c[1][3] in runs else c[0]):
        run = list(group)
        kind = run[0][1][3]
        size = visual if visual and kind == VISUAL else len(run)
        for start in range(0, len(run), size):
            part = run[start : start + size]
            first, (name, label, _, _) = part[0]
            name += f"×{len(part)}" if len(part) > 1 else ""
            places.append(Place(first, len(part), name, label, part[-1][1][2], kind))
    return tuple(places)
