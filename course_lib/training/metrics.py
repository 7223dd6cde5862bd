"""metrics.jsonl: one JSON object a line, cut back to the checkpoint when a run goes on."""

import json
from pathlib import Path

from course_lib.errors import atomic_path, disk_full_error


def read_metrics(run_dir: str | Path) -> list[dict]:
    """Reads the metrics of a run; a half-written last line (the process was killed) is left out."""
    path = Path(run_dir) / "metrics.jsonl"
    if not path.is_file():
        return []
    *lines, _unfinished = path.read_bytes().split(b"\n")
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(json.loads(line))
        except ValueError:
            raise ValueError(
                f"{path} is damaged in line {number}: delete that line, or start the run again."
            ) from None
    return rows


def keep_metrics(run_dir: str | Path, last_step: int) -> list[dict]:
    """Rewrites metrics.jsonl with the lines up to `last_step` alone, and returns them."""
    rows = [row for row in read_metrics(run_dir) if row["step"] <= last_step]
    with atomic_path(Path(run_dir) / "metrics.jsonl") as path:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return rows


def append_metrics(run_dir: str | Path, row: dict) -> None:
    """Appends one line.

    Raises:
        OSError: when the disk is full; the half-written line is taken back.
    """
    path = Path(run_dir) / "metrics.jsonl"
    size = path.stat().st_size if path.exists() else 0
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    except OSError as error:
        if path.exists():
            with open(path, "rb+") as file:
                file.truncate(size)
        raise (disk_full_error(path, error) or error) from error
