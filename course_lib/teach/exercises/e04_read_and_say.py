"""What each kind of host reads, and what it has to say: ids and labels of a batch."""

from types import SimpleNamespace

import torch

from course_lib.data.prompts import pad_rows, training_batch
from course_lib.teach.task import Case, Exercise, Mistake

Rows = list[list[int]]
IdsAndLabels = tuple[torch.Tensor, torch.Tensor]


def read_and_say(
    prompts: list[list[int]], captions: list[list[int]], eos: int, pad: int, encoder_decoder: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns input ids and labels, one row a caption, both padded on the right."""
    said = [[*caption, eos] for caption in captions]
    if encoder_decoder:
        return pad_rows(prompts, pad), pad_rows(said, -100)
    pairs = list(zip(prompts, said, strict=True))
    read = [prompt + answer for prompt, answer in pairs]
    labels = [[-100] * len(prompt) + answer for prompt, answer in pairs]
    return pad_rows(read, pad), pad_rows(labels, -100)


def reference(
    prompts: Rows, captions: Rows, eos: int, pad: int, encoder_decoder: bool
) -> IdsAndLabels:
    """The library's batch."""
    marks = SimpleNamespace(eos_token_id=eos, pad_token_id=pad)
    batch = training_batch(marks, prompts, captions, encoder_decoder)
    return batch["input_ids"], batch["labels"]


def _no_end(prompts, captions, eos, pad, encoder_decoder):
    if encoder_decoder:
        return pad_rows(prompts, pad), pad_rows(captions, -100)
    read = [p + c for p, c in zip(prompts, captions, strict=True)]
    labels = [[-100] * len(p) + c for p, c in zip(prompts, captions, strict=True)]
    return pad_rows(read, pad), pad_rows(labels, -100)


def _loss_on_prompt(prompts, captions, eos, pad, encoder_decoder):
    read, labels = read_and_say(prompts, captions, eos, pad, encoder_decoder)
    if encoder_decoder:
        return read, labels
    rows = [[*p, *c, eos] for p, c in zip(prompts, captions, strict=True)]
    return read, pad_rows(rows, -100)


def _loss_on_padding(prompts, captions, eos, pad, encoder_decoder):
    read, _ = read_and_say(prompts, captions, eos, pad, encoder_decoder)
    said = [[*caption, eos] for caption in captions]
    if not encoder_decoder:
        said = [[-100] * len(p) + answer for p, answer in zip(prompts, said, strict=True)]
    return read, pad_rows(said, pad)


def _padding_by_its_id(prompts, captions, eos, pad, encoder_decoder):
    read, labels = read_and_say(prompts, captions, eos, pad, encoder_decoder)
    return read, labels.masked_fill(labels == pad, -100)


def _shifted(prompts, captions, eos, pad, encoder_decoder):
    read, labels = read_and_say(prompts, captions, eos, pad, encoder_decoder)
    if encoder_decoder:
        return read, labels
    return read, torch.cat([labels[:, 1:], torch.full_like(labels[:, :1], -100)], dim=1)


def _encoder_reads_caption(prompts, captions, eos, pad, encoder_decoder):
    read, _ = read_and_say(prompts, captions, eos, pad, False)
    return read, read_and_say(prompts, captions, eos, pad, encoder_decoder)[1]


def _labels_as_long_as_ids(prompts, captions, eos, pad, encoder_decoder):
    read, _ = read_and_say(prompts, captions, eos, pad, encoder_decoder)
    return read, read_and_say(prompts, captions, eos, pad, False)[1]


def _decoder_reads_no_caption(prompts, captions, eos, pad, encoder_decoder):
    _, labels = read_and_say(prompts, captions, eos, pad, encoder_decoder)
    return pad_rows(prompts, pad), labels


def _cases() -> list[Case]:
    image, bos, eos, pad = 50, 2, 2, 1
    opt, t5 = [image, image, bos], [image, image, 3]  # T5's prompt ends with its own end token
    one, two = [[11, 12]], [[11, 12], [13, 14, 15, 16]]
    opt_prompts, t5_prompts = [opt, [*opt, 8, 9]], [t5, [image, image, 8, 9, 3]]
    return [
        Case("1 caption, a decoder-only model", ([opt], one, eos, pad, False)),
        Case("1 caption, an encoder-decoder", ([t5], one, 3, 0, True)),
        Case("2 captions, a decoder-only model", (opt_prompts, two, eos, pad, False)),
        Case("2 captions, an encoder-decoder", (t5_prompts, two, 3, 0, True)),
        Case("2 captions, the end token pads too", (opt_prompts, two, eos, eos, False)),
    ]


EXERCISE = Exercise(
    objective="04.4",
    title="ids and labels for both hosts",
    difficulty=3,
    minutes=15,
    contract=(
        "`prompts` and `captions` are lists of ids, row by row. A prompt holds the places of the "
        "visual tokens and what else carries no loss; a caption has no end token yet.",
        "Gives `input_ids` and `labels`, both padded on the right by `pad_rows(rows, value)`: the "
        "ids with `pad`, the labels with -100, whatever number `pad` is.",
        "A decoder-only model reads prompt, caption and `eos` and has labels of the same length, "
        "each at the place of its own id: nobody has shifted anything.",
        "With `encoder_decoder`, `input_ids` is what the encoder reads (the prompt is complete, an "
        "end token of its own included), `labels` what the decoder says, with `eos` at its end.",
    ),
    hints=(
        "Write for each host two lines under one another: what it reads, what it has to say. In "
        "one of them the caption stands in both lines, in the other in one line alone.",
        "Put the end behind each caption. Encoder-decoder: ids are the prompts, labels the "
        "captions. Decoder-only: ids are prompt and caption in one row, labels as many -100 as the "
        "prompt is long, then the caption. Pad last.",
        "`[-100] * len(prompt) + [*caption, eos]` is a row of labels. Labels get their own "
        "padding, `pad_rows(labels, -100)`: there is no need to look for `pad` in them, and where "
        "`pad` is `eos` too that would find too much.",
    ),
    solution=read_and_say,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _no_end,
            "a caption ends",
            "there is no end token, and a model that never saw one does not stop",
        ),
        Mistake(
            _loss_on_prompt,
            "the prompt carries no loss",
            "places of visual tokens and the start token have labels: the model would learn to "
            "say them",
        ),
        Mistake(
            _loss_on_padding,
            "padding carries no loss",
            "the labels were padded with a word id, so the model would learn to say padding",
        ),
        Mistake(
            _padding_by_its_id,
            "the end carries loss",
            "padding was looked for by its id, and where the end token has the same id it lost "
            "its label too",
        ),
        Mistake(
            _shifted,
            "a label stands at its own id",
            "the labels were moved by one; the loss will do that, and twice is once too often",
        ),
        Mistake(
            _encoder_reads_caption,
            "the encoder does not read what is to be said",
            "the caption stands in front of the encoder: the decoder would only copy it",
        ),
        Mistake(
            _labels_as_long_as_ids,
            "the decoder has a row of its own",
            "the labels keep room for the prompt, but the decoder never reads the prompt",
        ),
        Mistake(
            _decoder_reads_no_caption,
            "a decoder-only model reads the caption",
            "the caption is missing from the ids: each word is predicted from those before it",
        ),
    ),
)
