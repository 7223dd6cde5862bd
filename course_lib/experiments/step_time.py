"""How long a training step takes beside another's, on a machine that is busy with other things."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable

from torch import nn


def step_ratio(ours: nn.Module, usual: nn.Module, batches: Iterable[tuple[dict, dict]]) -> float:
    """Returns the processor seconds of one model's step ÷ those of another's.

    A step is forward and backward. The two take turns, and the median counts, since another process
    may slow some of them; the first turn warms up and is not counted.

    Args:
        ours: gives its loss for a batch.
        usual: what it is compared with.
        batches: (of ours, of the usual one), at least two.
    """
    taken = [(_seconds(ours, one), _seconds(usual, other)) for one, other in batches]
    mine, theirs = (statistics.median(times) for times in zip(*taken[1:], strict=True))
    return mine / theirs


def _seconds(model: nn.Module, batch: dict) -> float:
    started = time.process_time()
    model(batch).backward()
    return time.process_time() - started
