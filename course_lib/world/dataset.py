"""Scenes as a `datasets.Dataset`: an image column, five captions, the scene itself."""

from __future__ import annotations

import json

from course_lib.world.draw import draw_scenes
from course_lib.world.language import captions
from course_lib.world.scene import Scene, sample_scenes


def scene_dataset(count: int, seed: int, split: str = "train"):
    """Draws scenes into a data set.

    Args:
        count: how many.
        seed: scene i depends on seed, split and i alone.
        split: "train", "test" or "combos".

    Returns:
        `datasets.Dataset` with the columns `id` (int), `image` (48 × 48 RGB), `captions` (five,
        the canonical one first) and `scene` (JSON, see `scene_of`).
    """
    from datasets import Dataset, Features, Image, Sequence, Value
    from PIL import Image as PILImage

    scenes = sample_scenes(count, seed, split)
    images = [PILImage.fromarray(image) for image in draw_scenes(scenes)]
    features = Features(
        id=Value("int64"),
        image=Image(),
        captions=Sequence(Value("string")),
        scene=Value("string"),
    )
    columns = {
        "id": list(range(count)),
        "image": images,
        "captions": [captions(scene) for scene in scenes],
        "scene": [json.dumps(scene.to_dict()) for scene in scenes],
    }
    return Dataset.from_dict(columns, features=features)


def scene_of(row: dict) -> Scene:
    """Rebuilds the scene of a row."""
    return Scene.from_dict(json.loads(row["scene"]))
