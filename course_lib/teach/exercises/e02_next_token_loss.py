"""The loss of a decoder-only language model from its logits and labels."""

import torch
from torch.nn import functional as F
from transformers.loss.loss_utils import ForCausalLMLoss

from course_lib.teach.task import Case, Exercise, Mistake


def next_token_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Returns the mean surprise, a scalar, over all labelled tokens of the batch."""
    predicted, told = logits[:, :-1], labels[:, 1:]
    counts = told != -100
    log_p = predicted[counts].log_softmax(dim=-1)  # (n, V)
    return -log_p.gather(-1, told[counts][:, None]).mean()


def reference(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """transformers' own."""
    return ForCausalLMLoss(logits, labels, logits.shape[-1])


def _unshifted(logits, labels):
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten())


def _backwards(logits, labels):
    return F.cross_entropy(logits[:, 1:].flatten(0, 1), labels[:, :-1].flatten())


def _twice(logits, labels):
    return F.cross_entropy(logits[:, :-2].flatten(0, 1), labels[:, 2:].flatten())


def _minus_100_is_a_word(logits, labels):
    labels = labels.clamp(min=0)
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())


def _row_by_row(logits, labels):
    pairs = zip(logits[:, :-1], labels[:, 1:], strict=True)
    return torch.stack([F.cross_entropy(*pair) for pair in pairs]).mean()


def _over_all_places(logits, labels):
    total = F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), reduction="sum")
    return total / labels[:, 1:].numel()


def _over_the_batch(logits, labels):
    return F.cross_entropy(
        logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), reduction="sum"
    ) / len(labels)


def _summed(logits, labels):
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), reduction="sum")


def _not_negated(logits, labels):
    return -next_token_loss(logits, labels)


def _no_logarithm(logits, labels):
    predicted, told = logits[:, :-1], labels[:, 1:]
    counts = told != -100
    chance = predicted[counts].softmax(dim=-1)
    return 1 - chance.gather(-1, told[counts][:, None]).mean()


def _cases() -> list[Case]:
    chance = torch.Generator().manual_seed(0)

    def logits(*shape: int) -> torch.Tensor:
        return 2 * torch.randn(*shape, generator=chance)

    prompt = torch.tensor([[-100, -100, 3, 1], [-100, 2, 4, -100]])
    padded = torch.tensor([[-100, 1, 0, 5, 2, 3], [-100, -100, 4, -100, -100, -100]])
    return [
        Case("4 labelled tokens", (logits(1, 5, 6), torch.tensor([[-100, 2, 0, 5, 1]]))),
        Case("2 rows, prompts of 2 and 1", (logits(2, 4, 6), prompt)),
        Case("2 rows, one of them short", (logits(2, 6, 6), padded)),
    ]


EXERCISE = Exercise(
    objective="02.4",
    title="the next-token loss",
    difficulty=2,
    minutes=8,
    contract=(
        "`logits` are (B, S, V), `labels` (B, S) with -100 where there is no loss.",
        "`labels[:, t]` is the token at place t itself; the state at t − 1 has to predict it.",
        "Gives a scalar: the mean of −log p over all labelled tokens of the batch together.",
    ),
    hints=(
        "First decide which row of logits belongs to which label. Then find out which labels "
        "count, and only then compute probabilities.",
        "Drop the last logits and the first label: now they stand side by side. Keep the pairs "
        "whose label is not -100. Take the log-softmax, pick the label's entry, average, negate.",
        "`logits[:, :-1]` and `labels[:, 1:]`; a boolean `told != -100` indexes both; "
        "`log_softmax(dim=-1).gather(-1, ids[:, None])` picks one entry a row.",
    ),
    solution=next_token_loss,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _unshifted,
            "place t − 1 predicts token t",
            "there is no shift: each place was asked for the token that it has just read",
        ),
        Mistake(
            _backwards,
            "place t − 1 predicts token t",
            "the shift goes the wrong way: each place was asked for the token before it",
        ),
        Mistake(
            _twice,
            "place t − 1 predicts token t",
            "the shift was done twice, so each place was asked for the token after the next",
        ),
        Mistake(
            _minus_100_is_a_word,
            "-100 carries no loss",
            "-100 was counted as a word of the vocabulary",
        ),
        Mistake(
            _row_by_row,
            "every token counts the same",
            "the mean was taken in each row and then over rows: short rows weigh too much",
        ),
        Mistake(
            _over_all_places,
            "the mean is over labelled tokens",
            "the sum was divided by all places, those without a label included",
        ),
        Mistake(
            _over_the_batch,
            "the mean is over labelled tokens",
            "the sum was divided by the number of rows, so long texts weigh more",
        ),
        Mistake(
            _summed,
            "the mean is over labelled tokens",
            "this is the sum: it was not divided by the number of labelled tokens",
        ),
        Mistake(_not_negated, "the loss is −log p", "the sign is missing: a loss falls as p rises"),
        Mistake(
            _no_logarithm,
            "the loss is −log p",
            "probabilities were averaged without their logarithm",
        ),
    ),
)
