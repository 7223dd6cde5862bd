"""Batches that teach a small CLIP to see handwritten digits.

Two things decide whether it does. Captions in a batch must differ in one attribute, since otherwise
colour and place tell all pairs apart and nothing ever asks for the digit. And most steps must be
cheap: while a scene holds one thing, the encoder is shown that thing's quadrant alone (10 tokens
instead of 37), as FLIP drops patches to train CLIP faster.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F

from course_lib.data.images import to_pixel_values
from course_lib.world.draw import draw_scenes
from course_lib.world.language import canonical_caption, captions
from course_lib.world.scene import (
    COLOURS,
    DIGITS,
    HELD_OUT,
    IMAGE_SIZE,
    PLACES,
    SHAPES,
    SIZES,
    Scene,
    make_thing,
    sample_scene,
)

# Half a quadrant is 1: with 24 pixels, a standard deviation of 0.7 pixels.
BEND = 0.06


def warp(pixel_values: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Turns, scales and bends each image a little within its quadrants: new writers, so to say.

    The bending, a smooth random field of about a pixel, is there for the unseen scans: with turns
    and scales alone a probe read 95 % of the training scans' digits and 89 % of the others.
    """
    batch = pixel_values.shape[0]
    half = IMAGE_SIZE // 2
    quads = pixel_values.unfold(2, half, half).unfold(3, half, half)
    quads = quads.permute(0, 2, 3, 1, 4, 5).reshape(batch * 4, 3, half, half)
    angle = (torch.rand(batch * 4, generator=generator) * 2 - 1) * 0.25
    stretch = 1 + (torch.rand(batch * 4, 2, generator=generator) * 2 - 1) * 0.08
    shear = (torch.rand(batch * 4, generator=generator) * 2 - 1) * 0.15
    theta = torch.zeros(batch * 4, 2, 3)
    theta[:, 0, 0] = angle.cos() * stretch[:, 0]
    theta[:, 0, 1] = -angle.sin() + shear
    theta[:, 1, 0] = angle.sin()
    theta[:, 1, 1] = angle.cos() * stretch[:, 1]
    bend = BEND * torch.randn(batch * 4, 2, 4, 4, generator=generator)
    bend = F.interpolate(bend, size=(half, half), mode="bicubic", align_corners=True)
    grid = F.affine_grid(theta, list(quads.shape), align_corners=False) + bend.permute(0, 2, 3, 1)
    quads = F.grid_sample(quads, grid, padding_mode="border", align_corners=False)
    quads = quads.reshape(batch, 2, 2, 3, half, half).permute(0, 3, 1, 4, 2, 5)
    return quads.reshape(pixel_values.shape)


def single_thing_scenes(rng: np.random.Generator, count: int) -> list[Scene]:
    """Draws scenes of one thing that share two colours and two places, so that kinds decide."""
    colours = rng.choice(COLOURS, size=2, replace=False)
    places = rng.choice(PLACES, size=2, replace=False)
    scenes = []
    while len(scenes) < count:
        kind = str(rng.choice(DIGITS if rng.random() < 0.8 else SHAPES))
        colour = str(rng.choice(colours))
        if (colour, kind) in HELD_OUT:
            continue
        thing = make_thing(
            rng, str(rng.choice(places)), "train", kind, colour, str(rng.choice(SIZES))
        )
        scenes.append(Scene((thing,), background=int(rng.integers(0, 41))))
    return scenes


def _sibling(rng: np.random.Generator, scene: Scene) -> Scene:
    """Returns the scene with one attribute of one thing changed, drawn anew elsewhere."""
    while True:
        victim = int(rng.integers(len(scene.things)))
        things = []
        for index, thing in enumerate(scene.things):
            kind, colour, size = thing.kind, thing.colour, thing.size
            if index == victim:
                which = rng.random()
                if which < 0.7:
                    kind = str(rng.choice(DIGITS if rng.random() < 0.75 else SHAPES))
                elif which < 0.85:
                    colour = str(rng.choice(COLOURS))
                else:
                    size = str(rng.choice(SIZES))
            if (colour, kind) in HELD_OUT:
                break
            things.append(make_thing(rng, thing.place, "train", kind, colour, size))
        else:
            return replace(scene, things=tuple(things))


def sibling_scenes(rng: np.random.Generator, count: int, group: int = 8) -> list[Scene]:
    """Draws groups of scenes that differ from their group's first scene in one attribute."""
    scenes: list[Scene] = []
    while len(scenes) < count:
        first = sample_scene(rng, "train")
        scenes += [first] + [_sibling(rng, first) for _ in range(group - 1)]
    return scenes[:count]


def clip_batch(seed: int, step: int, phase: str, batch_size: int) -> dict:
    """Makes the batch of a step; it depends on seed, step and phase alone.

    Args:
        phase: "quadrant" (one thing a scene) or "scene" (one to three things, in sibling groups).

    Returns:
        pixel_values (B, 3, 48, 48), texts (B), quadrant (B,) index of the thing's place or None,
        same (B, B) bool, True where two scenes have the same canonical caption.
    """
    rng = np.random.default_rng((seed, step))
    scenes = (
        single_thing_scenes(rng, batch_size)
        if phase == "quadrant"
        else sibling_scenes(rng, batch_size)
    )
    names = [canonical_caption(scene) for scene in scenes]
    second_form = rng.random(len(scenes)) < 0.2
    texts = [
        captions(scene)[1] if second else name
        for scene, name, second in zip(scenes, names, second_form, strict=True)
    ]
    generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
    quadrant = torch.tensor([PLACES.index(scene.things[0].place) for scene in scenes])
    keys = np.asarray(names)
    return {
        "pixel_values": warp(to_pixel_values(draw_scenes(scenes), IMAGE_SIZE), generator),
        "texts": texts,
        "quadrant": quadrant if phase == "quadrant" else None,
        "same": torch.from_numpy(keys[:, None] == keys[None, :]),
    }
