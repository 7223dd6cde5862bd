"""What a scene is, and how scenes are drawn at random for each split.

A scene holds one to three things, each alone in one of four places. Two things are kept out of
training, so that "held-out" means something: the last 450 of scikit-learn's 1,797 digit scans, and
one combination of colour and kind for each colour.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from course_lib.errors import unknown_name_error

SHAPES = ("circle", "square", "triangle", "star")
DIGITS = tuple("0123456789")
KINDS = SHAPES + DIGITS
COLOURS = ("red", "green", "blue", "yellow", "purple", "orange")
SIZES = ("small", "large")
PLACES = ("top-left", "top-right", "bottom-left", "bottom-right")

IMAGE_SIZE = 48
QUADRANT = IMAGE_SIZE // 2
WIDTHS = {"small": 16, "large": 22}
WOBBLE = 2

NUM_SCANS = 1797
FIRST_TEST_SCAN = 1347

HELD_OUT = frozenset((COLOURS[i], KINDS[(5 * i + 2) % len(KINDS)]) for i in range(len(COLOURS)))
SPLITS = ("train", "test", "combos")


@dataclass(frozen=True)
class Thing:
    """One thing of a scene.

    Args:
        kind: a shape, or a digit written as a numeral.
        colour: one of `COLOURS`.
        size: "small" (16 pixels wide) or "large" (22 pixels).
        place: one of `PLACES`.
        box: left, top, width and height in pixels of the 48 × 48 image.
        scan: row of scikit-learn's digits that is drawn, None for a shape.
    """

    kind: str
    colour: str
    size: str
    place: str
    box: tuple[int, int, int, int]
    scan: int | None = None

    @property
    def is_digit(self) -> bool:
        return self.kind in DIGITS


@dataclass(frozen=True)
class Scene:
    """One to three things in the order of `PLACES`, on a background of one grey level."""

    things: tuple[Thing, ...]
    background: int = 0

    def at(self, place: str) -> Thing | None:
        """Returns the thing at a place, or None."""
        return next((thing for thing in self.things if thing.place == place), None)

    def to_dict(self) -> dict:
        """Returns the scene as plain lists and strings, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict) -> Scene:
        """Rebuilds a scene from `to_dict`."""
        things = tuple(Thing(**{**thing, "box": tuple(thing["box"])}) for thing in data["things"])
        return cls(things=things, background=data["background"])


def scans_of(digit: str, split: str) -> np.ndarray:
    """Returns the rows of scikit-learn's digits that show `digit` in a split.

    Args:
        digit: a numeral, "0" to "9".
        split: "train" takes the first 1,347 scans, every other split the last 450.
    """
    from course_lib.world.draw import digit_labels

    rows = np.flatnonzero(digit_labels() == int(digit))
    return rows[rows < FIRST_TEST_SCAN] if split == "train" else rows[rows >= FIRST_TEST_SCAN]


def make_thing(
    rng: np.random.Generator, place: str, split: str, kind: str, colour: str, size: str
) -> Thing:
    """Places a thing within two pixels of its quadrant's centre; a digit gets one of its scans."""
    width = WIDTHS[size]
    middle = (QUADRANT - width) // 2
    wobble = min(WOBBLE, middle)
    left, top = middle + rng.integers(-wobble, wobble + 1, size=2)
    left += QUADRANT * place.endswith("right")
    top += QUADRANT * place.startswith("bottom")
    scan = int(rng.choice(scans_of(kind, split))) if kind in DIGITS else None
    return Thing(kind, colour, size, place, (int(left), int(top), width, width), scan)


def _colour_and_kind(rng: np.random.Generator, held_out: bool) -> tuple[str, str]:
    """Draws a shape four times in ten and a digit otherwise, from one side of the split."""
    while True:
        kinds = SHAPES if rng.random() < 0.4 else DIGITS
        pair = (str(rng.choice(COLOURS)), str(rng.choice(kinds)))
        if (pair in HELD_OUT) == held_out:
            return pair


def sample_scene(
    rng: np.random.Generator, split: str = "train", num_things: int | None = None
) -> Scene:
    """Draws one scene.

    Args:
        rng: source of randomness; the same generator state gives the same scene.
        split: "train" (training scans, trained combinations), "test" (unseen scans, trained
            combinations) or "combos" (unseen scans, and every thing a combination of colour and
            kind that no training scene shows).
        num_things: 1, 2 or 3; None draws one of them.

    Raises:
        ValueError: for an unknown split or a number of things outside 1 to 3.
    """
    if split not in SPLITS:
        raise unknown_name_error("split", split, SPLITS)
    if num_things is None:
        num_things = int(rng.integers(1, 4))
    if not 1 <= num_things <= 3:
        raise ValueError(f"A scene has 1 to 3 things, not {num_things}.")
    chosen = sorted(rng.choice(len(PLACES), size=num_things, replace=False))
    things = []
    for index in chosen:
        colour, kind = _colour_and_kind(rng, held_out=split == "combos")
        size = str(rng.choice(SIZES))
        things.append(make_thing(rng, PLACES[index], split, kind, colour, size))
    return Scene(tuple(things), background=int(rng.integers(0, 41)))


def sample_scenes(
    count: int, seed: int, split: str = "train", num_things: int | None = None
) -> list[Scene]:
    """Draws `count` scenes; scene i depends on `seed`, the split and i alone.

    A longer list therefore starts with the shorter one, and no two splits share a stream.
    """
    if split not in SPLITS:
        raise unknown_name_error("split", split, SPLITS)
    stream = SPLITS.index(split)
    return [
        sample_scene(np.random.default_rng((seed, stream, i)), split, num_things)
        for i in range(count)
    ]
