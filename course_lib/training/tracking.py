"""Metrics also to TensorBoard or Weights & Biases, while metrics.jsonl stays the record of a run.

Where numbers are shown belongs to a process and not to a run, like the level of a log: it is no
part of the run's record, and a run may go on with another choice. accelerate's trackers write.
"""

from __future__ import annotations

import importlib.util
import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from course_lib.errors import unknown_name_error

NONE, TENSORBOARD, WANDB = LOGS = ("none", "tensorboard", "wandb")
PROJECT, _ID = "multimodal-course", "wandb_id.txt"
_chosen: ContextVar[str] = ContextVar("log", default=NONE)


@contextmanager
def tracking(log: str) -> Iterator[None]:
    """Shows the metrics of all runs that are trained in the block.

    Args:
        log: "tensorboard" (event files below the run's directory), "wandb" or "none".

    Raises:
        ValueError: for another name, or a package that is not installed, with how to install it.
    """
    if log not in LOGS:
        raise unknown_name_error("log", log, LOGS)
    if log != NONE and importlib.util.find_spec(log) is None:
        raise ValueError(
            f"--log {log} needs the package {log}, which is not installed here: run "
            f"`python -m pip install -c constraints.txt {log}`, or leave --log out."
        )
    token = _chosen.set(log)
    try:
        yield
    finally:
        _chosen.reset(token)


class Tracked:
    """The tracker of one run, or none.

    Args:
        run_dir: of the run; a run that is not kept is not shown either.
        record: of the run.
        start: finished steps; what TensorBoard has of later ones is taken back, as metrics.jsonl
            is. Weights & Biases keeps them and passes over their repetition.
    """

    def __init__(self, run_dir: Path | None, record: Mapping[str, Any], start: int = 0) -> None:
        log = _chosen.get() if run_dir is not None else NONE
        self._tracker: Any = None
        if log == NONE or run_dir is None:
            return
        self._tracker = _opened(log, run_dir, record, start)
        self._tracker.start()
        if log == TENSORBOARD:
            shown = f"    {json.dumps(record, indent=1)}".replace("\n", "\n    ")
            self._tracker.writer.add_text("config", shown, start)

    def log(self, row: Mapping[str, Any]) -> None:
        """Shows one row of metrics at its step."""
        if self._tracker is not None:
            self._tracker.log(flat(row), step=row["step"])

    def close(self) -> None:
        """Writes what is left to write."""
        if self._tracker is not None:
            self._tracker.finish()
            self._tracker = None


def flat(row: Mapping[str, Any]) -> dict[str, float]:
    """Names the numbers of a row as trackers group them: "loss", "eval/vqa", "speed/data_wait"."""
    numbers: dict[str, float] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            numbers |= {f"{name}/{key}": number for key, number in flat(value).items()}
        elif name != "step" and isinstance(value, int | float):
            numbers[name] = value
    return numbers


def _opened(log: str, run_dir: Path, record: Mapping[str, Any], start: int) -> Any:
    from accelerate.tracking import TensorBoardTracker, WandBTracker

    if log == TENSORBOARD:
        return TensorBoardTracker(TENSORBOARD, run_dir, purge_step=start + 1)
    how = {"name": run_dir.name, "dir": str(run_dir), "config": dict(record)}
    return WandBTracker(PROJECT, id=_wandb_id(run_dir), resume="allow", **how)


def _wandb_id(run_dir: Path) -> str:
    """Returns the name of a run at Weights & Biases, the same when it goes on."""
    path = run_dir / _ID
    if not path.is_file():
        path.write_text(secrets.token_hex(8) + "\n", encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()
