"""Shards of data sets → the batches of this process, step by step, the same after a stop.

`--data` names a folder that `data_scripts` wrote. Several are read as one: their shards are
shuffled together, so that each counts by its number of rows.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from course_lib.corpora.corpus import INDEX
from course_lib.corpora.reading import ShardFile, shard_files
from course_lib.corpora.shard_rows import ShardRows
from course_lib.corpora.stream_order import StreamOrder
from course_lib.corpora.streaming import Make, Stream
from course_lib.training.accumulation import MicroBatches

_TRAIN = ("train", "restval")  # papers train on both of Karpathy's


def shards_of(folders: Sequence[Path]) -> list[ShardFile]:
    """Lists the shards to train on.

    Args:
        folders: each holds a `dataset.json`, itself or once somewhere below.

    Raises:
        ValueError: for no folder, one without a finished data set or with several, or one without
            a split to train on.
    """
    if not folders:
        raise ValueError(
            "Real data is read here: give --data a folder that data_scripts wrote, such as "
            "data/coco/rows/karpathy (several --data are read as one)."
        )
    found = []
    for folder in map(_data_set, folders):
        names = _splits(folder)
        wanted = [name for name in _TRAIN if name in names]
        if not wanted:
            raise ValueError(
                f"{folder} has no split 'train' but {', '.join(names) or 'none'}: run the data "
                "set's script for the split to train on."
            )
        for name in wanted:
            found += shard_files(folder, name)
    return found


def _data_set(folder: Path) -> Path:
    if not folder.is_dir():
        raise ValueError(f"{folder} is no directory: give --data what data_scripts wrote.")
    if (folder / INDEX).is_file():
        return folder
    below = sorted(path.parent for path in folder.rglob(INDEX))
    if len(below) != 1:
        raise ValueError(
            f"{folder} holds {len(below)} finished data sets"
            + (f" ({', '.join(map(str, below[:5]))}): name one of them" if below else "")
            + ("" if below else f" (no {INDEX}): run the data set's script first")
            + ", with one --data for each that is to be read."
        )
    return below[0]


def _splits(folder: Path) -> list[str]:
    try:
        return list(json.loads((folder / INDEX).read_text(encoding="utf-8"))["splits"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{folder / INDEX} is damaged ({error!r}): run the data set's script again."
        ) from error


def by_kind(shards: Sequence[ShardFile]) -> tuple[list[ShardFile], list[ShardFile]]:
    """Parts shards into (those whose first row has a picture, those of text alone)."""
    sets: dict[Path, bool] = {}
    for shard in shards:
        if shard.path.parent not in sets and shard.rows:
            (row,) = ShardRows([shard]).rows([(0, 0)])
            sets[shard.path.parent] = row["image"] is not None
    shown = [shard for shard in shards if sets.get(shard.path.parent, True)]
    return shown, [shard for shard in shards if not sets.get(shard.path.parent, True)]


def fingerprint(shards: Sequence[ShardFile], seed: int) -> str:
    """Returns a hash of what is read and in which order: two runs that share it read the same."""
    return _order(shards, seed).fingerprint([shard.sha256 for shard in shards])


def _order(shards: Sequence[ShardFile], seed: int) -> StreamOrder:
    """Rows one by one, so that a step has the same rows in whatever parts it is read."""
    return StreamOrder([shard.rows for shard in shards], seed, portion=1, drop_last=True)


def batches_of(
    shards: Sequence[ShardFile],
    make: Make,
    rows: int,
    *,
    seed: int,
    parts: int,
    rank: int = 0,
    world: int = 1,
    workers: int = 0,
) -> Stream:
    """Returns the batches of a process, as `training.loop.train` asks for them.

    Args:
        shards: of `shards_of`.
        make: rows and a seed → a batch; see `making`.
        rows: of one part of a step.
        seed: of the order and of everything that `make` draws.
        parts: of a step, all processes together.
        rank: of this process.
        world: number of processes.
        workers: processes that read ahead for this one.

    Raises:
        ValueError: for parts that the processes cannot share.
    """
    if workers:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its threads do not survive forks
    shared = {"rank": rank, "world": world, "parts": parts, "workers": workers}
    return Stream(shards, _order(shards, seed), rows, make=make, **shared)


class Joint:
    """Half of a step is text alone (mPLUG-Owl, section 4.1), in passes of its own.

    Args:
        shown: batches of rows with pictures.
        said: batches of text alone.
        count_words: over how many words the loss of a batch is a mean.
    """

    def __init__(self, shown: Stream, said: Stream, count_words: Callable[[Any], int]) -> None:
        self.streams, self.count_words = (said, shown), count_words

    def __call__(self, index: int) -> MicroBatches:
        """Returns the two batches of an index as parts of one."""
        batches = [stream(index) for stream in self.streams]
        return MicroBatches(batches, [self.count_words(batch) for batch in batches])

    def close(self) -> None:
        """Ends the workers."""
        for stream in self.streams:
            stream.close()
