"""What OpenFlamingo's released classes gave on small random weights, stored in tests/golden.

Flamingo itself was never released and transformers has no OpenFlamingo, so these outputs are what a
notebook compares with; see tests/golden/README.md. Letters: B texts, T words, I images of a text,
F frames, N patches, Q latents, E vision width, D width of the text.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from course_lib.errors import unknown_name_error
from course_lib.fusion.cross_attention import CrossAttentionConfig
from course_lib.teach.released_outputs import ABSTRACTOR
from course_lib.vpg.resampler import ResamplerConfig

_FILES = {
    part: ABSTRACTOR.with_name(f"open_flamingo_{part}.npz")
    for part in ("resampler", "gated_cross_attention")
}
# Each pairs a case of the one file with a case of the other.
CASES = {"image": ("last_image", "last"), "video": ("all_images", "all")}


@dataclass(frozen=True)
class ReleasedFlamingo:
    """A resampler and one gated layer of the released code, each with inputs and output.

    Args:
        tensors: weights of both, by their names in a released checkpoint.
        resampler: our configuration of the same sizes.
        gated: the same, of the gated layer.
        resampled: input (B, I, F, N, E) and output (B, I, Q, E) of the resampler.
        read: input (B, T, D), media (B, I, Q, width), media_locations (B, T) and output (B, T, D)
            of the gated layer.
    """

    tensors: dict[str, torch.Tensor]
    resampler: ResamplerConfig
    gated: CrossAttentionConfig
    resampled: dict[str, torch.Tensor]
    read: dict[str, torch.Tensor]


def released_flamingo(case: str = "image") -> ReleasedFlamingo:
    """Reads a stored case, in float32.

    Args:
        case: "image", whose words read the last image, or "video", several frames, whose words read
            all images so far.

    Raises:
        ValueError: for an unknown case, or where a file is missing.
    """
    if case not in CASES:
        raise unknown_name_error("stored case", case, CASES)
    named, reads = CASES[case]
    weights, resampled = _stored("resampler", case)
    layer, read = _stored("gated_cross_attention", named)
    width, depth, head_dim, heads, latents, frames = resampled.pop("config").tolist()
    resampler = replace(
        ResamplerConfig.open_flamingo(width, frames),
        num_hidden_layers=depth,
        head_dim=head_dim,
        num_attention_heads=heads,
        num_latents=latents,
    )
    width, visual, head_dim, heads = read.pop("config").tolist()
    gated = replace(
        CrossAttentionConfig.open_flamingo(width, 1, visual),
        head_dim=head_dim,
        num_attention_heads=heads,
        reads=reads,
    )
    tensors = {f"perceiver.{name}": value for name, value in weights.items()}
    block = "lang_encoder.transformer.blocks.0.gated_cross_attn_layer"
    tensors |= {f"{block}.{name}": value for name, value in layer.items()}
    return ReleasedFlamingo(tensors, resampler, gated, resampled, read)


def _stored(part: str, case: str) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Returns (weights, everything else) of a case."""
    path = _FILES[part]
    if not path.is_file():
        raise ValueError(
            f"{path.name} is not in {path.parent.name}/ of the course's folder: get the course as "
            "a whole, tests included."
        )
    with np.load(path) as stored:
        start = f"{case}/"
        found = {
            name.removeprefix(start): torch.from_numpy(stored[name])
            for name in stored.files
            if name.startswith(start)
        }
    weights = {name: found.pop(name) for name in list(found) if name.startswith("weights/")}
    return {name.removeprefix("weights/"): value for name, value in weights.items()}, found
