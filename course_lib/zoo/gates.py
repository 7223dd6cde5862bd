"""Gates: what a frozen model must be able to do before anything is built on it.

A language model has to answer every type of question from a scene in words, an encoder's
second-last layer has to let a linear probe read every attribute. Both are measured on scenes that
no training has seen.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import torch
from torch import nn

from course_lib.data.prompts import pad_rows
from course_lib.world.documents import Piece, answered
from course_lib.world.language import canonical_caption, scene_in_words
from course_lib.world.questions import balanced_questions
from course_lib.world.scene import sample_scenes
from course_lib.zoo.reading import encode, padded

LM_GATE = 0.95
PROBE_GATES = {"colour": 0.98, "size": 0.98, "shape": 0.95, "digit": 0.90}


def gate_documents(per_type: int, seed: int = 0) -> dict[str, list[list[Piece]]]:
    """Returns documents of one scene in words and one target: captions, and each question type."""
    rng = np.random.default_rng((seed, 77))
    scenes = sample_scenes(12 * per_type, seed, "test")

    def opening(index: int) -> list[Piece]:
        return [Piece(scene_in_words(scenes[index], rng), "bos")]

    documents = defaultdict(list)
    for index in range(per_type):
        target = Piece(canonical_caption(scenes[index]), "eos", target=True)
        documents["caption"].append([*opening(index), target])
    for index, question in balanced_questions(scenes, per_type, rng):
        documents[question.type].append(
            [*opening(index), *answered(question.text, question.answer)]
        )
    return dict(documents)


@torch.no_grad()
def _right_causal(model: nn.Module, tokenizer, documents: list[list[Piece]]) -> float:
    """Returns the share of documents whose target greedy decoding would write.

    Greedy decoding writes the target if and only if, with the target's first words given, the
    likeliest next token is always the target's: so one forward pass decides it exactly.
    """
    return rows_right(model, tokenizer, [encode(tokenizer, pieces) for pieces in documents])


@torch.no_grad()
def rows_right(model: nn.Module, tokenizer, rows: list[tuple[list[int], list[int]]]) -> float:
    """Returns the share of rows (ids and labels) whose every label is the likeliest token there.

    Args:
        model: a causal language model of transformers, in eval mode.
        tokenizer: its own.
        rows: of `zoo.reading` or `zoo.chat`.
    """
    batch = padded(tokenizer, rows)
    labels = batch.pop("labels")[:, 1:]
    guess = model(**batch).logits[:, :-1].argmax(-1)
    return ((guess == labels) | (labels == -100)).all(1).float().mean().item()


@torch.no_grad()
def _right_seq2seq(model: nn.Module, tokenizer, documents: list[list[Piece]]) -> float:
    """The same for an encoder-decoder: everything but the target is read."""
    read, said = [], []
    for *context, target in documents:
        text = " ".join(piece.text for piece in context)
        read.append(tokenizer(text).input_ids)
        said.append(tokenizer(target.text).input_ids)
    input_ids = pad_rows(read, tokenizer.pad_token_id)
    labels = pad_rows(said, -100)
    mask = (input_ids != tokenizer.pad_token_id).long()
    guess = model(input_ids=input_ids, attention_mask=mask, labels=labels).logits.argmax(-1)
    return ((guess == labels) | (labels == -100)).all(1).float().mean().item()


def lm_scores(model: nn.Module, tokenizer, per_type: int = 200, seed: int = 0) -> dict[str, float]:
    """Measures the text-only gate.

    Args:
        model: a causal or an encoder-decoder language model of transformers, in eval mode.
        per_type: scenes for the captions and for each question type.

    Returns:
        Share of exact captions under "caption", share of right answers under each question type.
    """
    measure = _right_seq2seq if model.config.is_encoder_decoder else _right_causal
    documents = gate_documents(per_type, seed)
    return {name: measure(model, tokenizer, found) for name, found in documents.items()}


def measure_lm(model: nn.Module, tokenizer) -> dict:
    """Returns the scores of the text-only gate and the gate of each."""
    scores = lm_scores(model, tokenizer)
    return {"scores": scores, "gates": dict.fromkeys(scores, LM_GATE)}
