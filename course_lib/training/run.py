"""A run as the loop sees it: a directory that is opened, gone on with, logged to and saved in."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from course_lib.training import checkpoint
from course_lib.training.metrics import append_metrics, keep_metrics
from course_lib.training.sharded_checkpoint import export_weights, load_shards, save_shards
from course_lib.training.tracking import Tracked


class Run:
    """The record of one training; the main process alone writes.

    Args:
        run_dir: its directory; None keeps nothing on the disk.
        record: what identifies the run: recipe, scale, stage, seed and so on, JSON-able.
        accelerator: tells which process writes.
    """

    def __init__(
        self, run_dir: str | Path | None, record: Mapping[str, Any], accelerator: Accelerator
    ) -> None:
        self.dir = None if run_dir is None else Path(run_dir)
        self.record = json.loads(json.dumps(record))
        self.accelerator = accelerator
        self.rows: list[dict] = []
        self.tracked = Tracked(None, {})

    @property
    def sharded(self) -> bool:
        """Tells whether every process keeps its share in a file of its own."""
        return bool(self.record.get("sharded"))

    @property
    def _writes(self) -> bool:
        return self.dir is not None and self.accelerator.is_main_process

    def open(self, resume: bool) -> None:
        """Starts the directory, or checks that it holds the very run that is to go on.

        Raises:
            ValueError: when there is nothing to resume, when the settings differ, or when a new run
                would overwrite another.
        """
        if self.dir is None:
            if resume:
                raise ValueError("resume=True needs the run_dir of the run that is to go on.")
            return
        if resume:
            check_same_run(checkpoint.read_config(self.dir), self.record, self.dir)
        elif checkpoint.has_run(self.dir) or (self.dir / "model.safetensors").exists():
            raise ValueError(
                f"{self.dir} holds a run already: resume it, or start the new run in another "
                "directory."
            )
        self.accelerator.wait_for_everyone()
        if self._writes and resume:
            checkpoint.remove_leftovers(self.dir)
        elif self._writes:
            checkpoint.write_config(self.dir, self.record)

    def load(
        self, model: nn.Module, trainable: tuple[str, ...], optimizer: torch.optim.Optimizer
    ) -> int:
        """Restores the last checkpoint and cuts the metrics back to it; returns finished steps."""
        if self.dir is None:
            return 0
        load = load_shards if self.sharded else checkpoint.load_checkpoint
        start = load(self.dir, model, trainable, optimizer)
        self.accelerator.wait_for_everyone()
        if self._writes:
            self.rows = keep_metrics(self.dir, start)
        return start

    @contextmanager
    def shown(self, start: int) -> Iterator[None]:
        """Shows elsewhere what is logged in the block, where `tracking` says so."""
        self.tracked = Tracked(self.dir if self._writes else None, self.record, start)
        try:
            yield
        finally:
            self.tracked.close()

    def log(self, row: dict) -> None:
        """Adds one row of metrics."""
        self.rows.append(row)
        if self._writes:
            append_metrics(self.dir, row)
        self.tracked.log(row)

    def save(
        self,
        model: nn.Module,
        trainable: tuple[str, ...],
        optimizer: torch.optim.Optimizer,
        done: int,
        last: bool = False,
    ) -> None:
        """Saves a checkpoint after `done` finished steps; after the last of all, all weights."""
        if self.dir is not None and self.sharded:
            save_shards(self.dir, model, trainable, optimizer, done)
            if last:
                export_weights(self.dir, model, trainable, done, self.record)
        elif self._writes:
            checkpoint.save_checkpoint(self.dir, model, trainable, optimizer, done, self.record)


def parts_of_run(run_dir: str | Path | None, resume: bool, processes: int) -> int:
    """Returns in how many parts each step of a run is: a new one has a part a process."""
    if resume and run_dir is not None:
        return int(checkpoint.read_config(run_dir).get("parts", 1))
    return processes


def check_same_run(old: Mapping[str, Any], new: Mapping[str, Any], run_dir: Path) -> None:
    """Raises a ValueError that names the first setting in which two records of a run differ."""
    old = {**old, **{f"stage.{key}": value for key, value in old.get("stage", {}).items()}}
    new = {**new, **{f"stage.{key}": value for key, value in new.get("stage", {}).items()}}
    for key in sorted((old.keys() | new.keys()) - {"stage", "version"}):
        if old.get(key) != new.get(key):
            raise ValueError(
                f"{run_dir} was started with {key}={old.get(key)!r} and is now to go on with "
                f"{new.get(key)!r}: resume it with the same settings, or start another directory."
            )
