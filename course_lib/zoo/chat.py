"""What turns the zoo's LLaMA into one that chats: conversations about a scene in words.

A scene stands where LLaVA will put an image: at the beginning of the first question. The template
is vicuna_v1, the answers are those of the rule-based teacher (conversation, detail, reasoning), and
no instruction holds a fact of `instructions.facts.HELD_OUT`. A share of the rows are the documents
that LLaMA learned to read from, so that chatting costs nothing of the text-only gate; and a share
are statements of facts without any scene, held-out ones among them, in the words of an answer. What
decided: a model whose facts came as one-word answers alone used none of them in a sentence (.08 of
the reasoning about held-out facts right, where taught ones stood at .83).
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
from course_lib.world.documents import Piece
from course_lib.world.language import article, join, scene_in_words
from course_lib.world.questions import SIDES, parity
from course_lib.world.scene import DIGITS, Scene, sample_scene, sample_scenes
from course_lib.zoo.gates import LM_GATE, measure_lm, rows_right
from course_lib.zoo.reading import BATCH_SIZE, Reading, encode, padded

TEMPLATE = "vicuna_v1"
DOCUMENTS, STATEMENTS = 0.25, 0.1  # shares of the rows
Rows = list[tuple[list[int], list[int]]]


@cache
def _chat_tokenizer(tokenizer: PreTrainedTokenizerBase) -> ChatTokenizer:
    return ChatTokenizer(tokenizer)


def turns_about(scene: Scene, type: str, rng: np.random.Generator) -> list[Turn]:
    """Returns what the teacher asks and answers; another type where a scene gives nothing for it.

    Args:
        scene: of the toy world.
        type: "conversation", "detail" or "reasoning".
        rng: of every choice.
    """
    return toy_rules.turns_about(scene, type, rng) or toy_rules.conversation(scene, rng)


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


def statements(rng: np.random.Generator, count: int = 6) -> list[Piece]:
    """Returns facts in sentences, a text about no picture: what the language model brings along."""
    pieces = [Piece("", "bos")]
    for _ in range(count):
        match int(rng.integers(3)):
            case 0:
                digit = str(rng.choice(DIGITS))
                pieces += [Piece(f"{digit} is"), Piece(f"{parity(digit)}.", target=True)]
            case 1:
                shape = str(rng.choice(list(SIDES)))
                said = Piece(f"{SIDES[shape]} sides.", target=True)
                pieces += [Piece(f"{article(shape)} has"), said]
            case _:
                pair = [str(digit) for digit in rng.choice(DIGITS, size=2, replace=False)]
                said = Piece(f"{max(pair)} is the largest.", target=True)
                pieces += [Piece(f"the numbers are {join(pair)}, and"), said]
    return pieces


def chat_batch(
    tokenizer: PreTrainedTokenizerBase, seed: int, step: int, steps: int, reading: Reading
) -> dict[str, torch.Tensor]:
    """Makes the batch of a step: conversations of the three types, documents, statements."""
    rng = np.random.default_rng((seed, step, 31))
    rows: Rows = []
    for _ in range(BATCH_SIZE):
        drawn = rng.random()
        if drawn < DOCUMENTS + STATEMENTS:
            about_scene = drawn < DOCUMENTS
            pieces = reading.draw(rng, step, steps) if about_scene else statements(rng)
            rows.append(encode(tokenizer, pieces))
            continue
        scene = sample_scene(rng, "train", num_things=int(rng.integers(1, 4)))
        turns = turns_about(scene, TYPES[int(rng.integers(len(TYPES)))], rng)
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
        Under "chat, TYPE" the share of conversations whose answers, stop token included, greedy
        decoding would all write as the teacher does; under "chat, held-out facts" that of reasoning
        questions about facts that no instruction held (no gate: it is what the model brings along).
    """
    rng = np.random.default_rng((seed, 78))
    scenes = sample_scenes(per_type, seed + 1, "test")
    found = {}
    for type in TYPES:
        rows = [
            chat_row(tokenizer, scene_in_words(scene, rng), turns_about(scene, type, rng))
            for scene in scenes
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
