"""Pictures that people bring, and pixel values against transformers' own processors."""

import io
import json
import struct
import warnings
import zlib

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from course_lib.data.images import ImageTransform, load_image, to_pixel_values

RNG = np.random.default_rng(0)


def picture(width, height):
    return Image.fromarray(RNG.integers(0, 256, (height, width, 3), dtype=np.uint8))


def encoded(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def png_header(width, height):
    """Returns the first bytes of a PNG that claims a size and holds next to nothing."""

    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 10)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def test_rgb_is_unchanged_from_path_bytes_and_pil(tmp_path):
    image = picture(7, 5)
    (tmp_path / "a.png").write_bytes(encoded(image))
    for source in (tmp_path / "a.png", str(tmp_path / "a.png"), encoded(image), image):
        loaded = load_image(source)
        assert loaded.mode == "RGB" and np.array_equal(np.asarray(loaded), np.asarray(image))


def test_palette_and_greyscale():
    palette = picture(6, 6).quantize(8)
    expected = np.asarray(palette.convert("RGB"))
    assert np.array_equal(np.asarray(load_image(encoded(palette, "GIF"))), expected)
    grey = np.asarray(load_image(encoded(picture(6, 6).convert("L"))))
    assert grey.shape == (6, 6, 3) and (grey[..., 0] == grey[..., 2]).all()
    assert load_image(encoded(picture(6, 6).convert("1"))).mode == "RGB"
    assert load_image(encoded(picture(6, 6).convert("CMYK"), "JPEG")).mode == "RGB"


@pytest.mark.parametrize("dtype", ["<u2", ">u2", "<i4"])
def test_sixteen_bits_are_scaled_and_not_cut_off(dtype):
    values = np.array([[0, 257, 25_700, 65_535]]).astype(dtype)
    kind = "TIFF" if dtype != "<u2" else "PNG"
    loaded = np.asarray(load_image(encoded(Image.fromarray(values), kind)))
    assert loaded[0, :, 0].tolist() == [0, 1, 100, 255]


def test_float_pictures():
    unit = Image.fromarray(np.array([[0.0, 0.5, 1.0, np.nan]], dtype=np.float32))
    assert np.asarray(load_image(encoded(unit, "TIFF")))[0, :, 1].tolist() == [0, 128, 255, 0]
    bytes_like = Image.fromarray(np.array([[0.0, 100.0, 255.0]], dtype=np.float32))
    assert np.asarray(load_image(bytes_like))[0, :, 1].tolist() == [0, 100, 255]


def test_transparency_is_put_on_white():
    rgba = Image.fromarray(np.array([[[9, 9, 9, 0], [10, 20, 30, 255], [0, 0, 0, 128]]], np.uint8))
    loaded = np.asarray(load_image(encoded(rgba)))[0]
    assert loaded[:2].tolist() == [[255, 255, 255], [10, 20, 30]]
    assert abs(int(loaded[2, 0]) - 127) <= 1
    palette = Image.new("P", (2, 1))
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.putpixel((1, 0), 1)
    loaded = np.asarray(load_image(encoded(palette, transparency=0)))[0]
    assert loaded.tolist() == [[255, 255, 255], [0, 0, 255]]


def test_camera_rotation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert load_image(encoded(picture(8, 4), "JPEG", exif=exif)).size == (4, 8)


def test_tiny_and_very_wide_pictures_are_converted():
    one = load_image(encoded(Image.new("L", (1, 1), 7)))
    assert to_pixel_values([one], 48).shape == (1, 3, 48, 48)
    wide = load_image(encoded(picture(30_000, 1)))
    for crop in (False, True):
        values = to_pixel_values([wide], 48, center_crop=crop)
        assert values.shape == (1, 3, 48, 48) and values.isfinite().all()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
def test_truncated_files_are_refused(kind):
    whole = encoded(picture(64, 64), kind)
    with pytest.raises(ValueError, match=r"damaged or cut short|not an image that can be read"):
        load_image(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"damaged or cut short|not an image that can be read"):
        load_image(whole[:20])


def test_what_is_not_an_image_is_refused(tmp_path):
    (tmp_path / "note.png").write_text("no picture")
    for source in (tmp_path / "note.png", b"", b"hello", b"\x89PNG\r\n\x1a\n"):
        with pytest.raises(ValueError, match="is not an image that can be read: give a PNG"):
            load_image(source)
    with pytest.raises(ValueError, match=r"nowhere\.png is not there"):
        load_image(tmp_path / "nowhere.png")
    with pytest.raises(ValueError, match="is a directory"):
        load_image(tmp_path)
    with pytest.raises(ValueError, match="download the image"):
        load_image("https://example.org/cat.png")


@pytest.mark.parametrize("size", [(5_000, 4_001), (30_000, 30_000), (30_000, 3_000)])
def test_too_many_pixels_are_refused_before_decoding(size):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # A decoder would complain of the missing pixels: the size has to be seen first.
        with pytest.raises(ValueError, match=r"too large.*20 megapixels"):
            load_image(png_header(*size))
    with pytest.raises(ValueError, match="cut short"):
        load_image(png_header(5_000, 4_000))


def hugging_face(processor, images):
    return processor(images, return_tensors="pt")["pixel_values"]


@pytest.mark.parametrize("size", [(48, 48), (32, 40)])
def test_square_resize_equals_transformers(size):
    images = [picture(48, 48), picture(100, 37), picture(5, 60), picture(1, 1)]
    height_width = {"height": size[0], "width": size[1]}
    ours = to_pixel_values(images, size)
    assert torch.allclose(
        ours, hugging_face(BlipImageProcessorPil(size=height_width), images), atol=1e-5
    )
    clip = CLIPImageProcessorPil(size=height_width, do_center_crop=False)
    assert torch.allclose(ours, hugging_face(clip, images), atol=1e-5)
    assert ours.dtype == torch.float32 and ours.is_contiguous()


def test_center_crop_equals_transformers():
    images = [picture(48, 48), picture(100, 37), picture(5, 60), picture(301, 299), picture(91, 53)]
    clip = CLIPImageProcessorPil(size={"shortest_edge": 33}, crop_size={"height": 33, "width": 33})
    ours = to_pixel_values(images, 33, center_crop=True)
    assert torch.allclose(ours, hugging_face(clip, images), atol=1e-5)
    assert not torch.allclose(ours, to_pixel_values(images, 33), atol=1e-2)


def test_arrays_and_tensors_equal_pil():
    images = [picture(48, 48) for _ in range(3)]
    arrays = np.stack([np.asarray(image) for image in images])
    for size in (48, 24):
        expected = to_pixel_values(images, size)
        assert torch.equal(expected, to_pixel_values(arrays, size))
        assert torch.equal(expected, to_pixel_values(torch.from_numpy(arrays), size))
        assert torch.equal(expected, to_pixel_values(list(arrays), size))
    assert to_pixel_values([], 48).shape == (0, 3, 48, 48)
    with pytest.raises(ValueError, match="uint8, with the channels last"):
        to_pixel_values(arrays.astype(np.float32), 48)
    with pytest.raises(ValueError, match="uint8, with the channels last"):
        to_pixel_values([arrays[0, :, :, 0]], 48)


@pytest.mark.parametrize(
    "processor",
    [
        BlipImageProcessorPil(size={"height": 24, "width": 30}, image_mean=[0.1, 0.2, 0.3]),
        CLIPImageProcessorPil(size={"shortest_edge": 24}, crop_size={"height": 24, "width": 24}),
        CLIPImageProcessorPil(size={"height": 24, "width": 24}, do_center_crop=False),
    ],
)
def test_transform_reads_what_transformers_saves(tmp_path, processor):
    processor.save_pretrained(tmp_path)
    transform = ImageTransform.from_pretrained(tmp_path)
    images = [picture(50, 31), picture(20, 40)]
    assert torch.allclose(transform(images), hugging_face(processor, images), atol=1e-5)


def test_transform_key_tells_transforms_apart():
    square = ImageTransform((48, 48))
    others = [
        ImageTransform((48, 40)),
        ImageTransform((48, 48), center_crop=True),
        ImageTransform((48, 48), mean=(0.5, 0.5, 0.5)),
        ImageTransform((48, 48), std=(0.5, 0.5, 0.5)),
    ]
    assert len({t.key for t in [square, *others]}) == 5
    assert square.key == ImageTransform((48, 48)).key


@pytest.mark.parametrize(
    "config",
    [
        "{",
        "[]",
        "{}",
        {"size": {"height": 24, "width": 24}, "resample": 2},
        {"size": {"shortest_edge": 24}, "do_center_crop": False},
        {"size": {"shortest_edge": 24}, "do_center_crop": True, "crop_size": 20},
    ],
)
def test_transform_refuses_other_configurations(tmp_path, config):
    text = config if isinstance(config, str) else json.dumps(config)
    (tmp_path / "preprocessor_config.json").write_text(text)
    with pytest.raises(ValueError, match="does not describe a bicubic resize to one size"):
        ImageTransform.from_pretrained(tmp_path)


def test_transform_needs_its_file(tmp_path):
    with pytest.raises(ValueError, match="is not there"):
        ImageTransform.from_pretrained(tmp_path)
