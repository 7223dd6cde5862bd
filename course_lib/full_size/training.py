"""A stage of a recipe at `small` or `a100`, from places of backbones and shards to a run directory.

On several processes each has its share of every step; the batch of a recipe is that of all of them
together. A run goes on after a stop with the same losses, also with other numbers of processes
that share its parts (`course_lib/training/parts.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from course_lib.corpora.reading import ShardFile
from course_lib.full_size import transfer
from course_lib.full_size.beginning import check_begins
from course_lib.full_size.building import Built, build
from course_lib.full_size.laying import accelerator_here, frozen_dtype, layout_of
from course_lib.full_size.naming import Asked, record_of, stage_of, usual_run
from course_lib.full_size.reading import Joint, batches_of, by_kind, fingerprint, shards_of
from course_lib.full_size.stages import maker_of, samples_of
from course_lib.training.checkpoint import has_run, read_config
from course_lib.training.layout import Layout
from course_lib.training.loop import train


@dataclass(frozen=True)
class How:
    """How a training runs, which changes none of its losses but by rounding.

    Args:
        micro: most rows of a pass; None passes all that a process has.
        workers: processes that read ahead, for each process that trains.
        recompute: computes activations inside blocks a second time instead of keeping them.
        resume: goes on with the run.
        log_every: steps between two rows of metrics.
        save_every: steps between two checkpoints.
        progress: shows a bar in terminals.
        on_step: see `training.loop.train`.
    """

    micro: int | None = None
    workers: int = 0
    recompute: bool = False
    resume: bool = False
    log_every: int = 10
    save_every: int = 500
    progress: bool = True
    on_step: Callable[[int, dict], None] | None = None

    def of_loop(self) -> dict:
        """Returns what the loop itself is told."""
        names = ("resume", "log_every", "save_every", "progress", "on_step")
        return {name: getattr(self, name) for name in names}


def train_full_size(
    asked: Asked,
    data: Sequence[Path],
    out: Path | None = None,
    *,
    steps: int | None = None,
    how: How | None = None,
    accelerator: Accelerator | None = None,
) -> tuple[Path, list[dict]]:
    """Trains a stage on real data.

    Args:
        asked: recipe, scale, stage, backbones.
        data: folders that `data_scripts` wrote.
        out: run directory; None gives it a name in `runs`.
        steps: another number of steps than the recipe's.
        how: layout and logging.
        accelerator: by default what its launcher started.

    Returns:
        (run directory, rows of metrics).

    Raises:
        ValueError: for a backbone that is not on this machine, data of another kind, a batch that
            the processes cannot share, or a run that does not fit.
    """
    how, shards = how or How(), shards_of(data)
    record = _record(asked, shards)
    out = out or usual_run(record)
    _check_run(out, how.resume)
    accelerator = accelerator or accelerator_here()
    stage = stage_of(record, steps)
    layout = layout_of(
        stage,
        accelerator,
        micro=how.micro,
        recompute=how.recompute,
        resumed=out if how.resume else None,
        whole=(asked.recipe, asked.stage) == ("blip2", "1"),
    )
    built = build(record, frozen_dtype(accelerator))
    if (asked.recipe, asked.stage) == ("vpgtrans", "1"):
        transfer.merge_into(built, record, shards, out, accelerator.is_main_process)
    batches = _batches(record, built, shards, layout, stage.batch_size, accelerator, how.workers)
    kept = {"seed": asked.seed, "config": record, "layout": layout, "accelerator": accelerator}
    with closing(batches):
        return out, train(built.model, stage, batches, out, **kept, **how.of_loop())


def _record(asked: Asked, shards: Sequence[ShardFile]) -> dict:
    """Returns the record of a run, with what it begins with and what it reads."""
    record = record_of(asked)
    check_begins(record)
    if (asked.recipe, asked.stage) == ("vpgtrans", "2"):
        record["source"] = read_config(asked.init)["init"]
    return {**record, "data": fingerprint(shards, asked.seed)}


def _check_run(out: Path, resume: bool) -> None:
    """Says what is wrong with a run directory before anything large is opened."""
    if resume:
        read_config(out)
    elif has_run(out):
        raise ValueError(f"{out} holds a run already: add --resume, or give another --out.")


def _batches(
    record: dict,
    built: Built,
    shards: Sequence[ShardFile],
    layout: Layout,
    batch_size: int,
    accelerator: Accelerator,
    workers: int,
) -> Any:
    """Returns step × parts + part → batch, with the share of a part in the recipe's batch."""
    rows = batch_size // layout.parts * samples_of(record)
    shared = {"seed": record["seed"], "parts": layout.parts, "workers": workers}
    shared |= {"rank": accelerator.process_index, "world": accelerator.num_processes}
    make = maker_of(record, built)
    if (record["recipe"], record["stage_number"]) != ("mplug_owl", "2"):
        return batches_of(shards, make, rows, **shared)
    shown, said = by_kind(shards)
    if not shown or not said:
        lacking = "text alone, such as alpaca/rows" if shown else "pictures, such as llava/rows"
        raise ValueError(
            f"Half of a batch is text alone here, half has pictures, and no --data has {lacking}: "
            "name one of each."
        )
    if rows % 2:
        raise ValueError(
            f"A part of {rows} rows has no half: start fewer processes, or give a larger --micro."
        )
    half = [batches_of(kind, make, rows // 2, **shared) for kind in (shown, said)]
    return Joint(*half, built.model.labelled_words)
