"""Images: any file a person may bring becomes RGB or is refused, and RGB becomes pixel values.

The order of the work is that of transformers' CLIP and BLIP image processors: bicubic resize of the
8-bit picture (and a centre crop where the encoder asks for one), then /255, then (x - mean) / std.
"""

import io
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
MAX_PIXELS = 20_000_000
# A centre crop of a longer picture would first enlarge it to hundreds of megapixels.
_MAX_RATIO = 100


def load_image(source: str | Path | bytes | Image.Image) -> Image.Image:
    """Opens a picture as 8-bit RGB.

    Palette, greyscale, 16-bit (all 16 bits scaled, not cut off), float and CMYK pictures are
    converted; transparency is put on white; the camera's rotation is applied; of an animation the
    first frame is taken. The size is checked before anything is decoded.

    Args:
        source: a path, the bytes of a file, or a PIL image.

    Returns:
        A new PIL image of mode RGB.

    Raises:
        ValueError: for a file that is not there, not an image, damaged or cut short, or over 20
            megapixels.
    """
    if isinstance(source, Image.Image):
        return _decode(source, "The image")
    if isinstance(source, bytes):
        what, stream = f"The image ({len(source):,} bytes)", io.BytesIO(source)
    else:
        what, stream = str(source), _existing_file(source)
    with warnings.catch_warnings():
        # Our own limit is lower than the one that PIL warns of; damage ends in an error below.
        warnings.simplefilter("ignore")
        with _open(stream, what) as image:
            return _decode(image, what)


def _open(stream: Path | io.BytesIO, what: str) -> Image.Image:
    try:
        return Image.open(stream)
    except PermissionError:
        raise
    except Image.DecompressionBombError as error:
        raise ValueError(_too_large(what, "far more than 20 megapixels")) from error
    except UnidentifiedImageError as error:
        raise ValueError(
            f"{what} is not an image that can be read: give a PNG, JPEG, WebP, GIF or TIFF file."
        ) from error
    except Exception as error:  # each of PIL's decoders has errors of its own
        raise ValueError(_damaged(what, error)) from error


def _damaged(what: str, error: Exception) -> str:
    return f"{what} is damaged or cut short ({error}): save or download it again."


def _existing_file(path: str | Path) -> Path:
    if str(path).startswith(("http://", "https://")):
        raise ValueError(f"{path} is a web address: download the image and give its path.")
    path = Path(path)
    if not path.is_file():
        state = "is a directory" if path.is_dir() else "is not there"
        raise ValueError(f"{path} {state}: give the path of an image file.")
    return path


def _too_large(what: str, size: str) -> str:
    return (
        f"{what} is too large ({size}; the limit is {MAX_PIXELS // 1_000_000} megapixels): make it "
        "smaller first, the model sees a small copy anyway."
    )


def _decode(image: Image.Image, what: str) -> Image.Image:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ValueError(_too_large(what, f"{width:,} x {height:,} pixels"))
    try:
        image.load()
    except Exception as error:
        raise ValueError(_damaged(what, error)) from error
    return _to_rgb(ImageOps.exif_transpose(image))


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):
        image = Image.fromarray(_to_8_bit(np.asarray(image), is_float=image.mode == "F"))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _to_8_bit(values: np.ndarray, is_float: bool) -> np.ndarray:
    """Scales by what white is: 1.0 or 255 for floats, 65,535 or else the largest for integers."""
    values = np.nan_to_num(values.astype(np.float64))
    largest = values.max()
    white = (1.0 if largest <= 1.0 else 255.0) if is_float else max(largest, 65535.0)
    return np.clip(np.rint(values * (255.0 / white)), 0, 255).astype(np.uint8)


def _read_config(config: dict) -> tuple:
    def pair(size: int | dict) -> tuple[int, int]:
        if isinstance(size, int):
            return size, size
        edge = size.get("shortest_edge")
        return (edge, edge) if edge else (size["height"], size["width"])

    size, crop = config["size"], bool(config.get("do_center_crop", False))
    keeps_ratio = "shortest_edge" in size if isinstance(size, dict) else crop
    result = pair(config["crop_size"] if crop else size)
    if result != pair(size) or keeps_ratio > crop or config.get("resample", 3) != 3:
        raise ValueError(f"size={size}, do_center_crop={crop}, resample={config.get('resample')}")
    mean, std = config.get("image_mean", CLIP_MEAN), config.get("image_std", CLIP_STD)
    return result, tuple(mean), tuple(std), keeps_ratio


@dataclass(frozen=True)
class ImageTransform:
    """How pictures become pixel values: the part of preprocessor_config.json that the course uses.

    Args:
        size: (height, width) of the result in pixels.
        mean: of each channel, on the scale 0 to 1.
        std: of each channel, on the same scale.
        center_crop: False stretches the picture to `size` (BLIP-2); True scales its shorter edge to
            `size` and cuts the centre out (CLIP as released).
    """

    size: tuple[int, int]
    mean: tuple[float, float, float] = CLIP_MEAN
    std: tuple[float, float, float] = CLIP_STD
    center_crop: bool = False

    @classmethod
    def from_pretrained(cls, directory: str | Path) -> "ImageTransform":
        """Reads preprocessor_config.json from the directory of an encoder.

        Raises:
            ValueError: when the file is missing, damaged, or asks for something else.
        """
        path = Path(directory) / "preprocessor_config.json"
        try:
            return cls(*_read_config(json.loads(path.read_text(encoding="utf-8"))))
        except FileNotFoundError:
            raise ValueError(f"{path} is not there: fetch the encoder's directory again.") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{path} does not describe a bicubic resize to one size ({error!r}): fetch the "
                "encoder's directory again, or build an ImageTransform by hand."
            ) from error

    @property
    def key(self) -> str:
        """A text that differs whenever pixel values would: the transform's part of a cache key."""
        crop = "crop" if self.center_crop else "square"
        return f"{self.size[0]}x{self.size[1]}-{crop}-bicubic-{self.mean}-{self.std}"

    def __call__(self, images: Sequence) -> torch.Tensor:
        """Returns the pixel values (n, 3, h, w) of RGB images; see `to_pixel_values`."""
        return to_pixel_values(images, self.size, self.mean, self.std, self.center_crop)


def to_pixel_values(
    images: Sequence[Image.Image | np.ndarray] | np.ndarray | torch.Tensor,
    size: int | tuple[int, int],
    mean: Sequence[float] = CLIP_MEAN,
    std: Sequence[float] = CLIP_STD,
    center_crop: bool = False,
) -> torch.Tensor:
    """Turns RGB images into a normalised batch, equal to transformers' processors to 1e-5.

    Args:
        images: PIL images, or uint8 arrays (height, width, 3), or one uint8 array or tensor
            (n, height, width, 3). Arrays that have the right size already are not resized.
        size: (height, width), or one number for both, in pixels.
        mean: of each channel, on the scale 0 to 1.
        std: of each channel.
        center_crop: see `ImageTransform`.

    Returns:
        float32 (n, 3, h, w); n may be 0.

    Raises:
        ValueError: for an array that is not uint8 or has no three channels at the end.
    """
    height, width = (size, size) if isinstance(size, int) else size
    if not (isinstance(images, np.ndarray | torch.Tensor) and images.ndim == 4):
        arrays = [_resized(image, (height, width), center_crop) for image in images]
        images = np.stack(arrays) if arrays else np.zeros((0, height, width, 3), np.uint8)
    elif images.shape[1:3] != (height, width):
        return to_pixel_values(list(images), size, mean, std, center_crop)
    pixels = torch.as_tensor(np.asarray(_checked(images), np.float32)) / 255.0
    pixels = (pixels - torch.tensor(mean)) / torch.tensor(std)
    return pixels.permute(0, 3, 1, 2).contiguous()


def _checked(images: np.ndarray | torch.Tensor) -> np.ndarray | torch.Tensor:
    if images.dtype not in (np.uint8, torch.uint8) or images.shape[-1] != 3:
        raise ValueError(
            f"Images have to be RGB, uint8, with the channels last: these are {images.dtype} with "
            f"the shape {tuple(images.shape)}."
        )
    return images


def _resized(
    image: Image.Image | np.ndarray | torch.Tensor, size: tuple[int, int], center_crop: bool
) -> np.ndarray:
    if not isinstance(image, Image.Image):
        array = np.asarray(_checked(image))
        if array.shape[:2] == size:
            return array
        image = Image.fromarray(array)
    image = image.convert("RGB")
    height, width = size
    if not center_crop:
        return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
    image = _shortened(image)
    short = min(image.size)
    scaled = tuple(int(height * edge / short) for edge in image.size)
    image = image.resize(scaled, Image.Resampling.BICUBIC)
    left, top = (scaled[0] - width) // 2, (scaled[1] - height) // 2
    return np.asarray(image.crop((left, top, left + width, top + height)))


def _shortened(image: Image.Image) -> Image.Image:
    width, height = image.size
    most = _MAX_RATIO * min(width, height)
    left, top = max(width - most, 0) // 2, max(height - most, 0) // 2
    return image.crop((left, top, width - left, height - top))
