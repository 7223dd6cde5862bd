"""Opens what `corpus` wrote: as a `datasets.Dataset` on the disk, or as a stream."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from course_lib.corpora.corpus import INDEX
from course_lib.corpora.rows import VERSION, features
from course_lib.downloads.marker import digests
from course_lib.errors import unknown_name_error


@dataclass(frozen=True)
class ShardFile:
    """A shard of a split that is whole.

    Args:
        path: of the file.
        rows: how many it holds.
        sha256: of the file.
    """

    path: Path
    rows: int
    sha256: str


def shard_files(folder: str | Path, split: str, deep: bool = False) -> list[ShardFile]:
    """Lists the shards of a split that is whole.

    Args:
        folder: that holds `dataset.json`.
        split: its name.
        deep: True also compares checksums.

    Raises:
        ValueError: for a folder that is unfinished or of another version, an unknown split, or a
            shard that is missing, cut short or (deep) changed.
    """
    path = Path(folder) / INDEX
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(
            f"{path} is not there: the data set was not finished. Run its script again."
        ) from None
    if index["version"] != VERSION:
        raise ValueError(f"{path} is of version {index['version']}, not {VERSION}: make it anew.")
    if split not in index["splits"]:
        raise unknown_name_error("split", split, index["splits"])
    files = []
    for shard in index["splits"][split]["shards"]:
        file = Path(folder) / split / shard["file"]
        whole = file.is_file() and file.stat().st_size == shard["size"]
        if not whole or (deep and digests(file)[0] != shard["sha256"]):
            raise ValueError(f"{file} is missing or was changed: run the data set's script again.")
        files.append(ShardFile(file, shard["rows"], shard["sha256"]))
    return files


def open_corpus(folder: str | Path, split: str, streaming: bool = False):
    """Opens a split.

    Args:
        folder: that holds `dataset.json`.
        split: its name.
        streaming: True gives a `datasets.IterableDataset` with one shard a file, which `datasets`
            divides among processes and workers; False a `datasets.Dataset` mapped from the disk.

    Raises:
        ValueError: see `shard_files`.
    """
    import datasets

    files = [str(shard.path) for shard in shard_files(folder, split)]
    if streaming:
        return datasets.load_dataset(
            "arrow", data_files=files, split="train", streaming=True, features=features()
        )
    if not files:
        return datasets.Dataset.from_list([], features=features())
    return datasets.concatenate_datasets([datasets.Dataset.from_file(file) for file in files])


def one_by_one(rows: Iterable[dict]) -> Iterator[dict]:
    """Takes rows apart into questions: each with the image that it is about.

    Yields:
        The question's id, question, choices, answers, extra, and the row's `image`.
    """
    for row in rows:
        for question in row["questions"]:
            yield {**question, "image": row["image"]}
