"""Throughput: how many images and tokens a second, and how much of the time was spent waiting."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch


def count_items(batch: object) -> tuple[int, int]:
    """Counts the images and the tokens of a batch.

    Args:
        batch: a dictionary that may hold `pixel_values` or `image_features` (first axis: images)
            and `attention_mask` (B, S) or `input_ids` (B, S). Padding is not counted as tokens.

    Returns:
        (images, tokens); what the batch does not hold counts 0.
    """
    if not isinstance(batch, Mapping):
        return 0, 0
    visual = batch.get("pixel_values", batch.get("image_features"))
    images = len(visual) if visual is not None else 0
    if batch.get("attention_mask") is not None:
        return images, int(batch["attention_mask"].sum())
    ids = batch.get("input_ids")
    return images, ids.numel() if ids is not None else 0


class Throughput:
    """A stopwatch for the training loop: wall time apart for data and for computing."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Starts a new window of measurement."""
        self._data = self._compute = 0.0
        self._steps = self._images = self._tokens = 0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Counts the block's wall time as waiting for data."""
        start = time.perf_counter()
        yield
        self._data += time.perf_counter() - start

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Counts the block's wall time as computing; on a GPU, synchronise at its end."""
        start = time.perf_counter()
        yield
        self._compute += time.perf_counter() - start

    def add(self, batch: object) -> None:
        """Adds one step and what `count_items` finds in its batch."""
        images, tokens = count_items(batch)
        self._steps += 1
        self._images += images
        self._tokens += tokens

    def report(self) -> dict[str, float]:
        """Returns the window's rates per second of this process, rounded to four digits.

        Keys: `steps_per_s`; `images_per_s` and `tokens_per_s` where the batches hold any;
        `data_wait`, the share (0 to 1) of the time spent waiting; `peak_memory_gb` (10^9 bytes) on
        a GPU. Times are wall-clock: they differ from run to run.
        """
        seconds = max(self._data + self._compute, 1e-9)
        rates = {"steps_per_s": self._steps / seconds, "data_wait": self._data / seconds}
        if self._images:
            rates["images_per_s"] = self._images / seconds
        if self._tokens:
            rates["tokens_per_s"] = self._tokens / seconds
        if torch.cuda.is_available():
            rates["peak_memory_gb"] = torch.cuda.max_memory_allocated() / 1e9
        return {name: float(f"{value:.4g}") for name, value in rates.items()}
