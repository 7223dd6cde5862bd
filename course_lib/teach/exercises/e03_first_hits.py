"""Retrieval in both directions: how often is the first hit the right one?"""

import math

import torch

from course_lib.evaluation.retrieval import r_at_1
from course_lib.teach.task import Case, Exercise, Mistake


def first_hits(similarity: torch.Tensor) -> tuple[float, float]:
    """Returns R@1 of images that look for their text, and of texts that look for their image."""
    own = similarity.diagonal()
    rivals = similarity.clone().fill_diagonal_(-math.inf)
    image_to_text = (own > rivals.amax(dim=1)).float().mean().item()
    text_to_image = (own > rivals.amax(dim=0)).float().mean().item()
    return image_to_text, text_to_image


def reference(similarity: torch.Tensor) -> tuple[float, float]:
    """The library's R@1, each direction by itself."""
    found = r_at_1(similarity)
    return found["image_to_text"], found["text_to_image"]


def _argmax(similarity):
    own = torch.arange(len(similarity))
    return tuple((similarity.argmax(dim) == own).float().mean().item() for dim in (1, 0))


def _exchanged(similarity):
    return first_hits(similarity)[::-1]


def _rows_twice(similarity):
    return first_hits(similarity)[0], first_hits(similarity)[0]


def _counts(similarity):
    return tuple(share * len(similarity) for share in first_hits(similarity))


def _percent(similarity):
    return tuple(100 * share for share in first_hits(similarity))


def _averaged(similarity):
    return (sum(first_hits(similarity)) / 2,) * 2


def _mean_rival(similarity):
    own = similarity.diagonal()
    return tuple((own > similarity.mean(dim)).float().mean().item() for dim in (1, 0))


def _cases() -> list[Case]:
    two = torch.tensor([[0.8, 0.2], [0.9, 0.5]])
    four = torch.tensor(
        [[0.9, 0.1, 0.6, 0.3], [0.2, 0.7, 0.4, 0.8], [0.6, 0.3, 0.5, 0.1], [0.1, 0.6, 0.2, 0.9]]
    )
    return [
        Case("2 pairs", (two,)),
        Case("4 pairs", (four,)),
        Case("3 pairs that all get the same score", (torch.ones(3, 3),)),
    ]


EXERCISE = Exercise(
    objective="03.6",
    title="R@1, both directions",
    difficulty=2,
    minutes=8,
    contract=(
        "`similarity` is (n, n), row = image, column = text, own pairs on the diagonal.",
        "Gives two shares from 0 to 1: of images whose own text comes first among all texts, and "
        "of texts whose own image comes first among all images.",
        "A tie for the first place is no hit: a model that says the same of everything gets 0.",
    ),
    hints=(
        "An image has found its text when the own score is larger than the best of all the others. "
        "Where in the table are the others? And where for a text?",
        "Keep the diagonal aside. In a copy, make it impossible. The best rival of an image is the "
        "largest of its row, that of a text the largest of its column. Compare, and take means.",
        "`similarity.clone().fill_diagonal_(-math.inf)` leaves the rivals, `.amax(dim=1)` is the "
        "best of each row. `(own > …).float().mean().item()` is a share; `>` leaves ties out.",
    ),
    solution=first_hits,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _argmax,
            "a tie is no hit",
            "argmax takes the first of several equal scores, so chance or luck decides a tie",
        ),
        Mistake(
            _exchanged,
            "images look for texts first",
            "the two directions are exchanged: which axis belongs to the texts?",
        ),
        Mistake(
            _rows_twice,
            "texts look for images second",
            "both numbers come from the rows; a text looks for its image in its column",
        ),
        Mistake(_counts, "a share lies between 0 and 1", "hits were counted but not divided"),
        Mistake(_percent, "a share lies between 0 and 1", "this is a percentage"),
        Mistake(
            _averaged,
            "each direction by itself",
            "the mean of both directions hides that one may be much better than the other",
        ),
        Mistake(
            _mean_rival,
            "the own score beats every other",
            "it was compared with the average score, which is easy to beat",
        ),
    ),
)
