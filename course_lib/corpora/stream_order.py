"""Which row of which shard comes when: arithmetic on (seed, epoch, number), nothing to remember.

A stream is cut into portions of a few rows, and portions are numbered for ever: epoch after epoch,
the same whoever reads them. In each epoch

1. the shards are shuffled and thought of as one long row of rows;
2. that is cut into `lanes` of equal length, each of them some shards that follow one another;
3. in a lane the rows of a `buffer` are shuffled, then those of the next;
4. portions are dealt in turn: the first of every lane, the second of every lane, and so on.

1 and 3 are the two shuffles of `datasets`' `IterableDataset.shuffle`, but a buffer is a place in a
shuffled lane here and not rows in memory, so that none is lost when a process ends. Its price: rows
of two buffers never mix within an epoch. Through 2 and 4 whoever takes every w-th portion opens the
shards of few lanes alone; a batch has rows of many.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch

from course_lib.training.order import derive_seed


class StreamOrder:
    """The order of a stream.

    Args:
        sizes: rows of each shard.
        seed: of both shuffles.
        portion: rows that stay together; batches are made of whole portions.
        buffer: rows that are shuffled together, a multiple of `portion`.
        lanes: see above. At least ranks × workers × portions of a batch, best a multiple of it:
            then nearly every shard is opened by one worker alone. Part of the order, so choose it
            for the largest machine that a run may move to.
        drop_last: leaves out the rows (fewer than `portion`, others in every epoch) that would
            make a last portion shorter. Needed where ranks compare rows, as ITC does.

    Raises:
        ValueError: without a single row to give, or for numbers below 1 or a buffer that does not
            hold whole portions.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        seed: int,
        portion: int = 8,
        buffer: int = 4096,
        lanes: int = 32,
        drop_last: bool = False,
    ) -> None:
        for name, value in (("portion", portion), ("buffer", buffer), ("lanes", lanes)):
            if value < 1:
                raise ValueError(f"{name} is {value}: give a number from 1 on.")
        if buffer % portion:
            raise ValueError(
                f"A buffer of {buffer} rows does not hold whole portions of {portion}: give a "
                "multiple."
            )
        self.sizes, self.seed, self.drop_last = tuple(sizes), seed, drop_last
        self._sizes = np.asarray(self.sizes, dtype=np.int64)
        rows = int(self._sizes.sum())
        self.portions = rows // portion if drop_last else -(-rows // portion)
        if not self.portions:
            least = portion if drop_last else 1
            raise ValueError(
                f"{len(self.sizes)} shards hold {rows} rows: at least {least} are needed."
            )
        self.rows = self.portions * portion if drop_last else rows
        self.portion, self.buffer = portion, buffer
        self.lanes = min(lanes, self.portions)
        self._epochs: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def epoch_of(self, number: int) -> int:
        """Returns the epoch, from 0, in which a portion stands."""
        return number // self.portions

    def portion_of(self, number: int) -> list[tuple[int, int]]:
        """Finds the rows of a portion.

        Args:
            number: of the portion, from 0, in any epoch.

        Returns:
            (shard, row of it), as many as a portion has.
        """
        epoch, place = divmod(number, self.portions)
        turn, lane = divmod(place, self.lanes)
        first, length = self._lane(lane)
        block, start = divmod(turn * self.portion, self.buffer)
        size = min(self.buffer, length - block * self.buffer)
        shuffled = _shuffled(size, derive_seed(self.seed, epoch, lane, block))
        positions = first + block * self.buffer + shuffled[start : start + self.portion]
        shards, ends = self._shards(epoch)
        places = np.searchsorted(ends, positions, side="right")
        rows = positions - ends[places] + self._sizes[shards[places]]
        return list(zip(shards[places].tolist(), rows.tolist(), strict=True))

    def _lane(self, lane: int) -> tuple[int, int]:
        """Returns the first row of a lane in the epoch's sequence, and how many it has."""
        each, more = divmod(self.portions, self.lanes)
        first = (lane * each + min(lane, more)) * self.portion
        return first, min((each + (lane < more)) * self.portion, self.rows - first)

    def _shards(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the shards of an epoch in their order, and where each ends in its sequence."""
        if epoch not in self._epochs:
            shards = _shuffled(len(self.sizes), derive_seed(self.seed, epoch))
            ends = np.cumsum(self._sizes[shards])
            # A batch may reach over into the next epoch, so the last two are kept.
            self._epochs = dict([*self._epochs.items()][-1:])
            self._epochs[epoch] = shards, ends
        return self._epochs[epoch]

    def fingerprint(self, contents: Sequence[str] = ()) -> str:
        """Returns a hash of everything that the order depends on, and of what the shards hold."""
        settings = (self.seed, self.portion, self.buffer, self.lanes, self.drop_last)
        text = repr((settings, self.sizes, tuple(contents)))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@lru_cache(maxsize=512)
def _shuffled(count: int, seed: int) -> np.ndarray:
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(count, generator=generator).numpy()
