"""Where queries look: the cross-attention weights that the fused kernel of attention never shows.

Letters: B batch, H heads, Q queries, N patches and, where it is there, CLS.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from course_lib.vlm import evaluating
from course_lib.vpg import QFormer


@torch.no_grad()
def gaze_of(qformer: QFormer, image_features: torch.Tensor, block: int = -1) -> torch.Tensor:
    """Computes how much each query reads from each patch, in one block.

    Args:
        qformer: the library's Q-Former; it is left as it is.
        image_features: (B, N, E) from the encoder.
        block: which of the blocks that read the image; -1 is the last.

    Returns:
        (B, H, Q, N); each row of N weights sums to 1.

    Raises:
        ValueError: when no such block reads the image.
    """
    reading = [layer for layer in qformer.layers if layer.cross_attention is not None]
    if not -len(reading) <= block < len(reading):
        raise ValueError(
            f"There is no block {block}: {len(reading)} blocks read the image, 0 to "
            f"{len(reading) - 1}."
        )
    norm, attention = qformer.ln_vision, reading[block].cross_attention
    held: list[torch.Tensor] = []
    # The queries as they come into the cross-attention: what its first projection is given.
    handle = attention.q_proj.register_forward_hook(
        lambda _module, args, _out: held.append(args[0])
    )
    try:
        with evaluating(qformer):
            qformer(image_features)
    finally:
        handle.remove()
    patches = F.layer_norm(image_features, norm.normalized_shape, norm.weight, norm.bias, norm.eps)
    queries = held[0].expand(len(image_features), -1, -1)
    return attention.weights(queries, patches)
