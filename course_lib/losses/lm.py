"""Next-word loss: the vocabulary is computed for labelled positions alone.

Letters: B batch, S length, D width, V vocabulary.
"""

from collections.abc import Callable

import torch
from torch import distributed
from torch.nn import functional as F

IGNORE = -100


def lm_loss(
    hidden: torch.Tensor,
    lm_head: Callable[[torch.Tensor], torch.Tensor],
    labels: torch.Tensor,
    label_smoothing: float = 0.0,
    shift: bool = True,
) -> tuple[torch.Tensor, int]:
    """Computes the mean cross-entropy of the next word (BLIP-2, section 3.3; ITG in section 3.2).

    Most positions carry no label (visual tokens, padding, the question), and V is much larger than
    D, so the head runs on the labelled positions only; transformers computes all of them.

    Args:
        hidden: (B, S, D) last states of the language model.
        lm_head: maps (n, D) to logits (n, V).
        labels: (B, S) word ids, -100 = no loss. With `shift`, labels[:, t] is the word AT t, which
            position t - 1 predicts.
        label_smoothing: share of the target spread over all words; LAVIS has 0.1 in ITG.
        shift: False when position t predicts labels[:, t] (decoders of encoder–decoder models).

    Returns:
        (scalar mean over the labelled words, how many they are).

    Raises:
        ValueError: when there is no labelled word at all, or the shapes differ.
    """
    if hidden.shape[:2] != labels.shape:
        raise ValueError(
            f"labels have the shape {tuple(labels.shape)}, the hidden states "
            f"{tuple(hidden.shape[:2])}: give one label (or -100) for each position."
        )
    places, words = labelled(labels, shift)
    logits = lm_head(hidden.reshape(-1, hidden.shape[-1]).index_select(0, places))
    return word_loss(logits, words, label_smoothing), len(places)


def weighed_by_words(mean: torch.Tensor, words: int) -> torch.Tensor:
    """Weighs a process's mean so that the mean over processes is the mean over all their words.

    DDP averages gradients over processes, where a word of a process with fewer words would count
    for more.

    Args:
        mean: scalar, over this process's labelled words.
        words: how many they are.

    Returns:
        Scalar; the mean itself in a single process.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return mean
    total = torch.tensor(float(words), device=mean.device)
    distributed.all_reduce(total)
    return mean * (words * distributed.get_world_size() / float(total))


def labelled(labels: torch.Tensor, shift: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
    """Finds the positions that predict a labelled word.

    Args:
        labels: (B, S), see `lm_loss`.
        shift: see `lm_loss`.

    Returns:
        (positions (n,) in the flattened (B * S), the words (n,) that they should predict).

    Raises:
        ValueError: when there is none.
    """
    if shift:
        labels = F.pad(labels[:, 1:], (0, 1), value=IGNORE)
    flat = labels.reshape(-1)
    places = (flat != IGNORE).nonzero().squeeze(1)
    if len(places) == 0:
        raise ValueError(
            f"None of the {flat.numel()} positions has a label: leave at least one word of the "
            "batch unmasked (the first word of a row has nothing before it to predict it)."
        )
    return places, flat[places]


def word_loss(
    logits: torch.Tensor, words: torch.Tensor, label_smoothing: float = 0.0
) -> torch.Tensor:
    """Computes the mean cross-entropy of logits (n, V) and words (n,), in float32 at least."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return F.cross_entropy(logits, words, label_smoothing=label_smoothing)


def lm_loss_from_logits(
    logits: torch.Tensor, labels: torch.Tensor, label_smoothing: float = 0.0, shift: bool = True
) -> tuple[torch.Tensor, int]:
    """Computes the same loss from all logits (B, S, V), as transformers does; see `lm_loss`."""
    return lm_loss(logits, lambda rows: rows, labels, label_smoothing, shift)
