"""One of two processes that compute loss and gradient of every recipe; torchrun starts it."""

import os
import sys
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import distributed, nn

from course_lib.training import loop
from course_lib.training.accumulation import backward
from course_lib.training.layout import Layout
from course_lib.training.sharding import whole
from tests.gloo_recipes import CASES, Case

LAYOUTS = {
    "copies": Layout(),
    "shards": Layout(sharded=True),
    "parts": Layout(parts=4),
    "shards, parts, recomputed": Layout(parts=4, sharded=True, recompute=True),
}
# Frozen weights and trained ones of a LoRA stand in one block, in two types.
HALF, HALF_LAYOUT = (
    ("mplug_owl stage 2", "minigpt4"),
    Layout(sharded=True, frozen_dtype=torch.bfloat16),
)


def in_half() -> Accelerator:
    """Returns another accelerator, of the same processes."""
    AcceleratorState._reset_state()
    return Accelerator(cpu=True, mixed_precision="bf16")


def loss_and_gradients(
    case: Case, layout: Layout, batches, accelerator: Accelerator, place: str = ""
) -> tuple[dict[str, torch.Tensor], nn.Module]:
    """Does the passes of step 0 as the loop does them; returns loss, gradients and the model."""
    model = case.build()
    trainer = loop._Trainer(model, case.stage(), batches, 3, accelerator, layout)
    batch = trainer.parts.fetch(0)
    trainer.parts.seed_passes(0)
    values = backward(trainer.prepared, batch, trainer.stage, accelerator)
    loss = accelerator.reduce(values["loss"].detach(), reduction="mean")
    found = {"loss": loss}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, f"{place}: {name} has no gradient"
            found[name] = whole(parameter.grad).detach()
    trainer.release()
    return found, model


def shards_of(model: nn.Module) -> dict[str, int]:
    """Returns how many numbers of each tensor this process keeps, where it is sharded."""
    parameters = dict(model.named_parameters())
    return {k: p.to_local().numel() for k, p in parameters.items() if hasattr(p, "to_local")}


def main(folder: Path) -> None:
    accelerator = Accelerator(cpu=True)
    rank = accelerator.process_index
    result = {"world": accelerator.num_processes, "kind": str(accelerator.distributed_type)}
    for name, case in CASES.items():
        for layout_name, layout in LAYOUTS.items():
            place = f"{name}, {layout_name}"
            found, model = loss_and_gradients(case, layout, case.part, accelerator, place)
            result[place] = {"found": found, "shards": shards_of(model)}
    for name in HALF:
        found, model = loss_and_gradients(CASES[name], HALF_LAYOUT, CASES[name].part, in_half())
        types = {str(p.dtype) for p in model.parameters() if not p.requires_grad}
        result[f"{name}, half"] = {"found": found, "types": types}
    torch.save(result, folder / f"{rank}.pt")
    distributed.barrier()
    sys.stdout.flush()
    os._exit(0)  # as in gloo_worker.py


if __name__ == "__main__":
    main(Path(sys.argv[1]))
