"""The toy world: scenes of coloured shapes and handwritten digits, and the language about them.

Everything here is plain Python and NumPy, so that the world can be read, drawn and asked about
without a deep-learning framework.
"""

from course_lib.world.scene import (
    COLOURS,
    DIGITS,
    HELD_OUT,
    KINDS,
    PLACES,
    SHAPES,
    SIZES,
    SPLITS,
    Scene,
    Thing,
    sample_scene,
    sample_scenes,
)

__all__ = [
    "COLOURS",
    "DIGITS",
    "HELD_OUT",
    "KINDS",
    "PLACES",
    "SHAPES",
    "SIZES",
    "SPLITS",
    "Scene",
    "Thing",
    "sample_scene",
    "sample_scenes",
]
