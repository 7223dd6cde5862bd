"""Toy scenes as LLaVA's two stages read them: captions behind an image, then instructions.

Stage 1 takes pairs in the template "plain" (image, caption, end), stage 2 conversations, detailed
descriptions and reasoning in vicuna_v1, in the paper's proportions (arXiv 2304.08485, sections 3
and 4.2). The answers are those of the rule-based teacher; no answer needs a fact of
`instructions.facts.HELD_OUT`. Rows go the way that a real file's records go, `rows_batch`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from course_lib.data.chat_ids import ChatTokenizer
from course_lib.data.chat_templates import (
    GPT,
    HUMAN,
    ChatTemplate,
    Turn,
    chat_pieces,
    chat_template,
    typed_turn,
)
from course_lib.data.conversation_batch import Row, rows_batch
from course_lib.data.toy import ToyScenes
from course_lib.instructions import toy_rules
from course_lib.instructions.mix import PAPER_MIX
from course_lib.instructions.symbols import TYPES
from course_lib.training.order import batch_indices
from course_lib.world.language import captions
from course_lib.world.scene import Scene

TEMPLATE = "vicuna_v1"
ONE_WORD = "answer with one word."


@dataclass(frozen=True)
class Instructions:
    """What stage 2 reads.

    Args:
        mix: shares of conversation, detail and reasoning; they need not sum to 1.
        template: name of the chat template.
        most_turns: of a conversation.
        short: share of questions with a key that are answered by the key alone, as visual question
            answering data sets are.
        marked: whether such a question says so (LLaVA-1.5, arXiv 2310.03744, section 3.2).
    """

    mix: tuple[float, ...] = PAPER_MIX
    template: str = TEMPLATE
    most_turns: int = 4
    short: float = 0.0
    marked: bool = True


PAPER = Instructions()


def turns_of(
    scene: Scene, type: str, rng: np.random.Generator, instructions: Instructions = PAPER
) -> list[Turn]:
    """Returns a conversation about a scene, its image in front of the first question."""
    most = instructions.most_turns
    said = toy_rules.turns_about(scene, type, rng, most) or toy_rules.conversation(scene, rng, most)
    sides = []
    for number, turn in enumerate(said):
        question, answer = turn.question, turn.answer
        if instructions.short and turn.key and rng.random() < instructions.short:
            answer = turn.key
            question += f" {ONE_WORD}" if instructions.marked else ""
        sides.append(typed_turn(HUMAN, question, num_images=int(number == 0)))
        sides.append(typed_turn(GPT, answer))
    return sides


def caption_turns(caption: str) -> list[Turn]:
    """Returns a pair of stage 1: nothing but the image is asked, the caption is the answer."""
    return [typed_turn(HUMAN, "", num_images=1), typed_turn(GPT, caption)]


def encoded(chat: ChatTokenizer, template: ChatTemplate, turns: Sequence[Turn], image: int) -> Row:
    """Makes the row of a conversation about one image, which is named by its number."""
    whole = chat(chat_pieces(template, turns))
    return Row(whole.ids, whole.labels, (str(image),))


def toy_images(data: ToyScenes, names: list[str]) -> dict[str, torch.Tensor]:
    """Reads images by their numbers in `data`, as features; see `conversation_batch.ReadImages`."""
    return data.image_inputs([int(name) for name in names])


def caption_batch(
    data: ToyScenes, chat: ChatTokenizer, step: int, batch_size: int, seed: int
) -> dict[str, torch.Tensor]:
    """Makes a batch of stage 1, stateless: the canonical caption of each image."""
    template, rows = chat_template("plain"), []
    for index in batch_indices(step, batch_size, len(data), seed, data.lengths):
        caption = captions(data.scenes[index])[0]
        rows.append(encoded(chat, template, caption_turns(caption), index))
    return rows_batch(rows, chat.pad_token_id, partial(toy_images, data))


def instruction_batch(
    data: ToyScenes,
    chat: ChatTokenizer,
    step: int,
    batch_size: int,
    seed: int,
    instructions: Instructions = PAPER,
) -> dict[str, torch.Tensor]:
    """Makes a batch of stage 2, stateless: a type is drawn for each image by the mix."""
    rng = np.random.default_rng((seed, step, 6))
    template = chat_template(instructions.template)
    chances = np.array(instructions.mix) / sum(instructions.mix)
    rows = []
    for index in batch_indices(step, batch_size, len(data), seed, data.lengths):
        type = TYPES[int(rng.choice(len(TYPES), p=chances))]
        turns = turns_of(data.scenes[index], type, rng, instructions)
        rows.append(encoded(chat, template, turns, index))
    return rows_batch(rows, chat.pad_token_id, partial(toy_images, data))
