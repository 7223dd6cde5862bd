"""The converter's loss: how far words point from where they should."""

import torch
from torch import nn
from torch.nn import functional as F

from course_lib.teach.task import Case, Exercise, Mistake


def cosine_loss(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Returns the mean of 1 - cos over the rows of two tables (n, T)."""
    products = (made * wanted).sum(dim=1)
    lengths = made.norm(dim=1) * wanted.norm(dim=1)
    return (1 - products / lengths).mean()


def reference(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Torch's loss for pairs that belong together."""
    together = torch.ones(len(made))
    return nn.CosineEmbeddingLoss()(made, wanted, together)


def _cosine_itself(made, wanted):
    return F.cosine_similarity(made, wanted, dim=1).mean()


def _negative_cosine(made, wanted):
    return -F.cosine_similarity(made, wanted, dim=1).mean()


def _total(made, wanted):
    return (1 - F.cosine_similarity(made, wanted, dim=1)).sum()


def _over_words(made, wanted):
    return (1 - F.cosine_similarity(made, wanted, dim=0)).mean()


def _all_words_one_vector(made, wanted):
    return 1 - F.cosine_similarity(made.flatten(), wanted.flatten(), dim=0)


def _not_divided(made, wanted):
    return (1 - (made * wanted).sum(dim=1)).mean()


def _half_divided(made, wanted):
    return (1 - (F.normalize(made, dim=1) * wanted).sum(dim=1)).mean()


def _distance(made, wanted):
    return (made - wanted).norm(dim=1).mean()


def _squared(made, wanted):
    return F.mse_loss(made, wanted)


def _of_the_means(made, wanted):
    return 1 - F.cosine_similarity(made.mean(dim=0), wanted.mean(dim=0), dim=0)


def _no_sign(made, wanted):
    return (1 - F.cosine_similarity(made, wanted, dim=1).abs()).mean()


def _cases() -> list[Case]:
    chance = torch.Generator().manual_seed(0)
    by_pencil = (torch.tensor([[3.0, 4.0]]), torch.tensor([[10.0, 0.0]]))
    opposite = (torch.tensor([[2.0, 0.0], [0.0, -3.0]]), torch.tensor([[5.0, 0.0], [0.0, 1.0]]))
    drawn = torch.randn(2, 6, 4, generator=chance)
    return [
        Case("1 word of 2 numbers", by_pencil),
        Case("one word that points right and one that points back", opposite),
        Case("6 words of 4 numbers", (drawn[0], 3 * drawn[1])),
    ]


EXERCISE = Exercise(
    objective="10.1",
    title="the converter's loss",
    difficulty=1,
    minutes=6,
    contract=(
        "`made` is (n, T): n words as the converter gives them. `wanted` is (n, T): the same words "
        "in the target's table.",
        "For each word 1 minus the cosine of the angle between the two vectors: 0 where they "
        "point the same way, 1 at a right angle, 2 where they point against each other.",
        "Gives a tensor with one number, the mean over words. How long a vector is makes no "
        "difference.",
    ),
    hints=(
        "Two arrows from one point: stretch one of them and the angle stays. So what has to be "
        "taken out of the product of the two before it says something about the angle?",
        "Row by row: multiply number by number and add up; divide by the product of the two "
        "lengths. That is the cosine. Take each from 1, then the mean over all rows.",
        "`(made * wanted).sum(dim=1)` is the product of each pair, `made.norm(dim=1)` the length "
        "of each row. `dim=1` runs along the numbers of one word; `dim=0` would run over words.",
    ),
    solution=cosine_loss,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _cosine_itself,
            "a loss falls when it gets better",
            "this is the cosine itself: training that makes it small turns the words away",
        ),
        Mistake(
            _negative_cosine,
            "the best loss is 0",
            "the cosine was negated and not taken from 1: same gradient, other number",
        ),
        Mistake(_total, "the mean over words", "this is the sum, which grows with the batch"),
        Mistake(
            _over_words,
            "the cosine of each word",
            "the sums ran over the words, number by number of the vectors, and not along a word",
        ),
        Mistake(
            _all_words_one_vector,
            "each word has an angle of its own",
            "all words were put into one long vector, in which long ones drown the others",
        ),
        Mistake(
            _not_divided,
            "length makes no difference",
            "this is the bare product: the loss falls without end when the words get longer",
        ),
        Mistake(
            _half_divided,
            "length makes no difference",
            "only the converter's words were brought to length 1, those of the target were not",
        ),
        Mistake(
            _distance,
            "only the direction counts",
            "this is the distance, which also asks for the right length",
        ),
        Mistake(
            _squared,
            "only the direction counts",
            "this is the squared error, which also asks for the right length",
        ),
        Mistake(
            _of_the_means,
            "the mean of the angles",
            "the words were averaged first, and what single words do is lost in that",
        ),
        Mistake(
            _no_sign,
            "words that point back cost most",
            "the sign of the cosine was dropped: to point the wrong way costs nothing now",
        ),
    ),
)
