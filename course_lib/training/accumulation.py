"""One optimiser step on a batch in parts: each has passes of its own, their gradients add up.

mPLUG-Owl accumulates micro-batches of text alone and of text with images, then updates once (arXiv
2304.14178, section 3.2). Each part's loss is a mean over its own labelled words, so a mean over
parts would count a word of the part with fewer words for more; here every labelled word of the
step counts the same, whatever part and process it is in.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import send_to_device
from torch import nn

from course_lib.training.order import seed_everything
from course_lib.training.sharding import (
    average_unshared,
    gradients_wait,
    is_sharded,
    most_of_all,
)
from course_lib.training.stages import Stage
from course_lib.training.throughput import count_items

_RESERVED = {"step", "loss", "learning_rate", "grad_norm", "speed", "eval"}


@dataclass(frozen=True)
class MicroBatches:
    """The parts of one step's batch.

    Args:
        parts: what the model is called with, one after the other.
        words: labelled words of each part: what the mean loss of that part is a mean over.
        seeds: for each part the numbers that chance is seeded with before it, () where chance goes
            on as it is; nothing at all where that holds for every part.

    Raises:
        ValueError: without any part, or where a part has no labelled word.
    """

    parts: Sequence[Mapping]
    words: Sequence[int]
    seeds: Sequence[tuple[int, ...]] = ()

    def __post_init__(self) -> None:
        if not self.parts or len(self.parts) != len(self.words):
            raise ValueError(
                f"A step has {len(self.parts)} parts and {len(self.words)} numbers of words: give "
                "at least one part, and one number for each."
            )
        for number, words in enumerate(self.words, 1):
            if words < 1:
                raise ValueError(
                    f"Part {number} of {len(self.parts)} has no labelled word, and its loss would "
                    "be a mean of nothing: leave the part out."
                )


def backward(
    model: nn.Module, batch: Any, stage: Stage, accelerator: Accelerator
) -> dict[str, torch.Tensor]:
    """Runs the model forward and backward on a batch, part by part where it has parts.

    Gradients are exchanged between processes once, with the last part; processes may have
    different numbers of parts. Where the model is sharded they meet in every pass, so that those
    with fewer parts pass their last one again, with weight 0.

    Args:
        model: prepared by accelerate; called with a batch it gives a scalar loss, or (loss, parts).
        batch: what it is called with, or `MicroBatches`.
        stage: named in errors.
        accelerator: of the model.

    Returns:
        `loss` and its parts by name: of `MicroBatches` such sums that their mean over processes is
        the mean over all labelled words of all processes.

    Raises:
        ValueError: when the model gives no scalar, one that depends on nothing that trains, or
            parts by names of the loop's own.
    """
    if isinstance(batch, MicroBatches):
        values = _in_parts(model, batch, stage, accelerator)
    else:
        values = _values(model, batch, stage, accelerator)
        accelerator.backward(values["loss"])
    if is_sharded(model):
        average_unshared(model)
    return values


def _in_parts(
    model: nn.Module, batch: MicroBatches, stage: Stage, accelerator: Accelerator
) -> dict[str, Any]:
    parts, weights = list(batch.parts), _weights(batch.words, accelerator)
    seeds = list(batch.seeds) or [()] * len(parts)
    if is_sharded(model):
        missing = most_of_all(len(parts)) - len(parts)
        parts, seeds = parts + parts[-1:] * missing, seeds + [()] * missing
        weights = weights + [0.0] * missing
    sums: dict[str, Any] = {}
    for number, (part, weight, seed) in enumerate(zip(parts, weights, seeds, strict=True), 1):
        if seed:
            seed_everything(*seed)
        # The exchange needs the forward pass to know of it, so both stand inside.
        with _exchange(model, accelerator, last=number == len(parts)):
            values = _values(model, part, stage, accelerator)
            accelerator.backward(values["loss"] * weight)
        for name, value in values.items():
            kept = value.detach() if isinstance(value, torch.Tensor) else value
            sums[name] = sums.get(name, 0.0) + kept * weight
    return sums


def _exchange(
    model: nn.Module, accelerator: Accelerator, last: bool
) -> contextlib.AbstractContextManager:
    if last:
        return contextlib.nullcontext()
    return gradients_wait(model) if is_sharded(model) else accelerator.no_sync(model)


def countable(batch: Any) -> Any:
    """Returns what `Throughput` can count: of `MicroBatches` one batch of all images and tokens."""
    if not isinstance(batch, MicroBatches):
        return batch
    counts = [count_items(part) for part in batch.parts]
    images, tokens = (sum(found) for found in zip(*counts, strict=True))
    return {"image_features": range(images), "attention_mask": torch.tensor(tokens)}


def _weights(words: Sequence[int], accelerator: Accelerator) -> list[float]:
    """Returns the share of each part, times the processes, whose gradients DDP averages."""
    total = torch.tensor(float(sum(words)), device=accelerator.device)
    if accelerator.num_processes > 1:
        total = accelerator.reduce(total, reduction="sum")
    return [count * accelerator.num_processes / float(total) for count in words]


def _values(
    model: nn.Module, batch: Any, stage: Stage, accelerator: Accelerator
) -> dict[str, torch.Tensor]:
    if accelerator.device.type != "cpu":
        batch = send_to_device(batch, accelerator.device)
    # A prepared model casts by itself; a sharded one is not prepared.
    with accelerator.autocast() if is_sharded(model) else contextlib.nullcontext():
        output = model(batch)
    loss, parts = output if isinstance(output, tuple) else (output, {})
    if not isinstance(loss, torch.Tensor) or loss.ndim:
        shape = tuple(loss.shape) if isinstance(loss, torch.Tensor) else type(loss).__name__
        raise ValueError(
            f"model(batch) has to give a scalar loss, or (loss, parts): it gave {shape}."
        )
    if not loss.requires_grad:
        raise ValueError(
            f"The loss depends on nothing that stage {stage.name!r} trains ({stage.trainable}): "
            "check the list, or whether the batch uses those modules at all."
        )
    clash = _RESERVED & parts.keys()
    if clash:
        raise ValueError(f"The loss parts {sorted(clash)} use names of the loop: rename them.")
    return {"loss": loss, **parts}
