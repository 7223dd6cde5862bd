"""Small pictures of the toy world as PNG, each pixel enlarged to a sharp square."""

from __future__ import annotations

import base64
import html
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


def img_of(png: bytes, words: str, style: str = "max-width:100%") -> str:
    """Returns a PNG as an <img> with a text alternative, for `widgets.HTML`.

    `widgets.Image` has none, and a tooltip of it is an error in the browser (ipywidgets 8.1).

    Args:
        png: the bytes of the file.
        words: what is read aloud in its place.
        style: CSS of the picture.
    """
    coded = base64.b64encode(png).decode()
    source = f"data:image/png;base64,{coded}"
    return f'<img style="{style}" alt="{html.escape(words)}" src="{source}">'


def picture_html(image: np.ndarray, words: str) -> str:
    """Returns a small picture as an enlarged <img>.

    Args:
        image: (height, width, 3), uint8.
        words: what is read aloud in its place.
    """
    pixels = f"{PICTURE_PIXELS}px"
    return img_of(png_of(image), words, f"width:{pixels};height:{pixels};display:block")
