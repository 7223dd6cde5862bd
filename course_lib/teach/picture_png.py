"""Small pictures of the toy world as PNG, each pixel enlarged to a sharp square."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

PICTURE_PIXELS = 240


def png_of(image: np.ndarray) -> bytes:
    """Returns a picture as PNG of 240 × 240 pixels.

    Args:
        image: (height, width, 3), uint8.
    """
    size = (PICTURE_PIXELS, PICTURE_PIXELS)
    stream = io.BytesIO()
    Image.fromarray(image).resize(size, Image.Resampling.NEAREST).save(stream, "PNG")
    return stream.getvalue()
