"""Which of the encoder's vectors belong to a quarter of the picture."""

import torch

from course_lib.teach.task import Case, Exercise, Mistake


def quadrant_rows(side: int, place: str) -> torch.Tensor:
    """Returns the places, in the encoder's output, of the patches of one quadrant."""
    grid = torch.arange(side * side).view(side, side) + 1  # CLS stands at 0
    half = side // 2
    lines = grid[:half] if place.startswith("top") else grid[half:]
    return (lines[:, :half] if place.endswith("left") else lines[:, half:]).flatten()


def reference(side: int, place: str) -> torch.Tensor:
    """Asks each patch whether its centre lies in the quadrant."""
    found = []
    for patch in range(side * side):
        down, across = divmod(patch, side)
        is_top, is_left = down + 0.5 < side / 2, across + 0.5 < side / 2
        if place == f"{'top' if is_top else 'bottom'}-{'left' if is_left else 'right'}":
            found.append(1 + patch)
    return torch.tensor(found)


def _without_cls(side, place):
    return quadrant_rows(side, place) - 1


def _turned(side, place):
    grid = torch.arange(side * side).view(side, side).T + 1
    half = side // 2
    lines = grid[:half] if place.startswith("top") else grid[half:]
    return (lines[:, :half] if place.endswith("left") else lines[:, half:]).T.flatten()


def _mirrored(side, place):
    other = {"left": "right", "right": "left"}
    up, across = place.split("-")
    return quadrant_rows(side, f"{up}-{other[across]}")


def _upside_down(side, place):
    other = {"top": "bottom", "bottom": "top"}
    up, across = place.split("-")
    return quadrant_rows(side, f"{other[up]}-{across}")


def _half_of_all(side, place):
    grid = torch.arange(side * side).view(side, side) + 1
    return (grid[: side // 2] if place.startswith("top") else grid[side // 2 :]).flatten()


def _a_quarter_of_the_list(side, place):
    which = 2 * place.startswith("bottom") + place.endswith("right")
    quarter = side * side // 4
    return torch.arange(quarter) + which * quarter + 1


def _kept_a_square(side, place):
    return quadrant_rows(side, place).view(side // 2, side // 2)


def _cases() -> list[Case]:
    places = [f"{up}-{across}" for up in ("top", "bottom") for across in ("left", "right")]
    return [
        Case(f"{side} by {side} patches, {place}", (side, place))
        for side in (2, 4, 6)
        for place in places
    ]


EXERCISE = Exercise(
    objective="01.7",
    title="the patches of a quadrant",
    difficulty=2,
    minutes=8,
    contract=(
        "The encoder gives 1 + side · side vectors: CLS at 0, then the patches, row by row; `side` "
        "is even.",
        "`place` is `top-left`, `top-right`, `bottom-left` or `bottom-right`.",
        "Gives (side · side / 4,) integers in rising order: where the vectors of that quadrant "
        "stand.",
    ),
    hints=(
        "Draw the 4 by 4 case and write into each square where its vector stands. Which numbers "
        "lie in the top right quarter?",
        "Make the grid of numbers, starting at 1. Keep its upper or lower half of lines, of those "
        "the left or right half of columns, and lay the rest out in one row.",
        "`torch.arange(side * side).view(side, side) + 1` is the grid; `grid[:half]` are its upper "
        "lines, `lines[:, half:]` the right part of them; `.flatten()` at the end.",
    ),
    solution=quadrant_rows,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _without_cls,
            "CLS stands in front",
            "the count starts at the first patch, so every vector is taken for its neighbour",
        ),
        Mistake(
            _turned,
            "patches are read row by row",
            "lines and columns are exchanged: top-right and bottom-left have changed places",
        ),
        Mistake(_mirrored, "left is left", "left and right are exchanged"),
        Mistake(_upside_down, "top is top", "top and bottom are exchanged"),
        Mistake(
            _half_of_all,
            "a quadrant is a quarter",
            "the lines were chosen and the columns were not",
        ),
        Mistake(
            _a_quarter_of_the_list,
            "a quadrant is a square",
            "these patches stand together in the list; in the picture they are a band of whole "
            "lines",
        ),
        Mistake(
            _kept_a_square,
            "one list of numbers",
            "the numbers are right and still form a square",
        ),
    ),
)
