"""A run as the loop sees it: a directory that is opened, gone on with, logged to and saved in."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from course_lib.training import checkpoint
from course_lib.training.metrics import append_metrics, keep_metrics


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
        start = checkpoint.load_checkpoint(self.dir, model, trainable, optimizer)
        self.accelerator.wait_for_everyone()
        if self._writes:
            self.rows = keep_metrics(self.dir, start)
        return start

    def log(self, row: dict) -> None:
        """Adds one row of metrics."""
        self.rows.append(row)
        if self._writes:
            append_metrics(self.dir, row)

    def save(
        self,
        model: nn.Module,
        trainable: tuple[str, ...],
        optimizer: torch.optim.Optimizer,
        done: int,
    ) -> None:
        """Saves a checkpoint after `done` finished steps."""
        if self._writes:
            checkpoint.save_checkpoint(self.dir, model, trainable, optimizer, done, self.record)


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
