"""Objectives: next word (LM), which text belongs to which image (ITC), do they match (ITM).

Nothing here imports more than torch.
"""

from course_lib.losses.contrastive import gather_with_gradient, itc_loss, itc_similarity
from course_lib.losses.lm import IGNORE, labelled, lm_loss, lm_loss_from_logits, word_loss
from course_lib.losses.matching import itm_loss, sample_hard_negatives

__all__ = [
    "IGNORE",
    "gather_with_gradient",
    "itc_loss",
    "itc_similarity",
    "itm_loss",
    "labelled",
    "lm_loss",
    "lm_loss_from_logits",
    "sample_hard_negatives",
    "word_loss",
]
