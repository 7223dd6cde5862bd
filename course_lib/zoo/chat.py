"""What turns the zoo's LLaMA into one that chats: conversations about a scene in words.

A scene stands where LLaVA will put an image: at the beginning of the first question. The template
is vicuna_v1, the answers are those of the rule-based teacher (conversation, detail, reasoning).
Every fact may be spoken of, held-out ones too: what `instructions.facts.HELD_OUT` names is kept out
of instructions about images, and whoever answers about an image by such a fact has it from here.
What decided: with these facts held out of the text as well, the model did not answer wrongly about
squares, it never saw one (25 of 25 were called a circle); facts alone, in sentences beside the
conversations, changed nothing. A share of the rows are the documents that LLaMA learned to read
from, so that chatting costs nothing of the text-only gate.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from course_lib.data.chat_ids import ChatTokenizer
from course_lib.data.chat_templates import GPT, HUMAN, chat_pieces, chat_template, typed_turn
from course_lib.instructions import toy_rules
from course_lib.instructions.facts import any_held_out
from course_lib.instructions.symbols import TYPES
from course_lib.instructions.teacher import Turn
from course_lib.world.language import scene_in_words
from course_lib.world.scene import sample_scene, sample_scenes
from course_lib.zoo.gates import LM_GATE, measure_lm, rows_right
from course_lib.zoo.reading import BATCH_SIZE, Reading, encode, padded

TEMPLATE = "vicuna_v1"
DOCUMENTS = 0.3  # share of the rows
Rows = list[tuple[list[int], list[int]]]


@cache
def _chat_tokenizer(tokenizer: PreTrainedTokenizerBase) -> ChatTokenizer:
    return ChatTokenizer(tokenizer)


def chat_row(
    tokenizer: PreTrainedTokenizerBase, scene_words: str, turns: list[Turn]
) -> tuple[list[int], list[int]]:
    """Returns ids and labels of a conversation whose first question follows a scene in words."""
    sides = []
    for number, turn in enumerate(turns):
        before = f"{scene_words} " if number == 0 else ""
        sides += [typed_turn(HUMAN, before + turn.question), typed_turn(GPT, turn.answer)]
    chat = _chat_tokenizer(tokenizer)(chat_pieces(chat_template(TEMPLATE), sides))
    return chat.ids, chat.labels


def chat_batch(
    tokenizer: PreTrainedTokenizerBase,
    seed: int,
    step: int,
    steps: int,
    reading: Reading,
    shares: tuple[float, ...] = (1, 1, 1),
) -> dict[str, torch.Tensor]:
    """Makes the batch of a step: conversations of the three types, and documents as before.

    Args:
        shares: of conversation, detail and reasoning. In descriptions "there is one shape and two
            numbers." is learned last: nothing else in them has to be counted.
    """
    chances = np.array(shares) / sum(shares)
    rng = np.random.default_rng((seed, step, 31))
    rows: Rows = []
    for _ in range(BATCH_SIZE):
        if rng.random() < DOCUMENTS:
            rows.append(encode(tokenizer, reading.draw(rng, step, steps)))
            continue
        scene = sample_scene(rng, "train", num_things=int(rng.integers(1, 4)))
        type = TYPES[int(rng.choice(len(TYPES), p=chances))]
        turns = toy_rules.turns_about(scene, type, rng, every_fact=True)
        rows.append(chat_row(tokenizer, scene_in_words(scene, rng), turns))
    return padded(tokenizer, rows)


def chat_scores(
    model: nn.Module, tokenizer: PreTrainedTokenizerBase, per_type: int = 200, seed: int = 0
) -> dict[str, float]:
    """Measures how instructions are followed, given unseen scenes in words.

    Args:
        model: a decoder-only model of transformers, in eval mode.
        tokenizer: its own.
        per_type: conversations of each type.
        seed: of scenes and questions.

    Returns:
        Under "chat, TYPE" the share of answers that greedy decoding would write word for word as
        the teacher does, stop token included; under "chat, held-out facts" that of reasoning about
        facts that no instruction about an image will hold.
    """
    rng = np.random.default_rng((seed, 78))
    scenes = sample_scenes(per_type, seed + 1, "test")
    found = {}
    for type in TYPES:
        rows = [
            chat_row(tokenizer, scene_in_words(scene, rng), [turn])
            for scene in scenes
            for turn in toy_rules.turns_about(scene, type, rng, every_fact=True)
        ]
        found[f"chat, {type}"] = rows_right(model, tokenizer, rows)
    rows = []
    for scene in sample_scenes(4 * per_type, seed + 2, "test"):
        for turn in toy_rules.reasoning_turns(scene):
            if any_held_out(turn.facts):
                rows.append(chat_row(tokenizer, scene_in_words(scene, rng), [turn]))
    found["chat, held-out facts"] = rows_right(model, tokenizer, rows[:per_type])
    return found


def measure_chat(model: nn.Module, tokenizer: PreTrainedTokenizerBase) -> dict:
    """Returns the scores of both gates, reading and following, and the gate of each."""
    measured, followed = measure_lm(model, tokenizer), chat_scores(model, tokenizer)
    gates = dict.fromkeys((f"chat, {type}" for type in TYPES), LM_GATE)
    return {"scores": measured["scores"] | followed, "gates": measured["gates"] | gates}
