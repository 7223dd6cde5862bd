"""Writes rows with their pictures into Arrow shards; a run that was stopped goes on with the next.

A split lies in `ROWS/SPLIT/`: `shard-00000.arrow` (Arrow's stream format, as `datasets` writes it)
and beside it `shard-00000.json`, the finished marker: which rows of the official list it covers,
how many came, why others did not, its size and checksum. A shard without a marker that fits is
written anew; a row that failed for the moment alone (no answer, too busy) is tried once more by
every later run.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from course_lib.corpora.pictures import Picture, Source, checked
from course_lib.corpora.rows import VERSION, Bad, Row, features, record
from course_lib.downloads.inside import write_synced
from course_lib.downloads.marker import digests
from course_lib.downloads.patience import Trouble
from course_lib.errors import atomic_path
from course_lib.training.progress import progress_bar


@dataclass(frozen=True)
class Settings:
    """How shards are written; other settings need another folder.

    Args:
        rows: of the official list in one shard.
        longest: pixels of a picture's longer side, None keeps every file as it came.
        workers: pictures looked for at a time.
    """

    rows: int = 1000
    longest: int | None = None
    workers: int = 16


@dataclass(frozen=True)
class Shard:
    """The finished marker of one shard.

    Args:
        covers: rows of the official list.
        fingerprint: hash of those rows and the settings.
        count: rows in the shard.
        size: of the file in bytes.
        sha256: of the file.
        dead: reason → rows that failed for good.
        later: position in the list → reason, of rows that may come another time.
        kept: positions of the rows in the shard.
    """

    covers: int
    fingerprint: str
    count: int
    size: int
    sha256: str
    dead: dict[str, int] = field(default_factory=dict)
    later: dict[str, str] = field(default_factory=dict)
    kept: list[int] = field(default_factory=list)


class NothingComes(ValueError):
    """Not one picture of a shard came, and each may come another time: the way there is cut."""


def write_split(
    rows: Iterable[Row | Bad],
    source: Source,
    folder: Path,
    settings: Settings,
    *,
    total: int | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> list[Shard]:
    """Writes one split, or what is missing of it.

    Args:
        rows: in the same order every time.
        source: of the pictures.
        folder: of the split.
        settings: how.
        total: how many rows there are, for a progress bar.
        say: told a line for each shard that is written.

    Returns:
        The markers of all shards.

    Raises:
        NothingComes: see there; what was written before is kept.
        OSError: when the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    pool = ThreadPoolExecutor(settings.workers)
    try:
        with progress_bar(folder.name, total or 0) as advance:
            for number, block in enumerate(_blocks(rows, settings.rows)):
                path = shard_path(folder, number)
                found.append(_write_shard(block, source, path, settings, pool, say))
                advance(len(block))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return found


def shard_path(folder: Path, number: int) -> Path:
    """Returns where a shard lies."""
    return folder / f"shard-{number:05d}.arrow"


def read_shard(path: Path) -> Shard | None:
    """Reads the marker of a shard; None where the two do not fit."""
    try:
        shard = Shard(**json.loads(path.with_suffix(".json").read_text(encoding="utf-8")))
        return shard if path.stat().st_size == shard.size else None
    except (OSError, ValueError, TypeError):
        return None


def _blocks(rows: Iterable[Row | Bad], size: int) -> Iterator[list[Row | Bad]]:
    rows = iter(rows)
    while block := list(itertools.islice(rows, size)):
        yield block


def _fingerprint(block: Sequence[Row | Bad], settings: Settings) -> str:
    text = repr((VERSION, settings.longest, block))
    return hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()


def _write_shard(
    block: list[Row | Bad],
    source: Source,
    path: Path,
    settings: Settings,
    pool: ThreadPoolExecutor,
    say: Callable[[str], None],
) -> Shard:
    found, wanted = read_shard(path), _fingerprint(block, settings)
    old: dict[int, dict] = {}
    positions: Iterable[int] = range(len(block))
    dead: Counter[str] = Counter()
    if found is not None and found.fingerprint == wanted:
        if not found.later:
            return found
        old = dict(zip(found.kept, _read_rows(path), strict=True))
        positions, dead = [int(place) for place in found.later], Counter(found.dead)
    made, later = dict(old), {}
    for place, result in pool.map(lambda i: (i, _made(block[i], source, settings)), positions):
        if isinstance(result, dict):
            made[place] = result
        elif result.later:
            later[str(place)] = result.reason
        else:
            dead[result.reason] += 1
    if not made and later and not dead:
        raise NothingComes(
            f"None of {len(later)} pictures came ({Counter(later.values()).most_common(1)[0][0]}): "
            "is the network up? What was written before is kept; the same command goes on."
        )
    kept = sorted(made)
    size, sha256 = _write_rows(path, [made[place] for place in kept])
    shard = Shard(len(block), wanted, len(kept), size, sha256, dict(dead), later, kept)
    write_synced(path.with_suffix(".json"), json.dumps(asdict(shard)) + "\n")
    say(f"written: {path.parent.name}/{path.name}, {len(kept)} of {len(block)} rows")
    return shard


def _made(row: Row | Bad, source: Source, settings: Settings) -> dict | Trouble:
    """Finds the picture of a row; a reason where there is none."""
    if isinstance(row, Bad):
        return Trouble(row.reason)
    if not row.picture:
        return record(row, None, 0, 0)
    try:
        picture: Picture = checked(source(row.picture), settings.longest)
    except Trouble as trouble:
        return trouble
    return record(row, picture.data, picture.width, picture.height)


def _write_rows(path: Path, records: list[dict]) -> tuple[int, str]:
    """Writes a shard under its name when it is whole; returns its size and checksum."""
    import pyarrow as pa

    schema = features().arrow_schema
    with atomic_path(path) as unfinished:
        with pa.OSFile(str(unfinished), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
            # A batch of Arrow holds at most 2 GB of bytes, and a picture 20 MB.
            for start in range(0, len(records), 50):
                batch = pa.RecordBatch.from_pylist(records[start : start + 50], schema=schema)
                writer.write_batch(batch)
        return unfinished.stat().st_size, digests(unfinished)[0]


def _read_rows(path: Path) -> list[dict]:
    import pyarrow as pa

    with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as reader:
        return reader.read_all().to_pylist()
