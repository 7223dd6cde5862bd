"""Scenes as pixels: every thing is a stencil drawn once, coloured and pasted where its box says.

Pasting a stored stencil costs about ten microseconds, so drawing never limits training.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

from course_lib.world.scene import IMAGE_SIZE, Scene, Thing

RGB = {
    "red": (230, 50, 50),
    "green": (50, 190, 70),
    "blue": (60, 100, 240),
    "yellow": (240, 225, 60),
    "purple": (170, 60, 200),
    "orange": (245, 145, 35),
}
_OVERSAMPLE = 8


@cache
def _digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    data = load_digits()
    return data.images, data.target


def digit_labels() -> np.ndarray:
    """Returns the digit that each of the 1,797 scans shows, shape (1797,)."""
    return _digits()[1]


def _polygon(kind: str, width: int) -> list[tuple[float, float]]:
    """Returns the corners of a square, a triangle or a five-pointed star inside a box."""
    if kind == "square":
        low, high = 0.08 * width, 0.92 * width
        return [(low, low), (high, low), (high, high), (low, high)]
    if kind == "triangle":
        return [
            (0.5 * width, 0.04 * width),
            (0.98 * width, 0.94 * width),
            (0.02 * width, 0.94 * width),
        ]
    corners = []
    for i in range(10):
        radius = width * (0.5 if i % 2 == 0 else 0.2)
        angle = math.pi * (i / 5 - 0.5)
        corners.append((width / 2 + radius * math.cos(angle), width / 2 + radius * math.sin(angle)))
    return corners


@cache
def _stencil(kind: str, width: int, scan: int | None) -> np.ndarray:
    """Returns how much of each pixel a thing covers, (width, width) float32 in 0 to 1."""
    if scan is not None:
        pixels = Image.fromarray((_digits()[0][scan] * (255 / 16)).astype(np.uint8))
        mask = pixels.resize((width, width), Image.Resampling.BICUBIC)
    else:
        big = width * _OVERSAMPLE
        mask = Image.new("L", (big, big))
        pen = ImageDraw.Draw(mask)
        if kind == "circle":
            pen.ellipse((0.03 * big, 0.03 * big, 0.97 * big, 0.97 * big), fill=255)
        else:
            pen.polygon(_polygon(kind, big), fill=255)
        mask = mask.resize((width, width), Image.Resampling.BOX)
    return np.asarray(mask, dtype=np.float32) / 255


def paste(canvas: np.ndarray, thing: Thing) -> None:
    """Colours a thing's stencil and blends it into `canvas`, (48, 48, 3) float32, in place."""
    left, top, width, height = thing.box
    cover = _stencil(thing.kind, width, thing.scan)[..., None]
    window = canvas[top : top + height, left : left + width]
    window *= 1 - cover
    window += cover * np.asarray(RGB[thing.colour], dtype=np.float32)


def draw_scene(scene: Scene) -> np.ndarray:
    """Draws a scene.

    Returns:
        uint8 array (48, 48, 3), RGB, 0 to 255.
    """
    canvas = np.full((IMAGE_SIZE, IMAGE_SIZE, 3), scene.background, dtype=np.float32)
    for thing in scene.things:
        paste(canvas, thing)
    return canvas.round().astype(np.uint8)


def draw_scenes(scenes: list[Scene]) -> np.ndarray:
    """Draws many scenes into one uint8 array (len(scenes), 48, 48, 3)."""
    images = np.empty((len(scenes), IMAGE_SIZE, IMAGE_SIZE, 3), dtype=np.uint8)
    for image, scene in zip(images, scenes, strict=True):
        image[:] = draw_scene(scene)
    return images
