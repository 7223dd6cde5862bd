"""Where an abstractor's queries look: in one softmax they read each other and the image.

Letters: B images, H heads, Q queries, N patches and CLS.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from course_lib.vlm import evaluating
from course_lib.vpg.abstractor import Abstractor
from course_lib.world.scene import PLACES, Scene


@torch.no_grad()
def abstractor_gaze(
    abstractor: Abstractor, image_features: torch.Tensor, layer: int = -1
) -> torch.Tensor:
    """Computes how much each query reads from each query and each token of the image, in a layer.

    Args:
        abstractor: the library's; it is left as it is.
        image_features: (B, N, E) from the encoder, after its final norm.
        layer: which one; -1 is the last.

    Returns:
        (B, H, Q, Q + N), queries' columns first; each row sums to 1.

    Raises:
        ValueError: when there is no such layer.
    """
    count = len(abstractor.layers)
    if not -count <= layer < count:
        raise ValueError(
            f"There is no layer {layer}: the abstractor has {count}, 0 to {count - 1}."
        )
    queries = abstractor.query_tokens.expand(len(image_features), -1, -1)
    with evaluating(abstractor):
        for earlier in abstractor.layers[: layer % count]:
            queries = earlier(queries, image_features)
        return abstractor.layers[layer].weights(queries, image_features)


def on_image(weights: torch.Tensor) -> torch.Tensor:
    """Leaves out what queries read from each other, and brings the rest of a row back to 1.

    Args:
        weights: (..., Q, Q + N), see `abstractor_gaze`.

    Returns:
        (..., Q, N).
    """
    image = weights[..., weights.shape[-2] :]
    return image / image.sum(-1, keepdim=True)


def share_on_things(weights: torch.Tensor, scenes: Sequence[Scene]) -> torch.Tensor:
    """Computes how much of each scene's gaze falls on the quarters that hold something.

    Args:
        weights: (scenes, Q, N) of `on_image`, CLS first; CLS is left out.
        scenes: of the toy world, whose places are quarters.

    Returns:
        (scenes,), mean over queries; from 0 to 1.

    Raises:
        ValueError: for another number of gazes than scenes, or patches without quarters.
    """
    if len(weights) != len(scenes):
        raise ValueError(f"There are {len(weights)} gazes for {len(scenes)} scenes: give one each.")
    side = math.isqrt(weights.shape[-1] - 1)
    if side * side + 1 != weights.shape[-1] or side % 2:
        raise ValueError(
            f"{weights.shape[-1]} weights a query are no CLS and an even square of patches, such "
            "as 37: leave out the queries' own (see on_image)."
        )
    quarters = weights[..., 1:].unflatten(-1, (2, side // 2, 2, side // 2)).sum((-3, -1))
    quarters = quarters.flatten(-2)  # (scenes, Q, 4), in the order of PLACES
    used = torch.tensor([[scene.at(place) is not None for place in PLACES] for scene in scenes])
    return ((quarters * used[:, None]).sum(-1) / quarters.sum(-1)).mean(-1)
