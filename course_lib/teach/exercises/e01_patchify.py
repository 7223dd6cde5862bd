"""A picture cut into patches, each laid out as one row of numbers."""

import torch
from torch.nn import functional as F

from course_lib.teach.task import Case, Exercise, Mistake


def patchify(images: torch.Tensor, size: int) -> torch.Tensor:
    """Returns (B, N, C * size * size): each patch of each picture as one row."""
    rows, columns = images.shape[2] // size, images.shape[3] // size
    cut = images.unflatten(3, (columns, size)).unflatten(2, (rows, size))
    return cut.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)


def reference(images: torch.Tensor, size: int) -> torch.Tensor:
    """What torch's convolutions use: a window that moves by its own width."""
    return F.unfold(images, size, stride=size).transpose(1, 2).contiguous()


def _cut(images, size):
    rows, columns = images.shape[2] // size, images.shape[3] // size
    return images.unflatten(3, (columns, size)).unflatten(2, (rows, size))


def _only_reshaped(images, size):
    return images.reshape(len(images), -1, images.shape[1] * size * size)


def _columns_first(images, size):
    return _cut(images, size).permute(0, 4, 2, 1, 3, 5).flatten(3).flatten(1, 2)


def _channels_last(images, size):
    return _cut(images, size).permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)


def _turned(images, size):
    return _cut(images, size).permute(0, 2, 4, 1, 5, 3).flatten(3).flatten(1, 2)


def _overlapping(images, size):
    return F.unfold(images, size, stride=1).transpose(1, 2)


def _still_a_grid(images, size):
    return _cut(images, size).permute(0, 2, 4, 1, 3, 5).flatten(3)


def _cases() -> list[Case]:
    small = torch.arange(8.0).view(1, 1, 2, 4)
    large = torch.arange(2 * 3 * 4 * 6.0).view(2, 3, 4, 6)
    return [
        Case("a grey picture of 2 rows and 4 columns, patches of 2", (small, 2)),
        Case("2 colour pictures of 4 rows and 6 columns, patches of 2", (large, 2)),
    ]


EXERCISE = Exercise(
    objective="01.1",
    title="cut a picture into patches",
    difficulty=2,
    minutes=10,
    contract=(
        "`images` are (B, C, height, width); both are multiples of `size`.",
        "Gives (B, N, C · size · size), a row for each patch.",
        "Patches follow one another as one reads: along the top row of patches first, then the "
        "next row.",
        "In a row stands the whole first channel of the patch, read line by line, then the second "
        "channel, and so on.",
    ),
    hints=(
        "No number changes, they only move. Both axes of the picture have to fall into two: which "
        "patch, and where in the patch.",
        "Split the height into (rows of patches, size) and the width likewise: six axes. Put them "
        "in the order batch, row of patches, column of patches, channel, line, column. Then join "
        "the last three, and the two that number the patches.",
        "`images.unflatten(3, (columns, size))` splits the last axis; split axis 2 the same way. "
        "Now the axes are (B, C, rows, size, columns, size): `permute` them, then `flatten(3)` and "
        "`flatten(1, 2)`.",
    ),
    solution=patchify,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _only_reshaped,
            "a patch is a square of the picture",
            "the numbers were only regrouped: a row now holds a stretch of whole lines, not a "
            "square",
        ),
        Mistake(
            _columns_first,
            "patches are read row by row",
            "the patches run down the columns first, so a position would mean another place",
        ),
        Mistake(
            _channels_last,
            "one channel after the other",
            "the colours of each pixel stand together; weights made for a convolution expect "
            "whole channels",
        ),
        Mistake(
            _turned,
            "a patch is read line by line",
            "each patch is mirrored at its diagonal: lines and columns inside it are exchanged",
        ),
        Mistake(
            _overlapping,
            "patches do not overlap",
            "the window moved by one pixel, not by its own width",
        ),
        Mistake(
            _still_a_grid,
            "the patches form one list",
            "rows and columns of patches are still two axes; a transformer reads a list",
        ),
    ),
)
