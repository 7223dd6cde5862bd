"""What the decoder of a T5 reads while it is trained to say its labels."""

import torch
from transformers import T5Config, T5ForConditionalGeneration

from course_lib.teach.task import Case, Exercise, Mistake


def decoder_reads(labels: torch.Tensor, start: int, pad: int) -> torch.Tensor:
    """Returns (B, T) ids: the labels one place later, with a start token in front."""
    first = torch.full_like(labels[:, :1], start)
    reads = torch.cat([first, labels[:, :-1]], dim=1)
    return reads.masked_fill(reads == -100, pad)


def reference(labels: torch.Tensor, start: int, pad: int) -> torch.Tensor:
    """transformers' own."""
    config = T5Config(
        vocab_size=99,
        d_model=4,
        d_kv=2,
        d_ff=4,
        num_layers=1,
        num_heads=2,
        decoder_start_token_id=start,
        pad_token_id=pad,
    )
    with torch.device("meta"):  # no weights are needed
        model = T5ForConditionalGeneration(config)
    return model.prepare_decoder_input_ids_from_labels(labels)


def _labels_themselves(labels, start, pad):
    return labels.masked_fill(labels == -100, pad)


def _to_the_left(labels, start, pad):
    last = torch.full_like(labels[:, :1], start)
    reads = torch.cat([labels[:, 1:], last], dim=1)
    return reads.masked_fill(reads == -100, pad)


def _too_long(labels, start, pad):
    reads = torch.cat([torch.full_like(labels[:, :1], start), labels], dim=1)
    return reads.masked_fill(reads == -100, pad)


def _start_over_the_first(labels, start, pad):
    reads = labels.masked_fill(labels == -100, pad)
    reads[:, 0] = start
    return reads


def _round_the_corner(labels, start, pad):
    reads = labels.roll(1, dims=1)
    return reads.masked_fill(reads == -100, pad)


def _minus_100_stays(labels, start, pad):
    return torch.cat([torch.full_like(labels[:, :1], start), labels[:, :-1]], dim=1)


def _cases() -> list[Case]:
    padded = torch.tensor([[7, 5, 9, 1], [8, 1, -100, -100]])
    return [
        Case("3 labels", (torch.tensor([[7, 5, 1]]), 3, 0)),
        Case("2 rows, one of them short", (padded, 3, 0)),
        Case("a start token that is the padding", (padded, 0, 0)),
    ]


EXERCISE = Exercise(
    objective="02.5",
    title="what T5's decoder reads",
    difficulty=1,
    minutes=5,
    contract=(
        "`labels` are (B, T): the tokens that the decoder has to say, -100 behind short rows.",
        "Gives (B, T) ids such that place t reads the token before label t; place 0 reads `start`.",
        "-100 is no token: where it would be read, `pad` is read.",
    ),
    hints=(
        "While it says a token the decoder may know the tokens before it and not the token itself. "
        "So everything moves one place to the right.",
        "Put a column of `start` in front, drop the last column, then replace what is -100.",
        "`torch.full_like(labels[:, :1], start)` is the column, `labels[:, :-1]` the rest, "
        "`torch.cat([…, …], dim=1)` joins them and `masked_fill` replaces.",
    ),
    solution=decoder_reads,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _labels_themselves,
            "place t reads the token before label t",
            "nothing was moved: the decoder reads the very token that it has to say",
        ),
        Mistake(
            _to_the_left,
            "place t reads the token before label t",
            "the labels moved to the left: the decoder reads what comes after",
        ),
        Mistake(_too_long, "T places", "the last label was kept, so there is one place too many"),
        Mistake(
            _start_over_the_first,
            "place t reads the token before label t",
            "the start token was written over the first one, and the others did not move",
        ),
        Mistake(
            _round_the_corner,
            "place 0 reads the start token",
            "the last token came in at the front: `roll` goes round the corner",
        ),
        Mistake(
            _minus_100_stays,
            "-100 is no token",
            "-100 was left in, and the embedding table has no such row",
        ),
    ),
)
