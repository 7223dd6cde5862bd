"""The recipes at full size on a GPU beside transformers: images and tokens a second, MFU, memory.

    python benchmarks/gpu.py --out benchmarks/results/gpu.json  # on a GPU, under a cap of 80 GB
    python benchmarks/gpu.py                                    # without one: the same code, tiny

The cases are in `_gpu_cases.py`: full architecture with random weights, made on the GPU in bfloat16
(a LoRA in float32). Both sides share parameters, batch and optimiser and take turns. Timed is a
step: forward, back, and a fused AdamW on what trains, whose numbers have the type of the weights.
MFU counts as the planner does (6, 4, 2); work done twice to save memory is not counted.
"""

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import transformers
from _gpu_cases import Case, built, cases, make_batch
from torch import nn

from course_lib.planner.assumptions import USABLE_MEMORY
from course_lib.planner.flops import flops_by_part
from course_lib.planner.gpus import GPUS
from course_lib.planner.inventory import Inventory, take_inventory
from course_lib.planner.memory import activations_of
from course_lib.training.layout import recompute
from course_lib.training.stages import Stage

NOT_RUN = "The GPU part was not run: there is no CUDA device. This was the self-check on the CPU."
RECOMPUTE = ("auto", "always", "never")
_PEAKS = {"A100": "a100-80gb", "H100": "h100-80gb", "H200": "h200-141gb"}


class DoesNotFit(ValueError):
    """A case's rows need more memory than may be filled."""


def inventory_of(ours: nn.Module, case: Case) -> Inventory:
    """Returns what the planner counts; it applies the stage to the model as well."""
    stage = Stage("stage", case.trainable, 1, 1, 1e-4)
    return take_inventory(ours, stage, case.rules(ours, case.text))


def flops_of(ours: nn.Module, case: Case) -> float:
    """Returns the planner's FLOPs of one step."""
    return case.rows * sum(flops_by_part(inventory_of(ours, case)).values())


def bytes_of(ours: nn.Module, case: Case, recomputed: bool) -> float:
    """Estimates the peak of a step: weights, gradients, AdamW's two numbers, activations."""
    held = sum(
        parameter.nbytes * (4 if parameter.requires_grad else 1) for parameter in ours.parameters()
    )
    return held + case.rows * activations_of(inventory_of(ours, case), recomputed)


def is_recomputed(ours: nn.Module, case: Case, wish: str, cap: float) -> bool:
    """Decides about activation checkpointing; "auto" asks for it where rows would not fit.

    Args:
        ours: with the stage applied.
        case: its rows.
        wish: one of `RECOMPUTE`.
        cap: GB that may be allocated.

    Raises:
        DoesNotFit: where the estimate does not fit in any way that the wish allows.
    """
    ways = {"auto": (False, True), "always": (True,), "never": (False,)}[wish]
    needs = {way: bytes_of(ours, case, way) / 1e9 for way in ways}
    for way, need in needs.items():
        if need <= USABLE_MEMORY * cap:
            return way
    raise DoesNotFit(
        f"{case.name}: {case.rows} rows need about {min(needs.values()):.0f} GB, and "
        f"{USABLE_MEMORY * cap:.0f} of {cap:g} GB may be filled: raise --cap or lower the rows."
    )


def loss_of(side: str, model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Returns the loss of one side."""
    if side == "transformers":
        return model(**batch).loss
    found = model(batch)
    return found[0] if isinstance(found, tuple) else found


def timed(step: Callable[[], None], device: str) -> tuple[float, float]:
    """Runs a step: (seconds, peak of allocated memory in bytes)."""
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    step()
    if device == "cuda":
        torch.cuda.synchronize()
    seconds = time.perf_counter() - start
    return seconds, torch.cuda.max_memory_allocated() if device == "cuda" else 0


def shared_adamw(models: list[nn.Module]) -> torch.optim.Optimizer:
    """Makes one fused AdamW for all models: it passes over what has no gradient in a turn.

    At rate 0 it does all its work and moves nothing, so every turn begins with equal weights.
    """
    trained = {id(p): p for model in models for p in model.parameters() if p.requires_grad}
    return torch.optim.AdamW(trained.values(), lr=0.0, fused=True)


def check_losses(case: Case, losses: list[float], device: str) -> None:
    """Compares what the sides gave for one batch.

    Raises:
        RuntimeError: where losses differ, or one is no number.
    """
    if max(losses) - min(losses) <= (0.05 if device == "cuda" else 1e-4):
        return
    raise RuntimeError(f"{case.name}: losses differ or are no numbers: {losses}.")


def measure(
    case: Case,
    full: bool,
    device: str,
    repeats: int,
    peak: float | None,
    wish: str = "auto",
    cap: float = 80,
) -> list[dict]:
    """Measures both sides of a case, in turns behind a warm-up.

    Args:
        case: of `cases`.
        full: whether sizes are the paper's.
        device: "cuda" or "cpu".
        repeats: turns that count.
        peak: of the device, FLOP/s; None leaves MFU out.
        wish: see `is_recomputed`.
        cap: GB.

    Returns:
        A row a side.

    Raises:
        RuntimeError: where losses differ: nothing is timed then.
        DoesNotFit: see `is_recomputed`.
    """
    sides = built(case, full, device)
    again = is_recomputed(sides.ours, case, wish, cap)
    models = {"ours": sides.ours}
    if sides.reference is not None:
        models["transformers"] = sides.reference
    for model in models.values() if again else ():
        recompute(model)
    batch = make_batch(case, sides, device)
    with torch.no_grad():
        losses = [loss_of(side, model, batch).item() for side, model in models.items()]
    check_losses(case, losses, device)
    optimiser = shared_adamw(list(models.values()))

    def step(side: str) -> None:
        loss_of(side, models[side], batch).backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    found: dict[str, list[tuple[float, float]]] = {side: [] for side in models}
    for turn in range(repeats + 1):
        for side, runs in found.items():
            once = timed(lambda side=side: step(side), device)
            runs.extend([once] if turn else [])
    flops = flops_of(sides.ours, case)
    shared = {"case": case.name, "rows": case.rows, "recomputed": again, "cap_gb": cap}
    images, tokens = len(batch["pixel_values"]), batch["input_ids"].numel()
    return [
        {**shared, "side": side, **numbers_of(runs, images, tokens, flops, peak)}
        for side, runs in found.items()
    ]


def numbers_of(
    runs: list[tuple[float, float]], images: int, tokens: int, flops: float, peak: float | None
) -> dict[str, float | None]:
    """Returns what is told of a side: medians over its turns, the largest peak of memory."""
    seconds = statistics.median(run[0] for run in runs)
    return {
        "seconds": seconds,
        "images_per_s": images / seconds,
        "tokens_per_s": tokens / seconds,
        "mfu": flops / seconds / peak if peak else None,
        "peak_memory_gb": max(run[1] for run in runs) / 1e9 or None,
    }


def peak_of(device: str) -> float | None:
    """Returns the GPU's FLOP/s in bfloat16 where the planner knows it, else None."""
    name = torch.cuda.get_device_name() if device == "cuda" else ""
    return next((GPUS[gpu].peak for key, gpu in _PEAKS.items() if key in name), None)


def measure_under_cap(case: Case, full: bool, options: argparse.Namespace) -> list[dict]:
    """Measures a case under the smaller of two caps; one that does not fit is told and left out."""
    device, cap = "cuda" if full else "cpu", min(options.cap, case.cap)
    if full:
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(min(1.0, cap * 1e9 / total))
    repeats = options.repeats if full else min(options.repeats, 2)
    try:
        return measure(case, full, device, repeats, peak_of(device), options.recompute, cap)
    except (DoesNotFit, torch.cuda.OutOfMemoryError) as error:
        return [{"case": case.name, "rows": case.rows, "cap_gb": cap, "not_measured": str(error)}]


def main(words: list[str] | None = None) -> int:
    """Measures every case, prints and keeps the results; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cap", type=float, default=80, help="GB that may be allocated")
    parser.add_argument("--repeats", type=int, default=10, help="turns of each comparison")
    parser.add_argument("--recompute", choices=RECOMPUTE, default="auto", help="checkpointing")
    parser.add_argument("--case", default="", help="only cases whose name holds this")
    parser.add_argument("--out", type=Path, help="file for the results, JSON")
    options = parser.parse_args(words)
    full = torch.cuda.is_available()
    wanted = [case for case in cases(full) if options.case in case.name]
    if options.repeats < 1 or options.cap <= 0 or not wanted:
        parser.error("--repeats has to be at least 1, --cap above 0, --case a part of a name")
    rows = [row for case in wanted for row in measure_under_cap(case, full, options)]
    machine = torch.cuda.get_device_name() if full else platform.machine()
    result = {"gpu": full, "machine": machine, "torch": torch.__version__}
    result |= {"transformers": transformers.__version__, "python": platform.python_version()}
    given = sys.argv[1:] if words is None else words
    result |= {"command": " ".join(["python benchmarks/gpu.py", *given]), "rows": rows}
    print(json.dumps(result, indent=1))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if not full:
        print(NOT_RUN, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
