"""Bytes of picture files → pixel values, as each recipe's training saw them.

| way | what is done | who |
|---|---|---|
| stretched | resized to a square | evaluation of BLIP-2, MiniGPT-4, VPGTrans |
| crops | a part of .5 to 1 of the area, resized | MiniGPT-4 (released configuration) |
| flipped crops | the same, mirrored one time in two | BLIP-2 (section 3.4), VPGTrans, mPLUG-Owl |
| centre | the shorter edge to the size, the centre cut out | LLaVA's stage 1, Flamingo (ours) |
| padded | to a square in CLIP's mean colour | LLaVA-1.5's stage 2 |

What is random comes from the generator that is passed in, so that a step can be repeated.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from course_lib.corpora.pixels import pixels_of
from course_lib.data.images import CLIP_MEAN, CLIP_STD, ImageTransform, load_image
from course_lib.errors import unknown_name_error

STRETCHED, CROPS, FLIPPED, CENTRE, PADDED = WAYS = (
    "stretched",
    "crops",
    "flipped crops",
    "centre",
    "padded",
)
_AREA, _RATIO = (0.5, 1.0), (3 / 4, 4 / 3)


class Pictures:
    """Makes pixel values.

    Args:
        size: height and width of the result in pixels.
        way: one of `WAYS`.
        place: directory of the encoder; the statistics of its `preprocessor_config.json` count,
            CLIP's where it has none.

    Raises:
        ValueError: for another way.
    """

    def __init__(self, size: int, way: str, place: Path | None = None) -> None:
        if way not in WAYS:
            raise unknown_name_error("way", way, WAYS)
        mean, std = _statistics(place)
        self.way = way
        self.transform = ImageTransform((size, size), mean, std, center_crop=way == CENTRE)

    def __call__(self, files: Sequence[bytes], chance: np.random.Generator) -> torch.Tensor:
        """Decodes and transforms.

        Args:
            files: the bytes of n picture files.
            chance: of crops and mirrors.

        Returns:
            float32 (n, 3, size, size).

        Raises:
            ValueError: for a file that is no image, damaged, or over 20 megapixels.
        """
        if self.way in (STRETCHED, CENTRE):
            return pixels_of(files, self.transform)
        images = [load_image(data) for data in files]
        if self.way == PADDED:
            return self.transform([padded_square(image) for image in images])
        flips = self.way == FLIPPED
        return self.transform([_crop(image, chance, flips) for image in images])


def padded_square(image: Image.Image) -> Image.Image:
    """Pads a picture to a square, centred, in the mean colour of CLIP's normalisation."""
    side = max(image.size)
    colour = tuple(int(255 * value) for value in CLIP_MEAN)
    return ImageOps.pad(image, (side, side), color=colour)


def _crop(image: Image.Image, chance: np.random.Generator, flips: bool) -> Image.Image:
    """Cuts a part out whose area and shape are drawn as torchvision's RandomResizedCrop does.

    It draws up to ten times until a part fits; here what does not fit is made as long as the
    picture is.
    """
    width, height = image.size
    area = width * height * chance.uniform(*_AREA)
    ratio = math.exp(chance.uniform(*map(math.log, _RATIO)))
    wide = max(1, min(width, round(math.sqrt(area * ratio))))
    high = max(1, min(height, round(math.sqrt(area / ratio))))
    left = int(chance.integers(width - wide + 1))
    top = int(chance.integers(height - high + 1))
    part = image.crop((left, top, left + wide, top + high))
    return ImageOps.mirror(part) if flips and chance.random() < 0.5 else part


def _statistics(place: Path | None) -> tuple[tuple, tuple]:
    path = None if place is None else place / "preprocessor_config.json"
    if path is None or not path.is_file():
        return CLIP_MEAN, CLIP_STD
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        pair = found.get("image_mean", CLIP_MEAN), found.get("image_std", CLIP_STD)
        mean, std = (tuple(float(value) for value in values) for values in pair)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} cannot be read ({error}): fetch it again.") from error
    if len(mean) != 3 or len(std) != 3:
        raise ValueError(f"{path} has {len(mean)} means and {len(std)} stds: 3 of each are needed.")
    return mean, std
