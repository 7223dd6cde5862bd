"""A class token in front of the patches, and a place for everyone."""

import torch

from course_lib.teach.task import Case, Exercise, Mistake


def add_positions(
    patches: torch.Tensor, cls: torch.Tensor, positions: torch.Tensor
) -> torch.Tensor:
    """Returns (B, N + 1, E): CLS in front of the patches, and to each its position added."""
    front = cls.expand(len(patches), 1, -1)
    return torch.cat([front, patches], dim=1) + positions


def reference(patches: torch.Tensor, cls: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Starts from the positions and adds what stands there."""
    hidden = positions.repeat(len(patches), 1, 1)
    hidden[:, 0] = hidden[:, 0] + cls
    hidden[:, 1:] = hidden[:, 1:] + patches
    return hidden


def _front(patches, cls):
    return cls.expand(len(patches), 1, -1)


def _cls_behind(patches, cls, positions):
    return torch.cat([patches, _front(patches, cls)], dim=1) + positions


def _cls_without_place(patches, cls, positions):
    return torch.cat([_front(patches, cls), patches + positions[1:]], dim=1)


def _patches_one_early(patches, cls, positions):
    return torch.cat([_front(patches, cls), patches + positions[:-1]], dim=1)


def _nothing_added(patches, cls, positions):
    return torch.cat([_front(patches, cls), patches], dim=1)


def _multiplied(patches, cls, positions):
    return torch.cat([_front(patches, cls), patches], dim=1) * positions


def _no_cls(patches, cls, positions):
    return patches + positions[1:]


def _cases() -> list[Case]:
    chance = torch.Generator().manual_seed(0)

    def case(says: str, batch: int, patches: int, width: int) -> Case:
        sizes = (batch, patches, width), (width,), (patches + 1, width)
        return Case(says, tuple(torch.randn(*size, generator=chance) for size in sizes))

    return [
        case("1 picture, 1 patch, width 2", 1, 1, 2),
        case("2 pictures, 4 patches, width 3", 2, 4, 3),
    ]


EXERCISE = Exercise(
    objective="01.2",
    title="a class token, and a place for everyone",
    difficulty=1,
    minutes=6,
    contract=(
        "`patches` are (B, N, E), `cls` is (E,), the same for every picture, `positions` are "
        "(N + 1, E).",
        "Gives (B, N + 1, E): CLS first, then the patches in their order.",
        "Row 0 of the positions belongs to CLS, row n + 1 to patch n; they are added.",
    ),
    hints=(
        "One vector is missing at the front of each picture. Once it is there, patches and places "
        "have the same length, and there is nothing left to choose.",
        "Bring `cls` to the shape (B, 1, E), join it with the patches along the axis of patches, "
        "and add the table to all of it.",
        "`cls.expand(len(patches), 1, -1)` repeats it without a copy; "
        "`torch.cat([…, patches], dim=1)` joins. Added tensors may lack the axis of the batch.",
    ),
    solution=add_positions,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _cls_behind,
            "CLS stands in front",
            "CLS was put behind the patches, so each of them got its neighbour's place",
        ),
        Mistake(
            _cls_without_place,
            "everyone has a place",
            "the patches have theirs, CLS has none: row 0 was never added",
        ),
        Mistake(
            _patches_one_early,
            "row n + 1 belongs to patch n",
            "patch 0 got the row of CLS, and all the others that of the patch before them",
        ),
        Mistake(
            _nothing_added,
            "everyone has a place",
            "CLS is there and the positions are not: a picture would be a bag of patches",
        ),
        Mistake(
            _multiplied,
            "positions are added",
            "they were multiplied: a position near zero would wipe its patch out",
        ),
        Mistake(
            _no_cls,
            "CLS stands in front",
            "it is missing: there is no vector that could stand for the whole picture",
        ),
    ),
)
