"""What it takes to keep a frozen encoder's features on a disk."""

import numpy as np

from course_lib.teach.task import Case, Exercise, Mistake


def cache_bytes(
    pictures: int, image_size: int, patch_size: int, width: int, bits: int, with_cls: bool
) -> int:
    """Returns the bytes that the features of all pictures take."""
    vectors = (image_size // patch_size) ** 2 + with_cls
    return pictures * vectors * width * bits // 8


def reference(
    pictures: int, image_size: int, patch_size: int, width: int, bits: int, with_cls: bool
) -> int:
    """Asks numpy how large one picture's features are, without making those of the others."""
    centres = np.arange(0, image_size, patch_size)
    patches = len(centres) ** 2
    one = np.zeros((patches + int(with_cls), width), dtype=f"float{bits}")
    return pictures * one.nbytes


def _vectors(image_size, patch_size, with_cls):
    return (image_size // patch_size) ** 2 + with_cls


def _bits_for_bytes(pictures, image_size, patch_size, width, bits, with_cls):
    return pictures * _vectors(image_size, patch_size, with_cls) * width * bits


def _always_cls(pictures, image_size, patch_size, width, bits, with_cls):
    return pictures * _vectors(image_size, patch_size, True) * width * bits // 8


def _never_cls(pictures, image_size, patch_size, width, bits, with_cls):
    return pictures * _vectors(image_size, patch_size, False) * width * bits // 8


def _one_line(pictures, image_size, patch_size, width, bits, with_cls):
    return pictures * (image_size // patch_size + with_cls) * width * bits // 8


def _patch_size_is_the_count(pictures, image_size, patch_size, width, bits, with_cls):
    return pictures * (patch_size**2 + with_cls) * width * bits // 8


def _one_vector(pictures, image_size, patch_size, width, bits, with_cls):
    return pictures * width * bits // 8


def _the_pixels(pictures, image_size, patch_size, width, bits, with_cls):
    return pictures * 3 * image_size**2 * bits // 8


EXERCISE = Exercise(
    objective="01.8",
    title="what a feature cache weighs",
    difficulty=1,
    minutes=6,
    contract=(
        "Square pictures of `image_size` pixels are cut into patches of `patch_size`; each patch "
        "becomes a vector of `width` numbers, and each number takes `bits` bits.",
        "`with_cls` says whether the vector of the class token is kept as well.",
        "Gives bytes, a whole number, for `pictures` pictures.",
    ),
    hints=(
        "How many numbers does one picture become? The question is only how many vectors there "
        "are; the rest is a product.",
        "Patches along one side, squared, and one more for CLS if it is kept. Times width, times "
        "bytes a number, times pictures. A byte has 8 bits.",
        "`(image_size // patch_size) ** 2 + with_cls` counts the vectors (True counts as 1); "
        "divide by 8 at the very end, with `//`.",
    ),
    solution=cache_bytes,
    reference=reference,
    cases=lambda: [
        Case("1 picture of 4 pixels, patches of 2, width 3, no CLS", (1, 4, 2, 3, 32, False)),
        Case("10 pictures of 48 pixels, patches of 8, width 128", (10, 48, 8, 128, 16, True)),
        Case("3 pictures of 224 pixels, patches of 14, width 64", (3, 224, 14, 64, 16, False)),
    ],
    mistakes=(
        Mistake(
            _bits_for_bytes, "the answer is in bytes", "these are bits: eight of them are a byte"
        ),
        Mistake(_always_cls, "CLS only where it is kept", "CLS was counted although it is dropped"),
        Mistake(_never_cls, "CLS where it is kept", "CLS was not counted although it is kept"),
        Mistake(
            _one_line,
            "patches fill a square",
            "only one row of patches was counted",
        ),
        Mistake(
            _patch_size_is_the_count,
            "patch_size is in pixels",
            "the size of a patch was taken for the number of patches",
        ),
        Mistake(
            _one_vector,
            "every patch is kept",
            "this is one vector a picture, enough for retrieval and not for a language model",
        ),
        Mistake(
            _the_pixels,
            "features, not pixels",
            "these are the pixels that go in, not the features that come out",
        ),
    ),
)
