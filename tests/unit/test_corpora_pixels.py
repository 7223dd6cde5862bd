"""The quick ways to pixel values give what the slow one gives, for whatever file comes."""

import io

import numpy as np
import pytest
from PIL import Image

from course_lib.corpora.pixels import CLOSE, EXACT, SOFT, WAYS, pixels_of
from course_lib.data.images import CLIP_STD, ImageTransform, load_image

LEVEL = 1 / 255 / min(CLIP_STD)
SQUARE, CROP = ImageTransform((28, 28)), ImageTransform((28, 20), center_crop=True)


def noise(size, mode="RGB"):
    """A picture with coarse structure, as photographs have."""
    drawn = np.random.default_rng(size[0]).integers(0, 256, (6, 7, len(mode)), np.uint8)
    image = Image.fromarray(drawn.squeeze() if mode == "L" else drawn, mode)
    return image.resize(size, Image.Resampling.BICUBIC)


def saved(image, kind="JPEG", **more):
    stream = io.BytesIO()
    image.save(stream, kind, **more)
    return stream.getvalue()


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(noise((90, 60)), exif=exif)


PLAIN = [
    saved(noise(size)) for size in ((64, 48), (48, 64), (33, 97), (28, 28), (20, 15), (400, 300))
]
OTHERS = [
    saved(noise((60, 40), "L")),
    saved(noise((60, 40), "CMYK")),
    saved(noise((60, 40), "RGBA"), "PNG"),
    saved(noise((60, 40)).quantize(8), "PNG"),
    saved(noise((60, 40)), "WEBP", lossless=True),
    turned(),
    saved(noise((600, 4))),
    saved(noise((3, 900))),
]


@pytest.mark.parametrize("transform", [SQUARE, CROP])
def test_exact_is_equal_bit_by_bit(transform):
    wanted = transform([load_image(data) for data in PLAIN + OTHERS])
    assert (pixels_of(PLAIN + OTHERS, transform, EXACT) == wanted).all()
    assert pixels_of([], transform).shape == (0, 3, *transform.size)


@pytest.mark.parametrize("transform", [SQUARE, CROP])
def test_close_is_one_level_off_at_most_and_others_stay_equal(transform):
    wanted = transform([load_image(data) for data in PLAIN + OTHERS])
    far = (pixels_of(PLAIN + OTHERS, transform, CLOSE) - wanted).abs()
    assert 0 < far.max() <= 1.01 * LEVEL
    assert (far > 0).float().mean() < 0.05
    assert far[len(PLAIN) :].max() == 0


@pytest.mark.parametrize("transform", [SQUARE, CROP])
def test_soft_decodes_a_smaller_picture_of_the_same(transform):
    wanted = transform([load_image(PLAIN[-1])])
    far = (pixels_of(PLAIN[-1:], transform, SOFT) - wanted).abs()
    other = (pixels_of(PLAIN[:1], transform, SOFT) - wanted).abs()
    assert 0 < far.mean() < 3 * LEVEL < other.mean()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("data", [b"<html>", PLAIN[0][:300], b""])
def test_what_is_no_picture_is_named(way, data):
    with pytest.raises(ValueError, match=r"not an image|damaged"):
        pixels_of([PLAIN[0], data], SQUARE, way)


def test_huge_pictures_and_other_ways_are_refused():
    with pytest.raises(ValueError, match="too large"):
        pixels_of([saved(Image.new("RGB", (5000, 4100)))], SQUARE)
    with pytest.raises(ValueError, match="did you mean 'exact'"):
        pixels_of([], SQUARE, "exakt")
