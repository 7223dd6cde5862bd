"""A toy scene, read back from its captions and boxes: all that a teacher without eyes may use."""

from __future__ import annotations

import re

from course_lib.instructions.symbols import Example
from course_lib.world.language import canonical_caption
from course_lib.world.scene import COLOURS, IMAGE_SIZE, KINDS, PLACES, SIZES, Scene, Thing

_THING = re.compile(
    rf"a ({'|'.join(SIZES)}) ({'|'.join(COLOURS)}) ({'|'.join(KINDS)}) at ({'|'.join(PLACES)})"
)


def read_scene(example: Example) -> Scene | None:
    """Rebuilds a scene from its canonical caption and its boxes.

    Returns:
        The scene, every thing with its box (which scan a digit was drawn from, and how dark the
        background is, no caption tells); None for an example of another world.
    """
    if not example.captions:
        return None
    found = _THING.findall(example.captions[0])
    if not found or len(found) != len(example.boxes):
        return None
    things = []
    for (size, colour, kind, place), box in zip(found, example.boxes, strict=True):
        if box.category != kind:
            return None
        left, top, right, bottom = (round(number * IMAGE_SIZE) for number in box.corners)
        things.append(Thing(kind, colour, size, place, (left, top, right - left, bottom - top)))
    scene = Scene(tuple(things))
    return scene if canonical_caption(scene) == example.captions[0] else None
