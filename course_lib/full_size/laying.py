"""How a training at full size lies on processes: parts of a step, precision, recomputation.

The batch of a recipe is that of all processes together. A step of B rows in G parts has B / G rows
a part; G is one a process, or more where `--micro` says how many rows fit into one pass.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
from accelerate import Accelerator

from course_lib.training.checkpoint import read_config
from course_lib.training.layout import Layout
from course_lib.training.stages import Stage

_BF16 = (8, 0)  # compute capability from which GPUs multiply in bfloat16; a T4 has 7.5


def accelerator_here() -> Accelerator:
    """Returns accelerate's view of this process, one of those that its launcher started.

    Precision is what `accelerate launch` was told; without it bfloat16 on a GPU that has it.
    """
    on_gpu = torch.cuda.is_available()
    told = os.environ.get("ACCELERATE_MIXED_PRECISION")
    usual = "bf16" if on_gpu and torch.cuda.get_device_capability() >= _BF16 else "no"
    return Accelerator(cpu=not on_gpu, mixed_precision=None if told else usual)


def frozen_dtype(accelerator: Accelerator) -> torch.dtype:
    """Returns what frozen weights are kept in: half of the bytes where the passes are bfloat16."""
    return torch.bfloat16 if accelerator.mixed_precision == "bf16" else torch.float32


def layout_of(
    stage: Stage,
    accelerator: Accelerator,
    *,
    micro: int | None = None,
    recompute: bool = False,
    resumed: Path | None = None,
    whole: bool = False,
) -> Layout:
    """Divides a step into parts.

    Args:
        stage: whose batch is divided.
        accelerator: knows the number of processes.
        micro: most rows of a pass; None passes all that a process has at once.
        recompute: see `Layout`.
        resumed: a run that goes on, whose parts stay what they were.
        whole: True where rows are compared (ITC), so that a process cannot pass fewer at a time.

    Raises:
        ValueError: where the batch cannot be shared evenly, or passes cannot be smaller.
    """
    world, batch = accelerator.num_processes, stage.batch_size
    if resumed is not None:
        parts = int(read_config(resumed).get("parts", 1))
    else:
        parts = _parts(batch, world, micro, whole)
    dtype = frozen_dtype(accelerator)
    frozen = None if dtype == torch.float32 else dtype
    return Layout(parts=parts, recompute=recompute, frozen_dtype=frozen)


def _parts(batch: int, world: int, micro: int | None, whole: bool) -> int:
    if batch % world:
        fits = [str(n) for n in range(1, min(batch, 64) + 1) if batch % n == 0]
        raise ValueError(
            f"A batch of {batch} cannot be shared evenly by {world} processes: start "
            f"{', '.join(fits)} of them."
        )
    if micro is None:
        return world
    if micro < 1:
        raise ValueError(f"--micro {micro} is below 1: say how many rows a pass may have.")
    if whole and micro < batch // world:
        raise ValueError(
            f"--micro {micro}: this stage compares the rows of a batch with each other, so that a "
            f"process passes all of its {batch // world} at once. Start more processes."
        )
    return next(n for n in range(world, batch + 1, world) if batch % n == 0 and batch // n <= micro)
