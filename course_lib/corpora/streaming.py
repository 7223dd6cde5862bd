"""Streams shards by the hundred thousand: split over ranks and workers, gone on with exactly.

The files are those of `datasets`, mapped from the disk and never whole in memory (by pyarrow, which
opens one seventy times as fast as `Dataset.from_file`); torch's DataLoader runs the workers.
Which row comes when is not left to `IterableDataset`, which in version 5.2

- loses rows of its shuffle buffer when `load_state_dict` goes on, as its documentation says;
- with `split_dataset_by_node` gives ranks unequal numbers of rows (strategy "shards"), on which
  DDP waits for ever, or lets every rank read everything ("auto", where ranks do not divide shards);
- has a state for each worker of each rank that counts what was fetched ahead, needs another
  package's loader to be asked for it, and is taken in silence by another number of ranks.

All three are shown in the tests. `StreamOrder` knows every row by its number instead, so that a
state is one number for all ranks: it may be taken up by other numbers of ranks and workers, with
another batch size, in the middle of a shard.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from course_lib.corpora.reading import ShardFile
from course_lib.corpora.shard_rows import ShardRows
from course_lib.corpora.stream_order import StreamOrder
from course_lib.training.order import derive_seed
from course_lib.training.parts import parts_of_each

Make = Callable[[list[dict], int], Any]


class Stream:
    """The batches of one rank, for ever, or for some epochs.

        order = StreamOrder([shard.rows for shard in shards], seed=0)
        stream = Stream(shards, order, batch_size=64, rank=r, world=8, workers=2)
        for batch in stream: ...; state = stream.state_dict()

    A batch has rows of two epochs where an epoch's end falls into it, so that ranks never run out
    at different steps. The training loop takes a stream as its `batches` and needs no state: a step
    reads the same rows on any number of ranks, as long as parts × batch size stays.

    Args:
        shards: what is read.
        order: in which order; the same on all ranks.
        batch_size: rows of a batch, a multiple of the order's `portion`.
        rank: of this process.
        world: number of ranks.
        parts: batches of a step, all ranks together (`training.layout`); None is one a rank.
        workers: processes that read ahead; 0 reads when a batch is asked for.
        epochs: after so many the stream ends, then possibly a step earlier on some ranks than on
            others, and with a shorter batch; None goes on for ever.
        make: (rows, seed) → batch, called in the worker; rows as they are where None. What is
            random in it has to come from that seed, which is the same whenever and wherever
            these rows are read in this epoch, and another one in the next.

    Raises:
        ValueError: for numbers that do not fit each other; says which.
    """

    def __init__(
        self,
        shards: Sequence[ShardFile],
        order: StreamOrder,
        batch_size: int,
        *,
        rank: int = 0,
        world: int = 1,
        parts: int | None = None,
        workers: int = 0,
        epochs: int | None = None,
        make: Make | None = None,
    ) -> None:
        if batch_size < 1 or batch_size % order.portion:
            raise ValueError(
                f"A batch of {batch_size} rows is not made of whole portions of {order.portion}: "
                "give a multiple, or an order with smaller portions."
            )
        if not 0 <= rank < world:
            raise ValueError(f"Rank {rank} is none of {world} ranks: they count from 0.")
        if tuple(shard.rows for shard in shards) != order.sizes:
            raise ValueError(
                f"The order is one of {len(order.sizes)} shards with {sum(order.sizes)} rows, but "
                f"there are {len(shards)} with {sum(shard.rows for shard in shards)}: make it anew."
            )
        self.order, self.parts, self.workers = order, parts or world, workers
        share = parts_of_each(self.parts, world)
        self.own = range(rank * share, (rank + 1) * share)
        self.each = batch_size // order.portion
        self._end = sys.maxsize if epochs is None else epochs * order.portions
        self._batches = _Batches(ShardRows(shards), order, self.each, self._end, make)
        self._fingerprint = order.fingerprint([shard.sha256 for shard in shards])
        self._running: Iterator | None = None
        self._start = self._given = 0

    @property
    def portions(self) -> int:
        """What all ranks together have given out in whole steps."""
        return self._start + self._given // len(self.own) * self.parts * self.each

    @property
    def epoch(self) -> float:
        """Epochs read so far, a fraction of the last one included."""
        return self.portions / self.order.portions

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> Any:
        if self._running is None:
            loader = DataLoader(
                self._batches,
                batch_size=None,
                sampler=self._firsts(),
                num_workers=self.workers,
                collate_fn=_as_it_is,
                generator=torch.Generator(),  # or it would draw a number from the global one
            )
            self._running = iter(loader)
        batch = next(self._running)
        self._given += 1
        return batch

    def _first(self, given: int) -> int:
        """Returns the first portion of the batch after so many."""
        step, part = divmod(given, len(self.own))
        return self._start + (step * self.parts + self.own[part]) * self.each

    def _firsts(self) -> Iterator[int]:
        firsts = map(self._first, itertools.count(self._given))
        return itertools.takewhile(lambda first: first < self._end, firsts)

    def __call__(self, index: int) -> Any:
        """Returns the batch of an index, as `training.loop.train` counts: step × parts + part.

        Raises:
            ValueError: for a part that is another rank's.
        """
        step, part = divmod(index, self.parts)
        if part not in self.own:
            raise ValueError(
                f"Batch {index} is part {part} of step {step}, and this rank has the parts "
                f"{self.own[0]} to {self.own[-1]} of {self.parts}."
            )
        if index * self.each != self._first(self._given):
            self._go_to(step * self.parts * self.each, self.own.index(part))
        return next(self)

    def state_dict(self) -> dict[str, Any]:
        """Returns where the stream stands, the same on all ranks after the same step.

        Batches count when they were given out, not when a worker has read them, and in whole steps.
        """
        return {"portions": self.portions, "order": self._fingerprint}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on behind a state, also one of other numbers of ranks, workers, rows in a batch.

        Raises:
            ValueError: for the state of other shards or of another order.
        """
        if state["order"] != self._fingerprint:
            raise ValueError(
                f"This state, {state['portions']:,} portions on, is of other shards or of another "
                "order (seed, portion, buffer, lanes, drop_last): go on with the same ones, or "
                "begin a new epoch without the state."
            )
        self._go_to(state["portions"])

    def _go_to(self, portions: int, given: int = 0) -> None:
        self.close()
        self._start, self._given = portions, given

    def close(self) -> None:
        """Ends the workers; what they have read ahead is read again where the stream goes on."""
        self._running = None


class _Batches(Dataset):
    """Batches by the number of their first portion: what a worker of the DataLoader holds."""

    def __init__(
        self,
        shards: ShardRows,
        order: StreamOrder,
        each: int,
        end: int,
        make: Make | None,
    ) -> None:
        self.shards, self.order, self.each, self.end, self.make = shards, order, each, end, make

    def __getitem__(self, first: int) -> Any:
        last = min(first + self.each, self.end)
        wanted = [row for number in range(first, last) for row in self.order.portion_of(number)]
        rows = self.shards.rows(wanted)
        return rows if self.make is None else self.make(rows, derive_seed(self.order.seed, first))


def _as_it_is(batch: Any) -> Any:
    return batch
