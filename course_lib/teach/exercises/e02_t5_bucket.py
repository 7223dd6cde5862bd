"""The buckets into which T5's encoder sorts how far apart two tokens stand."""

import math

import torch
from transformers.models.t5.modeling_t5 import T5Attention

from course_lib.teach.task import Case, Exercise, Mistake


def t5_bucket(offset: torch.Tensor, buckets: int = 32, farthest: int = 128) -> torch.Tensor:
    """Returns the bucket of each offset, an integer tensor of the same shape."""
    half = buckets // 2  # one half for each side
    exact = half // 2  # so many distances have a bucket of their own
    distance = offset.abs()
    ratio = (distance.clamp(min=1) / exact).log() / math.log(farthest / exact)
    far = (exact + ratio * (half - exact)).long().clamp(max=half - 1)
    return torch.where(distance < exact, distance, far) + half * (offset > 0)


def reference(offset: torch.Tensor, buckets: int = 32, farthest: int = 128) -> torch.Tensor:
    """transformers' own."""
    return T5Attention._relative_position_bucket(
        offset, bidirectional=True, num_buckets=buckets, max_distance=farthest
    )


def _sorted(offset, buckets, farthest, upper=True, logarithm=True, cut=True):
    """The right rule, with one thing left out or turned round."""
    half = buckets // 2
    exact = half // 2
    distance = offset.abs()
    share = (distance.clamp(min=1) / exact).log() / math.log(farthest / exact)
    if not logarithm:
        share = (distance - exact) / (farthest - exact)
    far = (exact + share * (half - exact)).long()
    far = far.clamp(max=half - 1) if cut else far
    side = offset > 0 if upper else offset < 0
    return torch.where(distance < exact, distance, far) + half * side


def _sides_exchanged(offset, buckets=32, farthest=128):
    return _sorted(offset, buckets, farthest, upper=False)


def _evenly(offset, buckets=32, farthest=128):
    return _sorted(offset, buckets, farthest, logarithm=False)


def _never_ends(offset, buckets=32, farthest=128):
    return _sorted(offset, buckets, farthest, cut=False)


def _one_side(offset, buckets=32, farthest=128):
    return t5_bucket(-offset.abs(), buckets, farthest)


def _sixteen_exact(offset, buckets=32, farthest=128):
    half = buckets // 2
    return offset.abs().clamp(max=half - 1) + half * (offset > 0)


def _not_halved(offset, buckets=32, farthest=128):
    return t5_bucket(-offset.abs(), 2 * buckets, farthest) + buckets // 2 * (offset > 0)


def _zero_above(offset, buckets=32, farthest=128):
    return t5_bucket(offset, buckets, farthest) + buckets // 2 * (offset == 0)


def _cases() -> list[Case]:
    return [
        Case("offsets -2 to 2", (torch.arange(-2, 3),)),
        Case("offsets -10 to 10", (torch.arange(-10, 11),)),
        Case("far offsets", (torch.tensor([-500, -130, -100, -40, -20, 20, 40, 100, 130, 500]),)),
        Case("8 buckets up to 20", (torch.arange(-30, 31), 8, 20)),
    ]


EXERCISE = Exercise(
    objective="02.5",
    title="T5's buckets of distance",
    difficulty=3,
    minutes=15,
    contract=(
        "`offset` holds integers: place of the token that is read minus place of the reader.",
        "Gives integers of the same shape, from 0 to `buckets` − 1. The lower half of the "
        "buckets is for offsets up to 0, the upper half for offsets above 0.",
        "Within a half, the first half of its buckets takes the distances 0, 1, 2, … one each.",
        "The other buckets grow with the logarithm: e + (h − e) · log(n / e) / log(farthest / e), "
        "rounded down, for a distance n, with h buckets in a half and e of them exact.",
        "Distances too large for that share the last bucket of their half.",
    ),
    hints=(
        "Three decisions, one after the other: which side, near or far, and if far, which of the "
        "growing buckets. With 32 buckets: 16 a side, 8 of them exact.",
        "Halve the buckets for h, halve again for e. Take the distance. Where it is below e, it "
        "is the bucket; elsewhere use the formula, cut at h − 1. Add h where the offset is "
        "above 0.",
        "`torch.where(n < e, n, far)` chooses, `.long()` rounds down, `.clamp(max=h - 1)` cuts. "
        "Take `n.clamp(min=1)` inside the logarithm, since log 0 is no number, and "
        "`math.log(farthest / e)` below the line.",
    ),
    solution=t5_bucket,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _sides_exchanged,
            "the upper half is for offsets above 0",
            "the two sides are exchanged: a positive offset lies behind the reader",
        ),
        Mistake(
            _evenly,
            "far buckets grow",
            "the far buckets are all equally wide: the logarithm is missing",
        ),
        Mistake(
            _never_ends,
            "the last bucket takes all the rest",
            "beyond the farthest distance the count goes on, into buckets that do not exist",
        ),
        Mistake(
            _one_side,
            "before and behind differ",
            "the sign of the offset was lost, so before and behind look alike",
        ),
        Mistake(
            _sixteen_exact,
            "far buckets grow",
            "every distance has its own bucket until they run out; only half of them are exact",
        ),
        Mistake(
            _not_halved,
            "each side has half of the buckets",
            "all buckets were given to one side, and then the other side was added on top",
        ),
        Mistake(
            _zero_above,
            "offset 0 is in the lower half",
            "offset 0 got into the upper half: the condition is above 0, not at least 0",
        ),
    ),
)
