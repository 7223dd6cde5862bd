"""How many samples of each type, and which images they are about.

LLaVA-Instruct-158K holds 58K conversations, 23K descriptions and 77K reasoning samples about some
80K images (arXiv 2304.08485, section 3): about two samples an image.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from course_lib.instructions.symbols import TYPES

PAPER_MIX = (58.0, 23.0, 77.0)
SAMPLES_AN_IMAGE = 2
SPARE = 0.2


def parse_mix(text: str) -> tuple[float, float, float]:
    """Reads "58:23:77": conversation, detail, reasoning.

    Raises:
        ValueError: for anything but three numbers, not negative, at least one more than zero.
    """
    try:
        numbers = tuple(float(part) for part in text.split(":"))
    except ValueError:
        numbers = ()
    if len(numbers) != len(TYPES) or not all(0 <= n < float("inf") for n in numbers):
        raise ValueError(
            f"The mix {text!r} is not three numbers such as 58:23:77 ({', '.join(TYPES)})."
        )
    if sum(numbers) == 0:
        raise ValueError(f"The mix {text!r} asks for nothing: one number has to be more than 0.")
    return numbers


def shares(samples: int, mix: Sequence[float] = PAPER_MIX) -> dict[str, int]:
    """Splits a number of samples by a mix: rounded down, the rest to the largest remainders."""
    exact = [samples * part / sum(mix) for part in mix]
    counts = [int(number) for number in exact]
    order = sorted(range(len(mix)), key=lambda i: (counts[i] - exact[i], i))
    for index in order[: samples - sum(counts)]:
        counts[index] += 1
    return dict(zip(TYPES, counts, strict=True))


def default_samples(images: int, mix: Sequence[float] = PAPER_MIX) -> int:
    """Returns two samples an image, or fewer: no type takes more than four images in five.

    The fifth is kept for answers that are rejected.
    """
    most = max(1, int(images * (1 - SPARE)))
    samples = min(SAMPLES_AN_IMAGE * images, int(most * sum(mix) / max(mix)) + 1)
    while samples > 1 and max(shares(samples, mix).values()) > most:
        samples -= 1
    return samples


def wanted(images: int, samples: int | None, mix: Sequence[float] = PAPER_MIX) -> dict[str, int]:
    """Returns how many samples of each type to make.

    Raises:
        ValueError: when a type would need more images than there are.
    """
    if samples is None:
        samples = default_samples(images, mix)
    if samples < 1:
        raise ValueError(f"{samples} samples: make at least one.")
    counts = shares(samples, mix)
    for type, count in counts.items():
        if count > images:
            raise ValueError(
                f"{samples} samples would need {count} images for {type} and there are {images}: "
                "make fewer samples, or give more images."
            )
    return counts


def rank(seed: int, type: str, id: str) -> bytes:
    """Returns where an image stands in the queue of a type.

    It depends on nothing else: with more images, or another mix, those asked before stay in front
    of each other as they were, so that no answer is lost that was paid for.
    """
    return hashlib.blake2b(f"{seed}/{type}/{id}".encode(), digest_size=8).digest()
