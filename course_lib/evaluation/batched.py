"""Many prompts put to one model: those of like length together, answers in the order asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from transformers import PreTrainedTokenizerBase

from course_lib.data.prompts import generation_batch
from course_lib.evaluation.toy import BATCH
from course_lib.vlm import VLM, evaluating


def write_behind(
    model: VLM,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[list[int]],
    images: Callable[[list[int]], dict[str, torch.Tensor]],
    longest: int,
) -> list[list[int]]:
    """Returns the ids that a model writes behind each prompt, its end left out.

    Args:
        model: in eval mode or not; generation switches it for itself.
        tokenizer: of its language model.
        prompts: ids of each.
        images: from places in `prompts` to the images of these, in their order; {} for none.
        longest: most words of an answer.
    """
    found: dict[int, list[int]] = {}
    for part, batch in _batches(model, tokenizer, prompts, images):
        written = model.generate(batch, max_new_tokens=longest)
        found |= dict(zip(part, written, strict=True))
    return [found[index] for index in range(len(prompts))]


@torch.no_grad()
def next_logits(
    model: VLM,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[list[int]],
    images: Callable[[list[int]], dict[str, torch.Tensor]],
) -> torch.Tensor:
    """Returns the logits of the word behind each prompt, (N, V), on the CPU.

    Args: as of `write_behind`; decoder-only models alone, since what T5 reads is no beginning.
    """
    found: dict[int, torch.Tensor] = {}
    with evaluating(model):
        for part, batch in _batches(model, tokenizer, prompts, images):
            logits = model.logits(batch)[:, -1].float().cpu()  # padded on the left
            found |= dict(zip(part, logits, strict=True))
    return torch.stack([found[index] for index in range(len(prompts))])


def _batches(
    model: VLM,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[list[int]],
    images: Callable[[list[int]], dict[str, torch.Tensor]],
) -> Iterator[tuple[list[int], dict[str, torch.Tensor]]]:
    """Yields places in `prompts`, those of like length together, and their batch."""
    encoder_decoder, device = model.language.is_encoder_decoder, next(model.parameters()).device
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    for start in range(0, len(order), BATCH):
        part = order[start : start + BATCH]
        asked = [prompts[index] for index in part]
        batch = generation_batch(tokenizer, asked, encoder_decoder) | images(part)
        yield part, {name: tensor.to(device) for name, tensor in batch.items()}
