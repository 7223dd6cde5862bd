"""What a straight line can read from an image's visual tokens, place by place.

The tokens of a scene are laid end to end, and one ridge regression tells, for each of the four
places, which colour, kind and size stand there. It is fitted on training scenes and scored on
scenes with digit scans that no training has shown. A VPG whose score falls while it trains has lost
something, whatever its language model says meanwhile.

Letters: n scenes, Q visual tokens, H their width.
"""

from __future__ import annotations

import torch
from torch import nn

from course_lib.data.toy import ToyScenes
from course_lib.world.scene import PLACES, Scene

ATTRIBUTES = ("colour", "kind", "size")
RIDGE = 0.03  # of the mean square of a scene's numbers; ten times as much reads less


@torch.no_grad()
def laid_out(head: nn.Module, data: ToyScenes) -> torch.Tensor:
    """Returns the visual tokens of all scenes end to end, (n, Q × H), in the head's eval mode."""
    was_training = head.training
    head.eval()
    parts = torch.arange(len(data)).split(256)
    found = torch.cat([head(data.image_inputs(part.tolist())["image_features"]) for part in parts])
    head.train(was_training)
    return found.flatten(1).double()


def vpg_probe(head: nn.Module, train: ToyScenes, test: ToyScenes) -> dict[str, float]:
    """Measures how well a linear probe reads the things of a scene from its visual tokens.

    Args:
        head: maps features (n, N, E) to visual tokens (n, Q, H).
        train: scenes to fit on.
        test: scenes to score on.

    Returns:
        {colour, kind, size}: the share of things that were read rightly at their own place.
    """
    seen, unseen = laid_out(head, train), laid_out(head, test)
    mean, spread = seen.mean(0), seen.std(0) + 1e-6
    seen, unseen = (seen - mean) / spread, (unseen - mean) / spread
    # The dual form: one equation a scene, of which there are fewer than numbers in a scene.
    alike = seen @ seen.T + RIDGE * seen.shape[1] * torch.eye(len(seen), dtype=seen.dtype)
    factor, nearness = torch.linalg.cholesky(alike), unseen @ seen.T
    scores = {}
    for attribute in ATTRIBUTES:
        values = sorted({getattr(t, attribute) for scene in train.scenes for t in scene.things})
        wanted = torch.stack([_one_hot(scene, attribute, values) for scene in train.scenes])
        middle = wanted.mean(0)
        answers = middle + nearness @ torch.cholesky_solve(wanted - middle, factor)
        answers = answers.unflatten(1, (len(PLACES), len(values)))
        scores[attribute] = _share_right(answers, test.scenes, attribute, values)
    return scores


def _one_hot(scene: Scene, attribute: str, values: list[str]) -> torch.Tensor:
    """Returns 1 at (place, value) of each thing, (places × values,)."""
    told = torch.zeros(len(PLACES), len(values), dtype=torch.float64)
    for thing in scene.things:
        told[PLACES.index(thing.place), values.index(getattr(thing, attribute))] = 1
    return told.flatten()


def _share_right(
    answers: torch.Tensor, scenes: list[Scene], attribute: str, values: list[str]
) -> float:
    right = [
        values[int(answers[row, PLACES.index(thing.place)].argmax())] == getattr(thing, attribute)
        for row, scene in enumerate(scenes)
        for thing in scene.things
    ]
    return sum(right) / len(right)
