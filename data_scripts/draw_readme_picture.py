"""Draws notebooks/images/scenes.png: six held-out scenes of the toy world with their captions.

python data_scripts/draw_readme_picture.py
"""

from __future__ import annotations

import textwrap
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from course_lib.world.draw import draw_scene
from course_lib.world.language import canonical_caption
from course_lib.world.scene import sample_scenes

TARGET = Path("notebooks") / "images" / "scenes.png"


def main() -> None:
    """Draws the picture where the README looks for it."""
    figure, axes = plt.subplots(1, 6, figsize=(13, 3), dpi=100)
    for axis, scene in zip(axes, sample_scenes(6, 5, "test"), strict=True):
        axis.imshow(draw_scene(scene))
        lines = textwrap.wrap(canonical_caption(scene), 28, break_on_hyphens=False)
        axis.text(0.5, -0.05, "\n".join(lines), transform=axis.transAxes, ha="center", va="top")
        axis.axis("off")
    figure.subplots_adjust(left=0.01, right=0.99, top=0.98, bottom=0.36, wspace=0.08)
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(TARGET)
    print(TARGET)


if __name__ == "__main__":
    main()
