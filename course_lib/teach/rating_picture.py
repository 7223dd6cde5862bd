"""The picture that an OwlEval question is about, with a text alternative, as HTML and as pixels."""

from __future__ import annotations

import html
import io

import numpy as np
from PIL import Image

from course_lib.data.images import load_image
from course_lib.evaluation.owl_eval import OwlEval
from course_lib.evaluation.owl_eval_folder import Pictures
from course_lib.teach.picture_png import img_of, picture_html
from course_lib.world.draw import draw_scene
from course_lib.world.language import canonical_caption

SIDE = 420  # pixels, at most, of a photograph


def pixels_of(owl: OwlEval, image: str, pictures: Pictures | None = None) -> np.ndarray:
    """Returns a picture as (height, width, 3) uint8: a toy scene as it is, a photograph reduced.

    Raises:
        ValueError: for an image that is neither a toy scene nor a file that can be read.
    """
    if image in owl.scenes:
        return draw_scene(owl.scenes[image])
    if pictures is None or image not in pictures.found:
        where = pictures.folder if pictures else "any folder: give `pictures`"
        raise ValueError(f"The image {image} is not in {where}.")
    picture = load_image(pictures.found[image])
    picture.thumbnail((SIDE, SIDE))
    return np.asarray(picture)


def words_of(owl: OwlEval, image: str) -> str:
    """Returns what is read aloud in place of a picture: who rates has to know what is in it."""
    if image in owl.scenes:
        return canonical_caption(owl.scenes[image])
    return f"image {image} of OwlEval, of which no description was released"


def html_of(owl: OwlEval, image: str, pictures: Pictures | None = None) -> str:
    """Returns a picture as an <img>, or a sentence why it cannot be shown."""
    words = words_of(owl, image)
    try:
        pixels = pixels_of(owl, image, pictures)
    except (ValueError, OSError) as error:
        return f'<p role="alert">{html.escape(str(error))}</p>'
    if image in owl.scenes:
        return picture_html(pixels, words)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return img_of(stream.getvalue(), words, "max-width:100%;max-height:420px;display:block")
