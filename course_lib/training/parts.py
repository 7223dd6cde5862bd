"""Which batches of a step a process works on: the same step, however many processes share it.

A step has G parts, batches s * G to s * G + G - 1. Of W processes, rank r has parts r * G / W to
(r + 1) * G / W - 1, one after the other where these are several (gradient accumulation). Chance is
seeded by the number of the part and not of the process, and the loss is the mean over all labelled
words of the step: so a run may go on with another number of processes and gives the same losses,
but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from course_lib.training.accumulation import MicroBatches
from course_lib.training.order import seed_everything


def parts_of_each(parts: int, processes: int) -> int:
    """Returns how many parts of a step each process has.

    Raises:
        ValueError: when they cannot be shared evenly.
    """
    if parts < 1 or parts % processes:
        fits = [str(n) for n in range(1, max(parts, 0) + 1) if parts % n == 0]
        raise ValueError(
            f"A step of {parts} parts cannot be shared evenly by {processes} processes: start "
            f"{' or '.join(fits) or 'other'} processes, or a new run of other parts."
        )
    return parts // processes


class Parts:
    """The share that one process has in each step.

    Args:
        model: whose `labelled_words(batch)`, where it has such a method, tells over how many words
            the loss of a batch is a mean. Without it the loss may be one in which the rows of a
            batch meet (a contrastive loss): parts of one process are then joined to one batch, and
            processes count the same.
        batches: from a 0-based number to a batch, or its `MicroBatches`.
        parts: G.
        seed: of the run.
        rank: of the process.
        processes: W.

    Raises:
        ValueError: when W processes cannot share G parts.
    """

    def __init__(
        self,
        model: nn.Module,
        batches: Callable[[int], Any],
        parts: int,
        seed: int,
        rank: int,
        processes: int,
    ) -> None:
        each = parts_of_each(parts, processes)
        self.count_words = getattr(model, "labelled_words", None)
        self.batches, self.parts, self.seed, self.processes = batches, parts, seed, processes
        self.own = range(rank * each, (rank + 1) * each)

    def fetch(self, step: int) -> Any:
        """Returns this process's batch of a 0-based step, a `MicroBatches` where it has parts."""
        found = []
        for part in self.own:
            seed_everything(self.seed, step, part, 0)
            found.append(self.batches(step * self.parts + part))
        if len(found) == 1 and (self.processes == 1 or self._counts_itself(found[0])):
            return found[0]
        if self.count_words is None and not isinstance(found[0], MicroBatches):
            return joined(found)
        return self._in_parts(found, step)

    def seed_passes(self, step: int) -> None:
        """Seeds chance for the passes of a step, or for the first of them."""
        seed_everything(self.seed, step, self.own[0], 1)

    def _counts_itself(self, batch: Any) -> bool:
        return isinstance(batch, MicroBatches) or self.count_words is None

    def _in_parts(self, found: Sequence[Any], step: int) -> MicroBatches:
        parts: list[Mapping] = []
        words: list[int] = []
        seeds: list[tuple[int, ...]] = []
        for part, batch in zip(self.own, found, strict=True):
            if not isinstance(batch, MicroBatches):
                batch = MicroBatches([batch], [self.count_words(batch)])
            parts += batch.parts
            words += batch.words
            seeds += [(self.seed, step, part, 1), *[()] * (len(batch.parts) - 1)]
        return MicroBatches(parts, words, seeds)


def joined(batches: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Puts batches into one, rows below rows; shorter texts are filled up on the right.

    Args:
        batches: dicts of tensors whose first axis counts rows or images; `input_ids`,
            `attention_mask` and `labels` are (B, S). What a batch does not have, the others may.

    Returns:
        The same keys; filled up with 0, which the mask hides, and labels with -100.
    """
    batches = [_masked(batch) for batch in batches]
    keys = dict.fromkeys(key for batch in batches for key in batch)
    whole = {}
    for key in keys:
        tensors = [batch[key] for batch in batches if key in batch]
        if key in ("input_ids", "attention_mask", "labels"):
            longest = max(tensor.shape[1] for tensor in tensors)
            fill = -100 if key == "labels" else 0
            tensors = [
                nn.functional.pad(tensor, (0, longest - tensor.shape[1]), value=fill)
                for tensor in tensors
            ]
        whole[key] = torch.cat(tensors)
    return whole


def _masked(batch: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
    """Gives a batch of texts the mask that it leaves out, before it is filled up."""
    if "input_ids" not in batch or "attention_mask" in batch:
        return batch
    return {**batch, "attention_mask": torch.ones_like(batch["input_ids"])}
