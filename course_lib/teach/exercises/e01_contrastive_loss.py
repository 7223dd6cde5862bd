"""CLIP's loss: each picture finds its text, each text its picture."""

from typing import Any

import torch
from torch.nn import functional as F

from course_lib.losses import itc_loss
from course_lib.teach.gradients import loss_with_gradients
from course_lib.teach.task import Case, Exercise, Mistake, call


def contrastive_loss(
    images: torch.Tensor, texts: torch.Tensor, log_scale: torch.Tensor
) -> torch.Tensor:
    """Returns a scalar: the mean of both directions' cross-entropy."""
    images, texts = F.normalize(images, dim=-1), F.normalize(texts, dim=-1)
    logits = log_scale.exp() * images @ texts.T  # (B, B), own pairs on the diagonal
    own = torch.arange(len(logits))
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def reference(images: torch.Tensor, texts: torch.Tensor, log_scale: torch.Tensor) -> torch.Tensor:
    """The library's contrast, which BLIP-2 uses, without label smoothing."""
    cosines = F.cosine_similarity(images[:, None], texts[None], dim=-1)
    return itc_loss(cosines, cosines.T, 1 / log_scale.exp(), label_smoothing=0.0)


def run(answer: Any, case: Case) -> Any:
    """Gives the loss and its gradients, since the training below follows them."""
    if not callable(answer):
        return answer
    images, texts, log_scale = (arg.clone().requires_grad_(True) for arg in case.args)
    loss = call(answer, Case(case.says, (images, texts, log_scale)))
    return loss_with_gradients(loss, {"images": images, "texts": texts, "log_scale": log_scale})


def _both(logits):
    own = torch.arange(len(logits))
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def _unit(*vectors):
    return [F.normalize(vector, dim=-1) for vector in vectors]


def _cosines(images, texts):
    images, texts = _unit(images, texts)
    return images @ texts.T


def _no_length(images, texts, log_scale):
    return _both(log_scale.exp() * images @ texts.T)


def _no_exp(images, texts, log_scale):
    return _both(log_scale * _cosines(images, texts))


def _divided(images, texts, log_scale):
    return _both(_cosines(images, texts) / log_scale.exp())


def _no_scale(images, texts, log_scale):
    return _both(_cosines(images, texts))


def _pictures_only(images, texts, log_scale):
    logits = log_scale.exp() * _cosines(images, texts)
    return F.cross_entropy(logits, torch.arange(len(logits)))


def _texts_only(images, texts, log_scale):
    logits = log_scale.exp() * _cosines(images, texts)
    return F.cross_entropy(logits.T, torch.arange(len(logits)))


def _sum(images, texts, log_scale):
    return 2 * _both(log_scale.exp() * _cosines(images, texts))


def _cut_off(images, texts, log_scale):
    return contrastive_loss(images, texts, log_scale).detach()


def _wrong_axis(images, texts, log_scale):
    images, texts = F.normalize(images, dim=0), F.normalize(texts, dim=0)
    return _both(log_scale.exp() * images @ texts.T)


def _cases() -> list[Case]:
    chance = torch.Generator().manual_seed(0)

    def case(says: str, batch: int, width: int, scale: float) -> Case:
        images, texts = (2 * torch.randn(batch, width, generator=chance) for _ in range(2))
        return Case(says, (images, texts, torch.tensor(scale).log()))

    return [
        case("2 pairs of width 2, scale 3", 2, 2, 3.0),
        case("5 pairs of width 4, scale 14", 5, 4, 14.0),
    ]


EXERCISE = Exercise(
    objective="01.4",
    title="CLIP's loss",
    difficulty=2,
    minutes=12,
    contract=(
        "`images` and `texts` are (B, C); row i of both belongs together. They are *not* of length "
        "1 yet.",
        "`log_scale` is a scalar, the logarithm of what the cosines are multiplied with.",
        "Gives a scalar: the cross-entropy of finding each picture's text and that of finding each "
        "text's picture, averaged over the batch and over the two directions.",
        "It stays a tensor, and gradients reach all three inputs: the training below uses it.",
    ),
    hints=(
        "One table of cosines serves both directions: read by rows, pictures choose among texts; "
        "read by columns, texts choose among pictures. The right choice is always on the diagonal.",
        "Bring every vector to length 1, multiply all pairs, scale the table. Cross-entropy of its "
        "rows with the targets 0, 1, 2, …; the same for the transposed table; the mean of the two.",
        "`F.normalize(…, dim=-1)`, `log_scale.exp() * images @ texts.T`, and "
        "`F.cross_entropy(logits, torch.arange(len(logits)))`. What does the second direction do "
        "to `logits`?",
    ),
    solution=contrastive_loss,
    reference=reference,
    cases=_cases,
    run=run,
    mistakes=(
        Mistake(
            _cut_off,
            "the gradient reaches the inputs",
            "the loss is a number without a past: `.detach()`, `.item()` or `torch.no_grad()`",
        ),
        Mistake(
            _no_length,
            "cosines, not products",
            "the vectors were not brought to length 1, so a long vector wins whatever it points at",
        ),
        Mistake(
            _wrong_axis,
            "every vector has length 1",
            "the vectors were normalised along the batch, not along their own numbers",
        ),
        Mistake(
            _no_exp,
            "the scale is an exponential",
            "the logarithm itself was used as the factor",
        ),
        Mistake(
            _divided,
            "the scale multiplies",
            "it was used as a temperature: a temperature divides, a scale is one over it",
        ),
        Mistake(
            _no_scale,
            "the cosines are scaled",
            "without the scale all cosines lie between -1 and 1, and the softmax stays almost flat",
        ),
        Mistake(
            _pictures_only,
            "both directions count",
            "only pictures choose texts; the table was never read by columns",
        ),
        Mistake(
            _texts_only,
            "both directions count",
            "only texts choose pictures; the table was never read by rows",
        ),
        Mistake(
            _sum,
            "the mean of both directions",
            "the two directions were added, so the loss is twice as large",
        ),
    ),
)
