"""Which patches a language model reads while it says a word, where patches stand among its words.

In LLaVA nothing looks at the image but the language model's own self-attention. The weights of one
block, mean over its heads, are cut to the row of the state that says the word and to the places of
the image. They sum to less than 1: the rest goes to words. Letters: S spliced length, T words of
the answer, N patches.
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
    ids = torch.tensor([[*prompt, *answer]])
    places = (ids[0] == model.image_token_id).nonzero()[:, 0]
    if not answer or len(places) != image_features.shape[1]:
        raise ValueError(
            f"The prompt keeps {len(places)} places for {image_features.shape[1]} patches and the "
            f"answer has {len(answer)} words: show one image, and give at least one word."
        )
    language = model.language.model
    with evaluating(model), eager_attention(language):
        embeds = model.inputs_embeds({"input_ids": ids, "image_features": image_features})
        layers = language.get_decoder()(
            inputs_embeds=embeds, output_attentions=True, use_cache=False
        ).attentions
    weights = layers[block][0].mean(0)  # (S, S), mean over heads
    # The state at the place before a word is the one that says it.
    says = torch.arange(len(prompt) - 1, len(prompt) - 1 + len(answer))
    return weights[says][:, places]
