"""The files of a batch become pixel values, quickly: equal to `ImageTransform`, or nearly.

What takes the time in the usual way is not only decoding: every picture is copied several times on
its way from PIL to floats. Here a plain JPEG is decoded and resized once, and a table of 256 values
a channel takes the place of the arithmetic of normalisation. Anything else (a rotation, a palette,
transparency) goes the careful way of `load_image`.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import interpolate

from course_lib.data.images import MAX_PIXELS, ImageTransform, load_image, to_pixel_values
from course_lib.errors import unknown_name_error

EXACT, CLOSE, SOFT = WAYS = ("exact", "close", "soft")
_LONG = 50  # a picture so long is left to `ImageTransform`, which first cuts it


def pixels_of(files: Sequence[bytes], transform: ImageTransform, way: str = EXACT) -> torch.Tensor:
    """Decodes, resizes and normalises.

    Args:
        files: the bytes of picture files.
        transform: size, crop and statistics.
        way: "exact" gives what `ImageTransform` gives, bit by bit; "close" resizes with torch in
            place of PIL, and a value may be off by one of 255 levels; "soft" also lets libjpeg
            decode at 1/2, 1/4 or 1/8 where that is still at least the size wanted.

    Returns:
        float32 (n, 3, h, w).

    Raises:
        ValueError: for another way, and for a file that is no image, damaged, or over 20
            megapixels.
    """
    if way not in WAYS:
        raise unknown_name_error("way", way, WAYS)
    height, width = transform.size
    table = _table(transform)
    pixels = np.empty((len(files), 3, height, width), np.float32)
    for number, data in enumerate(files):
        image, size = _plain_jpeg(data, transform, way == SOFT)
        if image is None:
            pixels[number] = transform([load_image(data)])[0].numpy()
            continue
        # A picture that was decoded at a smaller scale goes where the whole one would have gone.
        scaled, corner = _scaled_and_corner(size, transform)
        values = _resized(image, scaled) if way == EXACT else _close(image, scaled)
        values = values[corner[1] : corner[1] + height, corner[0] : corner[0] + width]
        for channel in range(3):
            place = pixels[number, channel]
            np.take(table[channel], values[:, :, channel], out=place, mode="clip")
    return torch.from_numpy(pixels)


def _table(transform: ImageTransform) -> np.ndarray:
    """Returns (3, 256): what each of 256 values becomes in each channel."""
    ramp = torch.arange(256, dtype=torch.uint8).view(1, 256, 1, 1).expand(1, 256, 1, 3)
    found = to_pixel_values(ramp, (256, 1), transform.mean, transform.std)
    return found[0, :, :, 0].contiguous().numpy()


def _plain_jpeg(data: bytes, transform: ImageTransform, soft: bool) -> tuple:
    """Decodes an RGB JPEG that nobody rotated.

    Returns:
        (image, its size in the file); None and anything for every other file, damage as well.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=("JPEG",))
        size = width, height = image.size
        plain = image.mode == "RGB" and "exif" not in image.info and width * height <= MAX_PIXELS
        if not plain or max(size) > _LONG * min(size):
            return None, size
        if soft:
            image.draft("RGB", _scaled_and_corner(size, transform)[0])
        image.load()
    except Exception:  # `load_image` finds the words for what is wrong
        return None, (0, 0)
    return image, size


def _scaled_and_corner(size: tuple[int, int], transform: ImageTransform) -> tuple:
    """Returns (width, height) after resizing, and the left upper corner of what is kept of it."""
    height, width = transform.size
    if not transform.center_crop:
        return (width, height), (0, 0)
    scaled = tuple(int(height * edge / min(size)) for edge in size)
    return scaled, ((scaled[0] - width) // 2, (scaled[1] - height) // 2)


def _resized(image: Image.Image, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC))


def _close(image: Image.Image, size: tuple[int, int]) -> np.ndarray:
    """Resizes with torch's kernel for 8-bit pictures, which works as PIL's does and is quicker."""
    planes = torch.from_numpy(np.array(image)).permute(2, 0, 1).unsqueeze(0)
    small = interpolate(planes, size=size[::-1], mode="bicubic", antialias=True)
    return small[0].permute(1, 2, 0).numpy()
