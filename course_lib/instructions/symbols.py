"""An image as a teacher without eyes reads it: its captions, and its boxes in normalised numbers.

LLaVA, arXiv 2304.08485, section 3: both views are needed, since captions tell what matters and
boxes tell how many and where. The official prompts are in `playground/data/prompts` of its
repository; our words are our own (`seeds.json`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from course_lib.world.language import captions as scene_captions
from course_lib.world.scene import IMAGE_SIZE, Scene

TYPES = ("conversation", "detail", "reasoning")
# The released conversation prompts hold captions alone, the other two boxes as well.
WITH_BOXES = {"conversation": False, "detail": True, "reasoning": True}


@dataclass(frozen=True)
class Box:
    """One object that an annotation file names.

    Args:
        category: its name.
        corners: left, top, right and bottom, each 0 to 1 of the image's width or height.
        group: the wider kind that the file puts the category in ("animal"), or "".
        crowd: True where one box stands for an uncounted group.
    """

    category: str
    corners: tuple[float, float, float, float]
    group: str = ""
    crowd: bool = False


@dataclass(frozen=True)
class Example:
    """What is known about one image without looking at it.

    Args:
        id: names the image, also in the output.
        image: its file name.
        captions: what people wrote about it, at least one.
        boxes: what is where; may be empty.
    """

    id: str
    image: str
    captions: tuple[str, ...]
    boxes: tuple[Box, ...] = ()


def normalised(
    left: float, top: float, width: float, height: float, image_width: float, image_height: float
) -> tuple[float, float, float, float]:
    """Turns COCO's left, top, width, height in pixels into corners from 0 to 1, three decimals."""
    corners = (
        left / image_width,
        top / image_height,
        (left + width) / image_width,
        (top + height) / image_height,
    )
    return tuple(round(min(max(number, 0.0), 1.0), 3) for number in corners)


def example_of_scene(scene: Scene, id: str, image: str) -> Example:
    """Returns what a toy scene's captions and boxes state; nothing else of it goes to a teacher."""
    boxes = [
        Box(
            thing.kind,
            normalised(*thing.box, IMAGE_SIZE, IMAGE_SIZE),
            "digit" if thing.is_digit else "shape",
        )
        for thing in scene.things
    ]
    return Example(id, image, tuple(scene_captions(scene)), tuple(boxes))


def examples_of_scenes(scenes: Sequence[Scene]) -> list[Example]:
    """Returns one example a scene, named as `data_scripts/make_toy_world.py` names its files."""
    names = [f"{index + 1:012d}" for index in range(len(scenes))]
    return [
        example_of_scene(scene, name, f"{name}.png")
        for scene, name in zip(scenes, names, strict=True)
    ]


def symbolic_prompt(example: Example, boxes: bool = True) -> str:
    """Writes an image as text: a caption a line, then a box a line.

    Args:
        example: captions and boxes.
        boxes: False leaves the boxes out.

    Returns:
        Lines; a box reads `category: [left, top, right, bottom]` with three decimals.
    """
    lines = list(example.captions)
    if boxes and example.boxes:
        lines.append("")
        for box in example.boxes:
            numbers = ", ".join(f"{number:.3f}" for number in box.corners)
            lines.append(f"{box.category}: [{numbers}]")
    return "\n".join(lines)
