"""A whole data set in the one format: its splits, how they were made, and what was left out.

`ROWS/SPLIT/plan.json` is written first and says with which settings the split was begun; a later
run may raise the limit and change nothing else. `ROWS/dataset.json` is written last: it lists every
shard with its checksum, and without it the folder counts as unfinished.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from course_lib.corpora.pictures import Source
from course_lib.corpora.rows import VERSION, Bad, Row
from course_lib.corpora.shards import Settings, Shard, shard_path, write_split
from course_lib.downloads.inside import make_folder, write_synced
from course_lib.downloads.marker import Finished
from course_lib.downloads.remote import Card
from course_lib.errors import atomic_path

PLAN, INDEX = "plan.json", "dataset.json"


@dataclass(frozen=True)
class Split:
    """A split that is to be written.

    Args:
        name: "train", "val", ….
        rows: called once; what it gives has to be the same every time.
        source: of its pictures.
        total: how many rows there are, for a progress bar; None where nobody knows.
    """

    name: str
    rows: Callable[[], Iterable[Row | Bad]]
    source: Source
    total: int | None = None


def write_corpus(
    card: Card,
    splits: Sequence[Split],
    data: Path,
    name: str,
    settings: Settings,
    *,
    limit: int | None = None,
    files: Mapping[str, Finished] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> dict:
    """Writes all splits, or what is missing of them.

    Args:
        card: of the data set.
        splits: see `Split`.
        data: the data folder.
        name: of the folder for the rows, below the data folder ("coco/rows/2017").
        settings: of the shards.
        limit: rows of each split, from its beginning; None takes all.
        files: what they were made of.
        say: told a line for each shard.

    Returns:
        What `dataset.json` says; splits of earlier runs stay in it.

    Raises:
        ValueError: for a folder that was begun with other settings or a higher limit.
    """
    folder = make_folder(data, name)
    found: dict[str, dict] = {}
    for split in splits:
        rows = _first(split.rows(), limit)
        total = split.total if limit is None else min(limit, split.total or limit)
        where = make_folder(data, f"{name}/{split.name}")
        _plan(where, settings, limit)
        shards = write_split(rows, split.source, where, settings, total=total, say=say)
        found[split.name] = {"limit": limit, "longest": settings.longest, **_about(shards)}
    before = _before(folder)
    index = {
        "name": name,
        "title": card.title,
        "licence": card.licence,
        "page": card.page,
        "version": VERSION,
        "files": {
            **before.get("files", {}),
            **{path: note.sha256 for path, note in (files or {}).items()},
        },
        "splits": {**before.get("splits", {}), **found},
    }
    write_synced(folder / INDEX, json.dumps(index, indent=1) + "\n")
    return index


def _before(folder: Path) -> dict:
    try:
        found = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if found.get("version") == VERSION else {}


def _first(rows: Iterable[Row | Bad], limit: int | None) -> Iterable[Row | Bad]:
    for number, row in enumerate(rows):
        if number == limit:
            return
        yield row


def _plan(folder: Path, settings: Settings, limit: int | None) -> None:
    """Notes how the folder is made, or holds that against how it was begun."""
    path = folder / PLAN
    plan = {
        "version": VERSION,
        "rows": settings.rows,
        "longest": settings.longest,
        "limit": limit,
    }
    if path.is_file():
        old = json.loads(path.read_text(encoding="utf-8"))
        fewer = limit is not None and (old["limit"] is None or limit < old["limit"])
        other = [key for key in ("version", "rows", "longest") if old[key] != plan[key]]
        if fewer or other:
            said = ", ".join(f"{key} {old[key]}" for key in (*other, *(["limit"] * fewer)))
            raise ValueError(
                f"{folder} was begun with {said}: say the same, or choose another --data folder."
            )
    with atomic_path(path) as unfinished:
        unfinished.write_text(json.dumps(plan) + "\n", encoding="utf-8")


def _about(shards: Sequence[Shard]) -> dict:
    dead: Counter[str] = Counter()
    for shard in shards:
        dead.update(shard.dead)
    later = Counter(reason for shard in shards for reason in shard.later.values())
    return {
        "listed": sum(shard.covers for shard in shards),
        "rows": sum(shard.count for shard in shards),
        "left_out": dict(sorted(dead.items())),
        "another_time": dict(sorted(later.items())),
        "shards": [
            {
                "file": shard_path(Path(), number).name,
                "rows": shard.count,
                "size": shard.size,
                "sha256": shard.sha256,
            }
            for number, shard in enumerate(shards)
        ],
    }


def told(index: dict) -> list[str]:
    """Returns what a run has to say at its end, a line for each split and each reason."""
    lines = []
    for name, split in index["splits"].items():
        shards = len(split["shards"])
        count = f"{split['rows']:,} rows of {split['listed']:,} in {shards} shards"
        lines.append(f"{index['name']}/{name}: {count}")
        for reason, count in split["left_out"].items():
            lines.append(f"  left out {count:,}: {reason}")
        for reason, count in split["another_time"].items():
            lines.append(f"  left out for now {count:,}: {reason} (the same command tries again)")
    return lines
