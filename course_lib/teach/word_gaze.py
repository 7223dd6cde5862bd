"""Which patches, or which pictures, a language model reads while it says a word.

Behind a splice nothing looks at visual tokens but the language model's own self-attention. Its
weights are cut to the places of the images; `word_gaze` takes one block, mean over its heads, and
the states that say the words. They sum to less than 1: the rest goes to words. Letters: S spliced
length, T words of the answer, N patches, H heads, I images.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from course_lib.vlm import VLM, evaluating


@contextmanager
def eager_attention(model: nn.Module) -> Iterator[None]:
    """Lets a transformers model compute attention weights, which its fused kernel never shows."""
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)


@torch.no_grad()
def word_gaze(
    model: VLM, image_features: torch.Tensor, prompt: list[int], answer: list[int], block: int = -1
) -> torch.Tensor:
    """Computes how much the state that says each word of an answer reads from each patch.

    Args:
        model: with a decoder-only language model; it is left as it is.
        image_features: (1, N, E) from the encoder.
        prompt: ids up to where the answer begins, with the N places of one image.
        answer: ids that were, or would be, said.
        block: whose attention; -1 is the last.

    Returns:
        (T, N), rows sum to at most 1.

    Raises:
        ValueError: for an empty answer, or a prompt that does not show exactly one image.
    """
    places = prompt.count(model.image_token_id)
    if not answer or places != image_features.shape[1]:
        raise ValueError(
            f"The prompt keeps {places} places for {image_features.shape[1]} patches and the "
            f"answer has {len(answer)} words: show one image, and give at least one word."
        )
    ids = [*prompt, *answer]
    weights = attention_to_images(model, {"image_features": image_features}, ids)[block]
    # The state at the place before a word is the one that says it.
    return weights.mean(0)[len(prompt) - 1 : len(prompt) - 1 + len(answer)]


@torch.no_grad()
def attention_to_images(
    model: VLM, images: dict[str, torch.Tensor], ids: list[int]
) -> list[torch.Tensor]:
    """Computes how much every state reads from every place of an image, in all blocks and heads.

    Args:
        model: with a decoder-only language model; it is left as it is.
        images: pixel_values or image_features, in reading order.
        ids: of one row, with the places of all images.

    Returns:
        A tensor (H, S, places) for each block; a state reads nothing that comes behind it.

    Raises:
        ValueError: where images and places do not fit each other.
    """
    row = torch.tensor([ids])
    places = (row[0] == model.image_token_id).nonzero()[:, 0]
    language = model.language.model
    with evaluating(model), eager_attention(language):
        embeds = model.inputs_embeds({"input_ids": row, **images})
        layers = language.get_decoder()(
            inputs_embeds=embeds, output_attentions=True, use_cache=False
        ).attentions
    return [weights[0][:, :, places] for weights in layers]


def picture_gaze(model: VLM, images: dict[str, torch.Tensor], ids: list[int]) -> torch.Tensor:
    """Computes how much every state reads from each picture, in all blocks and heads.

    Args:
        model: as above.
        images: pixel_values or image_features of I pictures, in reading order.
        ids: of one row, with the places of I pictures.

    Returns:
        (blocks, H, S, I), summed over the places of a picture; at most 1 over all pictures.

    Raises:
        ValueError: without a picture, or where pictures and places do not fit each other.
    """
    count = sum(map(len, images.values()))
    if not count:
        raise ValueError("There is no picture to look at: give at least one.")
    weights = torch.stack(attention_to_images(model, images, ids))
    return weights.unflatten(3, (count, -1)).sum(4)
