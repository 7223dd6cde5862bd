"""The similarity of ITC: every image against every text, the best of its queries counts."""

import torch
from torch.nn import functional as F

from course_lib.losses import itc_similarity
from course_lib.teach.task import Case, Exercise, Mistake


def best_query(query_feats: torch.Tensor, text_feats: torch.Tensor) -> torch.Tensor:
    """Returns (B, B') cosines: image i against text j, by the best query of image i."""
    images, texts = F.normalize(query_feats, dim=-1), F.normalize(text_feats, dim=-1)
    cosines = images @ texts.T  # (B, Q, B')
    return cosines.amax(dim=1)


def reference(query_feats: torch.Tensor, text_feats: torch.Tensor) -> torch.Tensor:
    """The library's similarity, after vectors were brought to length 1."""
    images = query_feats / query_feats.square().sum(dim=-1, keepdim=True).sqrt()
    texts = text_feats / text_feats.square().sum(dim=-1, keepdim=True).sqrt()
    return itc_similarity(images, texts)


def _cosines(query_feats, text_feats):
    return F.normalize(query_feats, dim=-1) @ F.normalize(text_feats, dim=-1).T


def _mean(query_feats, text_feats):
    return _cosines(query_feats, text_feats).mean(dim=1)


def _any_length(query_feats, text_feats):
    return (query_feats @ text_feats.T).amax(dim=1)


def _half_normal(query_feats, text_feats):
    return (query_feats @ F.normalize(text_feats, dim=-1).T).amax(dim=1)


def _over_texts(query_feats, text_feats):
    return _cosines(query_feats, text_feats).amax(dim=-1)


def _first_query(query_feats, text_feats):
    return _cosines(query_feats, text_feats)[:, 0]


def _mean_vector(query_feats, text_feats):
    return F.normalize(query_feats.mean(dim=1), dim=-1) @ F.normalize(text_feats, dim=-1).T


def _either_sign(query_feats, text_feats):
    return _cosines(query_feats, text_feats).abs().amax(dim=1)


def _texts_by_images(query_feats, text_feats):
    return _cosines(query_feats, text_feats).amax(dim=1).T


def _cases() -> list[Case]:
    chance = torch.Generator().manual_seed(3)

    def inputs(images: int, queries: int, texts: int, width: int) -> tuple:
        return (
            3 * torch.randn(images, queries, width, generator=chance),
            3 * torch.randn(texts, width, generator=chance),
        )

    return [
        Case("1 image with 2 queries, 1 text", inputs(1, 2, 1, 3)),
        Case("2 images with 3 queries each, 3 texts", inputs(2, 3, 3, 4)),
        Case("4 images with 3 queries each, 2 texts", inputs(4, 3, 2, 4)),
    ]


EXERCISE = Exercise(
    objective="03.5",
    title="the similarity of ITC",
    difficulty=1,
    minutes=6,
    contract=(
        "`query_feats` are (B, Q, C), `text_feats` (B', C), both of any length: they come "
        "straight from the two projections.",
        "Gives the cosines (B, B'): row i, column j compares image i with text j by the query "
        "of image i that fits best.",
        "Images and texts need not be as many.",
    ),
    hints=(
        "A cosine is a dot product of two vectors of length 1. For an image and a text there are "
        "Q of them, and one has to be chosen.",
        "Bring all vectors to length 1. All dot products together make a table with an axis for "
        "images, one for queries, one for texts. Take the largest along the axis of the queries.",
        "`F.normalize(x, dim=-1)` brings to length 1. `images @ texts.T` has the shape (B, Q, B'), "
        "and `.amax(dim=…)` takes one of these axes away.",
    ),
    solution=best_query,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _mean,
            "the best query counts",
            "the mean asks all queries to agree, and then none of them may specialise",
        ),
        Mistake(
            _any_length,
            "cosines lie between -1 and 1",
            "these are dot products: a longer vector looks more similar to everything",
        ),
        Mistake(
            _half_normal,
            "cosines lie between -1 and 1",
            "the texts have length 1 by now, the queries do not",
        ),
        Mistake(
            _over_texts,
            "one number for each image and text",
            "the maximum went over the texts: it tells how well each query fits its favourite text",
        ),
        Mistake(
            _first_query,
            "the best query counts",
            "query 0 was taken as if it were a class token; queries have no such chief",
        ),
        Mistake(
            _mean_vector,
            "the best query counts",
            "the queries were averaged into one vector before anything was compared",
        ),
        Mistake(
            _either_sign,
            "an opposite vector does not fit",
            "the sign was dropped, so the worst query can win",
        ),
        Mistake(
            _texts_by_images,
            "rows are images",
            "the table lies on its side: rows are texts and columns images",
        ),
    ),
)
