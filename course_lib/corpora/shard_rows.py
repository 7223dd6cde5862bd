"""Rows of very many shards, wherever they stand: mapped from the disk, the last used ones kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from course_lib.corpora.reading import ShardFile

OPEN = 512  # shards that a process keeps mapped: its lanes × (shards of a buffer + 1) is enough


class ShardRows:
    """Rows of many shards by number.

    Args:
        shards: of `shard_files`, of one split or of several one after the other.
    """

    def __init__(self, shards: Sequence[ShardFile]) -> None:
        self.shards = tuple(shards)
        self._open: OrderedDict[int, Any] = OrderedDict()

    def rows(self, wanted: Sequence[tuple[int, int]]) -> list[dict]:
        """Reads rows.

        Args:
            wanted: (shard, row of it).

        Returns:
            As many rows in the same order, with the columns of `rows.features`; `image` holds
            `bytes` and `path` and is not decoded (`pixels.pixels_of` does that, quickly).

        Raises:
            ValueError: for a shard that holds another number of rows than its data set's index
                says, or cannot be read.
        """
        return [
            row for shard, row in wanted for row in self._shard(shard)[row : row + 1].to_pylist()
        ]

    def _shard(self, number: int) -> Any:
        if number in self._open:
            self._open.move_to_end(number)
            return self._open[number]
        import pyarrow as pa

        shard = self.shards[number]
        try:
            # The table keeps the mapping, and no file is left open.
            with pa.memory_map(str(shard.path)) as source, pa.ipc.open_stream(source) as reader:
                found = reader.read_all()
        except (OSError, ValueError) as error:
            raise ValueError(f"{shard.path} cannot be read ({error}): fetch it again.") from error
        if len(found) != shard.rows:
            raise ValueError(
                f"{shard.path} holds {len(found)} rows and its data set's index says "
                f"{shard.rows}: run the data set's script again."
            )
        self._open[number] = found
        if len(self._open) > OPEN:
            self._open.popitem(last=False)
        return found
