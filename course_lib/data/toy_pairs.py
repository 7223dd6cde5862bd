"""Toy scenes as MiniGPT-4's two stages read them: noisy pairs, then descriptions inside a chat.

Stage 1 has millions of pairs from the web and no prompt (arXiv 2304.10592, section 3.1), stage 2 a
few thousand descriptions, each as the answer to a wish (section 3.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from course_lib.data.chat_ids import ChatTokenizer
from course_lib.data.chat_templates import ChatTemplate
from course_lib.data.conversation_batch import ReadImages, Row, rows_batch
from course_lib.data.toy import ToyScenes
from course_lib.data.toy_instructions import caption_turns, encoded, toy_images
from course_lib.training.order import batch_indices
from course_lib.world.language import noisy_caption
from course_lib.world.scene import Scene

_NO_MARKS = str.maketrans("", "", '.!"()*#:;~')  # what the released processor strips


@dataclass(frozen=True)
class Noise:
    """What is wrong with the pairs of stage 1.

    Noise costs truth: with .2 of other pictures and .3 wrong, stage 2 came to .64 of things right,
    after true pairs to .71; hence less of it here. In the chat, two such stages 1 left .42 and .07
    of descriptions failing as language (fragments, repetition), two on true pairs .11 and .03, and
    all of them had at most .04 of things right. Single runs.

    Args:
        other: share of pairs whose caption speaks of another picture.
        wrong: share of captions with something wrong or missing; see `noisy_caption`.
        bare: whether captions lose their marks, as in the released text processor
            (blip_processors.py); the toy language model knows sentences with a full stop alone.
    """

    other: float = 0.1
    wrong: float = 0.2
    bare: bool = False


WEB = Noise()
TRUE = Noise(0.0, 0.0)


def pair_caption(scenes: Sequence[Scene], row: int, seed: int, noise: Noise = WEB) -> str:
    """Returns the caption that a picture has on the web: always the same one.

    Args:
        scenes: all of them; a caption may be that of another one.
        row: of the picture.
        seed: of the draws.
        noise: what is wrong.
    """
    rng = np.random.default_rng((seed, row, 14))
    about = int(rng.integers(len(scenes))) if rng.random() < noise.other else row
    caption = noisy_caption(scenes[about], rng, noise.wrong)
    return caption.translate(_NO_MARKS) if noise.bare else caption


def pair_batch(
    data: ToyScenes,
    chat: ChatTokenizer,
    template: ChatTemplate,
    step: int,
    batch_size: int,
    seed: int,
    noise: Noise = WEB,
) -> dict[str, torch.Tensor]:
    """Makes a batch of stage 1, stateless: images and their noisy captions.

    Args:
        data: scenes and their visual tokens.
        chat: tokenizer that knows Q.
        template: one without words of a human.
        step: 0-based.
        batch_size: pairs.
        seed: of order and noise.
        noise: what is wrong with the captions.

    Returns:
        See `rows_batch`.
    """
    rows = []
    for index in batch_indices(step, batch_size, len(data), seed, data.lengths):
        caption = pair_caption(data.scenes, index, seed, noise)
        rows.append(encoded(chat, template, caption_turns(caption), index))
    return rows_batch(rows, chat.pad_token_id, partial(toy_images, data))


def drawn_batch(
    rows: Sequence[Row],
    pad_token_id: int,
    read_images: ReadImages,
    step: int,
    batch_size: int,
    seed: int,
) -> dict[str, torch.Tensor]:
    """Makes a batch of stage 2, stateless, of conversations that were encoded before.

    Args:
        rows: all of them; conversations of like length share a batch.
        pad_token_id: fills rows up.
        read_images: gives their visual tokens.
        step: 0-based.
        batch_size: conversations.
        seed: of the order.

    Returns:
        See `rows_batch`.

    Raises:
        ValueError: for fewer rows than a batch takes.
    """
    lengths = torch.tensor([len(row.ids) for row in rows])
    chosen = batch_indices(step, batch_size, len(rows), seed, lengths)
    return rows_batch([rows[index] for index in chosen], pad_token_id, read_images)
