"""Curated pairs as the conversations of MiniGPT-4's stage 2: a wish about an image, its caption.

MiniGPT-4, arXiv 2304.10592, section 3.3: the wish is one of a few ways to ask for a description.
The released code draws one for a whole batch (minigpt4/models/mini_gpt4.py); here each pair has its
own, which depends on the seed and its place alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from course_lib.curation.curated_set import Pair
from course_lib.data.chat_templates import GPT, HUMAN, typed_turn
from course_lib.data.conversation_batch import ReadImages
from course_lib.data.images import load_image, to_pixel_values
from course_lib.data.llava_json import Conversation


def curated_conversations(
    pairs: Sequence[Pair], wishes: Sequence[str], seed: int = 0
) -> list[Conversation]:
    """Makes a conversation of each pair; its image is named by the file's name.

    Args:
        pairs: of `curated_set.read_curated`.
        wishes: ways to ask for a description.
        seed: of the draws.

    Raises:
        ValueError: without a wish.
    """
    if not wishes:
        raise ValueError("There is no wish to ask with: give at least one.")
    drawn = np.random.default_rng(seed).integers(len(wishes), size=len(pairs))
    return [
        Conversation(
            pair.image_id,
            (pair.image.name,),
            (typed_turn(HUMAN, wishes[index], num_images=1), typed_turn(GPT, pair.caption)),
        )
        for pair, index in zip(pairs, drawn, strict=True)
    ]


@torch.no_grad()
def encoded_once(pairs: Sequence[Pair], encoder: nn.Module, batch_size: int = 64) -> ReadImages:
    """Encodes the picture of each pair once and returns what reads the result by its name.

    Args:
        pairs: of `curated_set.read_curated`.
        encoder: frozen, with an `image_size`: an image encoder, or a VPG that is frozen as a whole.
        batch_size: pictures at a time.

    Returns:
        From names of images to image_features (images, N, E).
    """
    found = []
    for start in range(0, len(pairs), batch_size):
        pictures = [load_image(pair.image) for pair in pairs[start : start + batch_size]]
        found.append(encoder(to_pixel_values(pictures, encoder.image_size)))
    features = torch.cat(found)
    rows = {pair.image.name: row for row, pair in enumerate(pairs)}

    def read(names: list[str]) -> dict[str, torch.Tensor]:
        return {"image_features": features[[rows[name] for name in names]]}

    return read
