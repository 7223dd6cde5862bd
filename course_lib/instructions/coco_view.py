"""What boxes state about an image and nothing more: how many, in which part, on which side."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from course_lib.instructions.symbols import Box, Example


@dataclass(frozen=True)
class View:
    """Counts and places that follow from boxes.

    Args:
        counts: category → how many, in the order of the file; a category that has a box for a
            crowd is not counted.
        crowds: categories with such a box.
        single: category → its only box.
        groups: wider kind → its categories that are counted; kinds with a crowd are left out, and
            so are those with the name of a category.
    """

    counts: dict[str, int]
    crowds: tuple[str, ...]
    single: dict[str, Box]
    groups: dict[str, tuple[str, ...]]


def view(example: Example) -> View:
    """Reads the boxes of an example."""
    crowds = {box.category: None for box in example.boxes if box.crowd}
    counted = [box for box in example.boxes if box.category not in crowds]
    counts = dict(Counter(box.category for box in counted))
    single = {box.category: box for box in counted if counts[box.category] == 1}
    unsure = {box.group for box in example.boxes if box.category in crowds}
    groups: dict[str, list[str]] = {}
    for box in counted:
        if box.group and box.group not in unsure and box.group not in counts:
            members = groups.setdefault(box.group, [])
            if box.category not in members:
                members.append(box.category)
    return View(counts, tuple(crowds), single, {k: tuple(v) for k, v in groups.items()})


def part_of_image(box: Box) -> str:
    """Names the part of the image that a box lies wholly inside, or "" where it is in none.

    "the upper left part" is a quarter, "the left half" a half; a box that crosses both middles has
    no part that could be named without guessing.
    """
    left, top, right, bottom = box.corners
    side = "left" if right <= 0.5 else "right" if left >= 0.5 else ""
    height = "upper" if bottom <= 0.5 else "lower" if top >= 0.5 else ""
    if side and height:
        return f"the {height} {side} part"
    return f"the {side or height} half" if side or height else ""


def side_of(one: Box, other: Box) -> str:
    """Says on which side of another box a box lies: "to the left of", "above", …, or "".

    Only boxes that do not share a column (or a row) have a side; the wider gap decides.
    """
    gaps = {
        "to the left of": other.corners[0] - one.corners[2],
        "to the right of": one.corners[0] - other.corners[2],
        "above": other.corners[1] - one.corners[3],
        "below": one.corners[1] - other.corners[3],
    }
    words, gap = max(gaps.items(), key=lambda item: item[1])
    return words if gap > 0 else ""
