"""CIDEr-D (Vedantam et al. 2015, arXiv 1411.5726, section 5): n-grams, rare ones counting more."""

import math
from collections import Counter
from collections.abc import Sequence

_MAX_N, _SIGMA = 4, 6.0


def cider_d(
    candidates: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[float, list[float]]:
    """Scores captions against references; words stand between spaces, so clean both first.

    As in pycocoevalcap's `Cider` (CIDEr-D, too), lengths are compared in bigrams, and document
    frequencies come from the references given: scores of other sets of images are not comparable.

    Args:
        candidates: one caption an image.
        references: for each image, at least one caption; a single image scores 0 by construction.

    Returns:
        (mean, score of each image), from 0 to 10; the papers' tables show 100 times the mean.

    Raises:
        ValueError: for lists of different lengths, no images, or an image without references.
    """
    if len(candidates) != len(references) or not candidates or not all(references):
        raise ValueError(
            f"{len(candidates)} captions cannot be scored against {len(references)} lists of "
            "references: give one caption and at least one reference for each image."
        )
    counted = [[_ngrams(text) for text in texts] for texts in references]
    frequency = Counter(gram for texts in counted for gram in set().union(*texts))
    log_images = math.log(len(references))
    rarity = {gram: log_images - math.log(count) for gram, count in frequency.items()}
    scores = []
    for caption, others in zip(map(_ngrams, candidates), counted, strict=True):
        total = sum(_similarity(caption, other, rarity, log_images) for other in others)
        scores.append(10.0 * total / len(others))
    return sum(scores) / len(scores), scores


def _ngrams(text: str) -> Counter:
    words = text.split()
    spans = ((i, i + n) for n in range(1, _MAX_N + 1) for i in range(len(words) - n + 1))
    return Counter(tuple(words[start:end]) for start, end in spans)


def _similarity(ours: Counter, theirs: Counter, rarity: dict, unseen: float) -> float:
    both, total = (ours, theirs), 0.0
    lengths = [sum(c for g, c in x.items() if len(g) == 2) for x in both]
    for n in range(1, _MAX_N + 1):
        a, b = ({g: c * rarity.get(g, unseen) for g, c in x.items() if len(g) == n} for x in both)
        norm = math.hypot(*a.values()) * math.hypot(*b.values())
        total += sum(min(a[g], b[g]) * b[g] for g in a.keys() & b.keys()) / norm if norm else 0.0
    return total / _MAX_N * math.exp(-((lengths[0] - lengths[1]) ** 2) / (2 * _SIGMA**2))
