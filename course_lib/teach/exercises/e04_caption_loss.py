"""The loss of a batch of captions, for a decoder-only model and for an encoder-decoder."""

import torch
from torch.nn import functional as F

from course_lib.losses.lm import lm_loss_from_logits
from course_lib.teach.task import Case, Exercise, Mistake


def caption_loss(logits: torch.Tensor, labels: torch.Tensor, encoder_decoder: bool) -> torch.Tensor:
    """Returns the mean of -log p over all labelled words of the batch."""
    if not encoder_decoder:
        logits, labels = logits[:, :-1], labels[:, 1:]
    spoken = labels != -100
    log_p = logits[spoken].log_softmax(dim=-1)  # (labelled words, V)
    return -log_p.gather(1, labels[spoken][:, None]).mean()


def reference(logits: torch.Tensor, labels: torch.Tensor, encoder_decoder: bool) -> torch.Tensor:
    """The library's loss."""
    return lm_loss_from_logits(logits, labels, shift=not encoder_decoder)[0]


def _surprise(logits, labels):
    """Returns (B, S), zero where there is no label."""
    return F.cross_entropy(logits.transpose(1, 2), labels, reduction="none")


def _aligned(logits, labels, encoder_decoder):
    return (logits, labels) if encoder_decoder else (logits[:, :-1], labels[:, 1:])


def _never_shifted(logits, labels, encoder_decoder):
    return caption_loss(logits, labels, True)


def _always_shifted(logits, labels, encoder_decoder):
    return caption_loss(logits, labels, False)


def _shifted_back(logits, labels, encoder_decoder):
    if encoder_decoder:
        return caption_loss(logits, labels, True)
    return caption_loss(logits[:, 1:], labels[:, :-1], True)


def _mean_of_rows(logits, labels, encoder_decoder):
    logits, labels = _aligned(logits, labels, encoder_decoder)
    return (_surprise(logits, labels).sum(dim=1) / (labels != -100).sum(dim=1)).mean()


def _mean_of_places(logits, labels, encoder_decoder):
    return _surprise(*_aligned(logits, labels, encoder_decoder)).mean()


def _total(logits, labels, encoder_decoder):
    return _surprise(*_aligned(logits, labels, encoder_decoder)).sum()


def _ignored_is_word_0(logits, labels, encoder_decoder):
    logits, labels = _aligned(logits, labels, encoder_decoder)
    return _surprise(logits, labels.clamp(min=0)).mean()


def _over_places(logits, labels, encoder_decoder):
    logits, labels = _aligned(logits, labels, encoder_decoder)
    log_p = logits.log_softmax(dim=1)[labels != -100]
    return -log_p.gather(1, labels[labels != -100][:, None]).mean()


def _cases() -> list[Case]:
    chance = torch.Generator().manual_seed(0)

    def logits(rows: int, length: int, words: int) -> torch.Tensor:
        return 2 * torch.randn(rows, length, words, generator=chance)

    off = -100
    one = torch.tensor([[off, off, 2, 0]])
    two = torch.tensor([[off, off, 3, 1, 0, off, off], [off, off, off, 2, 4, 4, 0]])
    said = torch.tensor([[3, 1, 0, off, off], [2, 4, 4, 1, 0]])
    return [
        Case("a decoder-only model, 2 words behind 2 places", (logits(1, 4, 3), one, False)),
        Case("an encoder-decoder, 2 words", (logits(1, 2, 3), one[:, 2:], True)),
        Case("a decoder-only model, rows of 3 and 4 words", (logits(2, 7, 5), two, False)),
        Case("an encoder-decoder, rows of 3 and 5 words", (logits(2, 5, 5), said, True)),
    ]


EXERCISE = Exercise(
    objective="04.4",
    title="the loss, for both hosts",
    difficulty=2,
    minutes=10,
    contract=(
        "`logits` are (B, S, V), `labels` (B, S), -100 where there is no loss.",
        "A decoder-only model's state at $t - 1$ predicts label $t$; with `encoder_decoder` the "
        "state at $t$ predicts label $t$.",
        "Gives a tensor with one number: the mean of $-\\log p$ over all labelled words of the "
        "batch, each counting the same, in whatever row it stands.",
    ),
    hints=(
        "First bring every prediction and the label it is about to the same place. Then the "
        "question is only which places count, and how many there are.",
        "Decoder-only: drop the last prediction, which no label follows, and the first label, "
        "which nothing predicts. Choose the places with a label, from both. Log-softmax over the "
        "vocabulary, pick the number of the right word, take the mean.",
        "`logits[:, :-1]` and `labels[:, 1:]` belong together. With `spoken = labels != -100`, "
        "`logits[spoken]` is (n, V) and `labels[spoken]` (n,), all rows in one, which "
        "`F.cross_entropy` takes as they are.",
    ),
    solution=caption_loss,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _never_shifted,
            "a decoder-only model predicts the next word",
            "each state was asked for the word that it has just read",
        ),
        Mistake(
            _always_shifted,
            "an encoder-decoder needs no shift",
            "labels of the encoder-decoder were shifted, though its decoder has done that at its "
            "input",
        ),
        Mistake(
            _shifted_back,
            "a decoder-only model predicts the next word",
            "the shift goes the wrong way: states are asked for the word before the one they read",
        ),
        Mistake(
            _mean_of_rows,
            "every word counts the same",
            "each row was averaged by itself first, so a word of a short caption counts more",
        ),
        Mistake(
            _mean_of_places,
            "the mean is over labelled words",
            "the sum was divided by all places, those without a label included",
        ),
        Mistake(
            _total,
            "the mean is over labelled words",
            "this is the sum, which grows with the length of the captions",
        ),
        Mistake(
            _ignored_is_word_0,
            "-100 carries no loss",
            "places without a label were taken for places where word 0 is right",
        ),
        Mistake(
            _over_places,
            "the words share the probability",
            "the softmax ran along the text, not over the vocabulary",
        ),
    ),
)
