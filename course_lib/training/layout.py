"""How a training lies on processes and in memory: parts, shards, recomputation, frozen in bfloat16.

A layout changes no loss but by rounding, and by what a type of fewer bits loses.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from accelerate import Accelerator
from torch import nn
from torch.utils.checkpoint import checkpoint

from course_lib.training.sharding import own_blocks, shard, transformer_blocks


@dataclass(frozen=True)
class Layout:
    """How a training lies on processes and in memory.

    Args:
        parts: batches of a step, all processes together; more than there are processes accumulate
            gradients. None is one a process, or what the run that is resumed was started with.
        sharded: FSDP2 instead of copies (DDP), and checkpoints of one file a process. One process
            can go on with such a run, too.
        recompute: keeps only the inputs of each block, of the transformers models and of the parts
            that are the course's own, and computes their activations again on the way back
            (activation checkpointing).
        frozen_dtype: what frozen parameters are stored in, torch.bfloat16 for instance, while those
            that train stay float32; needs mixed_precision="bf16". None leaves them alone.
    """

    parts: int | None = None
    sharded: bool = False
    recompute: bool = False
    frozen_dtype: torch.dtype | None = None

    def record(self) -> dict[str, int | bool | str]:
        """Returns what a run directory has to say of it: what is not as usual."""
        several = self.parts is not None and self.parts > 1
        found: dict[str, int | bool | str] = {"parts": self.parts} if several else {}
        if self.sharded:
            found["sharded"] = True
        if self.frozen_dtype is not None:
            found["frozen_dtype"] = str(self.frozen_dtype).removeprefix("torch.")
        return found


def as_launched(layout: Layout, environment: Mapping[str, str] = os.environ) -> Layout:
    """Adds to a layout what `accelerate launch` was told: FSDP, and activation checkpointing.

    On a CPU accelerate takes copies (DDP) where FSDP was asked for, and says nothing; here the
    model is sharded wherever that was asked for.
    """
    if environment.get("ACCELERATE_USE_FSDP", "false").lower() not in ("true", "1"):
        return layout
    again = environment.get("FSDP_ACTIVATION_CHECKPOINTING", "false").lower() in ("true", "1")
    return replace(layout, sharded=True, recompute=layout.recompute or again)


def lay_out(
    model: nn.Module, layout: Layout, accelerator: Accelerator
) -> tuple[Callable[[], None], bool]:
    """Does to a model, whose stage is applied, what its layout says.

    Returns:
        (what takes recomputation away again, whether the model is sharded now).

    Raises:
        ValueError: for frozen parts in half precision without mixed precision, whose layers could
            not read each other; or without any block to recompute.
    """
    if layout.frozen_dtype is not None:
        if accelerator.mixed_precision != "bf16":
            raise ValueError(
                f"frozen_dtype={layout.frozen_dtype} stands beside mixed_precision="
                f"{accelerator.mixed_precision!r}, and layers of two types would meet: use "
                "Accelerator(mixed_precision='bf16')."
            )
        store_frozen(model, layout.frozen_dtype)
    undo = recompute(model) if layout.recompute else _nothing
    sharded = layout.sharded and accelerator.num_processes > 1
    if sharded:
        shard(model, accelerator.device, accelerator.num_processes)
    return undo, sharded


def store_frozen(model: nn.Module, dtype: torch.dtype) -> int:
    """Stores all parameters that do not train in another type, in place and for good.

    Buffers stay as they are: tables of positions lose what they are for in bfloat16.

    Args:
        model: with a stage applied.
        dtype: a floating-point type.

    Returns:
        How many bytes that saved.
    """
    saved = 0
    for parameter in model.parameters():
        if not parameter.requires_grad and parameter.is_floating_point():
            before = parameter.data
            parameter.data = before.to(dtype)
            saved += before.nbytes - parameter.data.nbytes
    return saved


def recompute(model: nn.Module) -> Callable[[], None]:
    """Lets all blocks compute their activations again on the way back.

    These are the blocks of the transformers models, and the layers of a Q-Former, an abstractor, a
    resampler or gated cross-attention. transformers' own switch does nothing for a module in eval
    mode, and a frozen language model is in eval mode while gradients flow through it.

    Returns:
        What takes it away again.

    Raises:
        ValueError: when there is no such block.
    """
    blocks = [*transformer_blocks(model), *own_blocks(model)]
    if not blocks:
        raise ValueError("recompute=True finds no row of blocks in this model: leave it out.")
    for block in blocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)

    def undo() -> None:
        for block in blocks:
            vars(block).pop("forward", None)

    return undo


def _nothing() -> None:
    pass
