"""Whether a picture is unlike the toy world, which is all that a toy model knows."""

from __future__ import annotations

import torch

from course_lib.backbones.vision import VisionEncoder
from course_lib.data.images import to_pixel_values
from course_lib.world.draw import draw_scenes
from course_lib.world.scene import IMAGE_SIZE, sample_scenes

UNLIKE = "This picture is unlike the toy world: the toy model knows toy scenes only."
# Toy scenes reach 0.73 at most (160 measured), two photographs 0.96 and 1.45, noise, flat bright
# colours and gradients 1.26 and more. An empty dark picture (0.52) counts as toy ground.
FAR = 0.85


def unlike_notes(encoder: VisionEncoder, pixel_values: torch.Tensor) -> list[str]:
    """Returns a sentence about a picture that is unlike the toy world, else nothing.

    Args:
        encoder: the frozen encoder of the run that is asked.
        pixel_values: (1, 3, 48, 48), normalised.

    Returns:
        A list of no or one sentence.
    """
    return [UNLIKE] if distance(encoder, pixel_values) > FAR else []


@torch.no_grad()
def distance(encoder: VisionEncoder, pixel_values: torch.Tensor) -> float:
    """Measures how far the patches of a picture lie from patches of toy scenes.

    Args:
        encoder: what makes the features.
        pixel_values: (1, 3, 48, 48), normalised.

    Returns:
        Mean over the picture's features of the distance to the nearest feature of 128 toy scenes,
        as the root mean square over dimensions in deviations: about 0.6 for a toy scene.
    """
    scenes = draw_scenes(sample_scenes(128, 3, "train"))
    known = encoder(to_pixel_values(list(scenes), IMAGE_SIZE)).flatten(0, 1)
    mean, deviation = known.mean(0), known.std(0) + 1e-6
    features = (encoder(pixel_values)[0] - mean) / deviation
    nearest = torch.cdist(features, (known - mean) / deviation).amin(1)
    return float(nearest.mean() / known.shape[1] ** 0.5)
