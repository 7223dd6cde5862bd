"""Image–text matching (ITM): do these two belong together? Negatives that nearly fit.

Letters: B batch.
"""

import torch
from torch import distributed
from torch.nn import functional as F

from course_lib.losses.contrastive import gather_with_gradient, own_columns


def sample_hard_negatives(
    similarity: torch.Tensor,
    generator: torch.Generator | None = None,
    positives: torch.Tensor | None = None,
) -> torch.Tensor:
    """Draws one wrong partner for each row, the likelier the more similar it is.

    BLIP-2, section 3.2, after ALBEF: a multinomial draw from the softmax of the similarities that
    ITC trains, own pair excluded (LAVIS's blip2_qformer.py).

    Args:
        similarity: (B, B) similarities already divided by the temperature, row against columns.
        generator: source of chance, on any device; None = the global one.
        positives: (B, B) bool, True = never draw; None = the diagonal.

    Returns:
        (B,) column of the partner of each row; carries no gradient.

    Raises:
        ValueError: when a row has no wrong partner, as in a batch of one.
    """
    similarity = similarity.detach().float()
    if positives is None:
        positives = torch.eye(*similarity.shape, dtype=torch.bool, device=similarity.device)
    if positives.all(dim=1).any():
        raise ValueError(
            f"A batch of {similarity.shape[1]} leaves a row without a wrong partner: hard "
            "negatives need at least two different pairs."
        )
    weights = similarity.masked_fill(positives, -torch.inf).softmax(dim=1)
    # A partner whose weight underflows to 0 in every column would make the draw impossible.
    weights = weights.clamp_min(1e-12).masked_fill(positives, 0.0)
    if generator is not None:
        weights = weights.to(generator.device)
    drawn = torch.multinomial(weights, 1, generator=generator).squeeze(1)
    return drawn.to(similarity.device)


def sample_negatives_of_all(
    similarity: torch.Tensor, generator: torch.Generator | None = None
) -> torch.Tensor:
    """Draws one wrong partner for each row among the rows of all processes, as LAVIS does.

    The first process draws for all: what is drawn does not depend on how many processes share a
    batch.

    Args:
        similarity: (B, processes * B) own rows against the rows of all; see
            `sample_hard_negatives`, which does it in a single process.
        generator: of the first process.

    Returns:
        (B,) column of the partner of each row.
    """
    rows = gather_with_gradient(similarity.detach())
    drawn = sample_hard_negatives(rows, generator)
    if len(rows) > len(similarity):
        distributed.broadcast(drawn, 0)
    return drawn[own_columns(len(similarity), drawn.device)]


def itm_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Computes the two-class loss of matching: class 1 = they belong together.

    Args:
        logits: (3B, 2), the mean over queries; LAVIS stacks B right pairs, B with a wrong image and
            B with a wrong text.
        labels: (3B,) 0 or 1.

    Returns:
        Scalar mean.
    """
    return F.cross_entropy(logits, labels)
