"""Linear probes: what a straight line can read from the encoder's second-last layer.

For each thing, the patches of its quadrant are laid end to end and a logistic regression, trained
on training scenes, reads one attribute. It is tested on scenes with digit scans that no training
has shown.
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from transformers import CLIPModel

from course_lib.data.images import to_pixel_values
from course_lib.world.draw import draw_scenes
from course_lib.world.scene import IMAGE_SIZE, PLACES, Scene, Thing, sample_scenes
from course_lib.zoo.clip import quadrant_tokens
from course_lib.zoo.gates import PROBE_GATES

ATTRIBUTES = {
    "colour": (lambda thing: thing.colour, lambda thing: True),
    "size": (lambda thing: thing.size, lambda thing: True),
    "shape": (lambda thing: thing.kind, lambda thing: not thing.is_digit),
    "digit": (lambda thing: thing.kind, lambda thing: thing.is_digit),
}


@torch.no_grad()
def quadrant_features(clip: CLIPModel, scenes: list[Scene]) -> tuple[np.ndarray, list[Thing]]:
    """Returns (things, patches × width) features of the second-last layer, and the things."""
    vision = clip.vision_model
    patches = quadrant_tokens(clip.config.vision_config.patch_size)
    rows, things = [], []
    for start in range(0, len(scenes), 256):
        chunk = scenes[start : start + 256]
        output = vision(to_pixel_values(draw_scenes(chunk), IMAGE_SIZE), output_hidden_states=True)
        hidden = output.hidden_states[-2]
        for index, scene in enumerate(chunk):
            for thing in scene.things:
                rows.append(hidden[index, patches[PLACES.index(thing.place)]].flatten())
                things.append(thing)
    return torch.stack(rows).numpy(), things


def probe_scores(
    clip: CLIPModel, train_scenes: int = 3000, test_scenes: int = 1000, seed: int = 0
) -> dict[str, float]:
    """Measures how well a linear probe reads colour, size, shape and digit on unseen scans."""
    train, train_things = quadrant_features(clip, sample_scenes(train_scenes, 1000 + seed, "train"))
    test, test_things = quadrant_features(clip, sample_scenes(test_scenes, 2000 + seed, "test"))
    mean, deviation = train.mean(0), train.std(0) + 1e-6
    train, test = (train - mean) / deviation, (test - mean) / deviation
    scores = {}
    for name, (value, counts) in ATTRIBUTES.items():
        fit = [i for i, thing in enumerate(train_things) if counts(thing)]
        check = [i for i, thing in enumerate(test_things) if counts(thing)]
        probe = LogisticRegression(C=0.003, max_iter=300)
        probe.fit(train[fit], [value(train_things[i]) for i in fit])
        scores[name] = float(probe.score(test[check], [value(test_things[i]) for i in check]))
    return scores


@torch.no_grad()
def place_score(clip: CLIPModel, scenes: int = 200, seed: int = 0) -> float:
    """Measures how well one patch alone tells its quadrant, by a linear probe.

    A Q-Former reads patches as a set: what a patch does not say of its place is lost.
    """
    images = draw_scenes(sample_scenes(scenes, 3000 + seed, "test"))
    output = clip.vision_model(to_pixel_values(images, IMAGE_SIZE), output_hidden_states=True)
    hidden = output.hidden_states[-2]
    tokens = quadrant_tokens(clip.config.vision_config.patch_size)
    patches = hidden[:, tokens.flatten()].numpy()
    places = np.repeat(np.arange(len(PLACES)), tokens.shape[1])
    half = scenes // 2
    train, test = (part.reshape(-1, part.shape[-1]) for part in (patches[:half], patches[half:]))
    mean, deviation = train.mean(0), train.std(0) + 1e-6
    probe = LogisticRegression(C=0.1, max_iter=300)
    probe.fit((train - mean) / deviation, np.tile(places, half))
    return float(probe.score((test - mean) / deviation, np.tile(places, scenes - half)))


def measure_clip(clip: CLIPModel) -> dict:
    """Returns the probe's scores and the gates they have to pass."""
    scores = probe_scores(clip) | {"place": place_score(clip)}
    return {"scores": scores, "gates": PROBE_GATES}
