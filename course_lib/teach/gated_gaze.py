"""Where a Flamingo's words look: latents of images, and through them patches.

A word reads the visual tokens of one image, and each of these is a latent of the resampler, which
has read the patches. The fused kernel shows neither softmax; `through_latents` multiplies them. A
weight says what was read, not what it was used for.

Letters: B texts or images, H heads, S length, I images of a text, Q latents, N patches.
"""

from __future__ import annotations

import torch

from course_lib.fusion.cross_attention import GatedCrossAttention
from course_lib.gated_vlm import GatedVLM
from course_lib.vlm import Batch, evaluating
from course_lib.vpg.attention import KeyValue, attention_weights, split_heads
from course_lib.vpg.resampler import PerceiverResampler


@torch.no_grad()
def gated_gaze(model: GatedVLM, batch: Batch, layer: int = -1) -> torch.Tensor:
    """Computes how much each word reads from each visual token, in one gated layer.

    Args:
        model: it is left as it is.
        batch: with images; see `VLM`.
        layer: which of the gated layers, from the first on; -1 is the last.

    Returns:
        (B, H, S, I, Q). The row of a word sums to 1 over the one image that it reads, or over all
        so far; it is zero in front of the first image.

    Raises:
        ValueError: for no such layer, or a batch without images.
    """
    chosen = _of(list(model.gated.layers), layer, "gated layer")
    held: list[tuple] = []
    handle = chosen.register_forward_pre_hook(lambda _module, args: held.append(args))
    try:
        with evaluating(model):
            model.logits(batch)
    finally:
        handle.remove()
    if len(held[0]) < 2:
        raise ValueError("The batch has no image to look at: give image_features or pixel_values.")
    hidden, seen, mask = held[0]
    latents = model.vpg.head.config.num_latents
    return weights_of(chosen, hidden, seen, mask).unflatten(-1, (-1, latents))


def weights_of(
    layer: GatedCrossAttention, hidden: torch.Tensor, seen: KeyValue, mask: torch.Tensor
) -> torch.Tensor:
    """Computes the weights of a layer that was given this.

    Args:
        layer: a gated layer.
        hidden: (B, S, D), what its block was about to read.
        seen: keys and values (B, H, I * Q, K).
        mask: (B, 1, S, I * Q) bool, True = may read.

    Returns:
        (B, H, S, I * Q), zero in rows where the mask allows nothing.
    """
    blind = ~mask.any(dim=-1, keepdim=True)
    states = layer.norm(hidden.to(layer.norm.weight.dtype))
    query = split_heads(layer.attention.q_proj(states), layer.attention.num_heads)
    return attention_weights(query, seen[0], mask | blind).masked_fill(blind, 0.0)


@torch.no_grad()
def resampler_gaze(
    resampler: PerceiverResampler, features: torch.Tensor, layer: int = -1
) -> torch.Tensor:
    """Computes how much each latent reads from each patch and from each latent, in one block.

    Args:
        resampler: it is left as it is.
        features: (B, N, E) of images; not of videos.
        layer: which block; -1 is the last.

    Returns:
        (B, H, Q, N + Q), the patches' columns first; each row sums to 1.

    Raises:
        ValueError: for no such block, or features of another shape.
    """
    chosen = _of(list(resampler.layers), layer, "block of the resampler")
    if features.dim() != 3:
        raise ValueError(
            f"Features have the shape {tuple(features.shape)}: give those of images, (images, "
            "patches, width)."
        )
    held: list[tuple] = []
    handle = chosen.register_forward_pre_hook(lambda _module, args: held.append(args))
    try:
        with evaluating(resampler):
            resampler(features)
    finally:
        handle.remove()
    latents, read = held[0]
    normed = chosen.latents_norm(latents)
    return chosen.attention.weights(normed, torch.cat([chosen.features_norm(read), normed], dim=1))


def on_patches(weights: torch.Tensor) -> torch.Tensor:
    """Leaves out what latents read from one another, and brings the rest of a row back to 1.

    Args:
        weights: (..., Q, N + Q), see `resampler_gaze`.

    Returns:
        (..., Q, N).
    """
    patches = weights[..., : -weights.shape[-2]]
    return patches / patches.sum(-1, keepdim=True)


def through_latents(words: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
    """Computes how much of each patch reaches each word: a mean over the latents it reads.

    One block of the resampler stands for all of them, and what latents read from one another is
    left out: a map to look at, no measurement.

    Args:
        words: (S, Q), of `gated_gaze` for one image, mean over heads.
        latents: (Q, N), of `on_patches` for that image, mean over heads.

    Returns:
        (S, N), rows sum to what those of `words` do.

    Raises:
        ValueError: when the numbers of latents differ.
    """
    if words.shape[-1] != latents.shape[-2]:
        raise ValueError(
            f"Words read {words.shape[-1]} latents, and the weights of {latents.shape[-2]} were "
            "given: take both from one model."
        )
    return words @ latents


def _of(parts: list, number: int, name: str) -> torch.nn.Module:
    if not -len(parts) <= number < len(parts):
        raise ValueError(
            f"There is no {name} {number}: the model has {len(parts)}, 0 to {len(parts) - 1}."
        )
    return parts[number]
