"""A plan in words for people, and as a dictionary for programs."""

from __future__ import annotations

from course_lib.planner.assumptions import EFFICIENCY, IMAGES_PER_GPU_SECOND
from course_lib.planner.flops import flops_by_part, words_by_part
from course_lib.planner.plan import Plan, advice


def short(number: float) -> str:
    """Writes a count such as 7.12B, 107.13M or 513."""
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.2f}{letter}"
    return f"{number:.0f}"


def lasting(hours: float) -> str:
    """Writes a time such as 6.0 days, 3.5 h, 7 min or 20 s."""
    if hours >= 48:
        return f"{hours / 24:.1f} days"
    if hours >= 1:
        return f"{hours:.1f} h"
    seconds = hours * 3600
    return f"{hours * 60:.0f} min" if seconds >= 99.5 else f"{seconds:.2g} s"


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Puts columns below each other: words to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [word.rjust(width) for word, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([f"  {first.ljust(widths[0])}", *cells]).rstrip())
    return lines


def plan_lines(plan: Plan, price: float | None = None) -> list[str]:
    """Writes one stage: its parts, memory, layout, time, price, and what to change.

    Args:
        plan: of the stage.
        price: USD of a GPU-hour; None takes the list price.
    """
    job = plan.job
    stage, text = job.stage, job.text
    lines = [
        f"stage {job.number}: {stage.steps:,} steps of {stage.batch_size:,} samples",
        *_aligned([("part", "parameters", "train", "counted", "GFLOP a sample"), *_parts(plan)]),
        f"  images a sample: {text.images:g}; words: {text.words + text.decoder:g} ({text.source})",
    ]
    lines += [*_memory_lines(plan), *_time_lines(plan, price)]
    return lines + [f"  change: {said}" for said in advice(plan)]


def _parts(plan: Plan) -> list[tuple[str, ...]]:
    inventory = plan.job.inventory
    work, kinds = (count(inventory, plan.cached) for count in (flops_by_part, words_by_part))
    rows = []
    for part in inventory.parts:
        sizes = (short(part.parameters), short(part.trainable))
        rows.append((part.name, *sizes, kinds[part.name], f"{work[part.name] / 1e9:,.1f}"))
    total = (short(inventory.parameters), short(inventory.trainable))
    return [*rows, ("all", *total, "", f"{plan.flops_per_sample / 1e9:,.1f}")]


def _memory_lines(plan: Plan) -> list[str]:
    memory, layout = plan.memory, plan.layout
    kinds = {
        "weights": memory.weights,
        "gradients": memory.gradients,
        "AdamW": memory.optimiser,
        "activations": memory.activations,
    }
    each = ", ".join(f"{name} {size / 1e9:.1f}" for name, size in kinds.items())
    verdict = "fits" if plan.fits else "does not fit"
    passes = -(-plan.samples_per_gpu // layout.samples)
    states = "spread over the GPUs (FSDP2)" if layout.sharded else "whole on each GPU"
    again = "computed again, block by block" if layout.recomputed else "kept"
    return [
        f"  memory of a GPU, GB: {each}",
        f"  together {memory.total / 1e9:.1f}; may be filled: {plan.room / 1e9:.1f}; {verdict}",
        f"  layout: {passes} × {layout.samples} samples a GPU and step; weights {states}; "
        f"activations {again}",
    ]


def _time_lines(plan: Plan, price: float | None) -> list[str]:
    usd = plan.usd(price)
    cost = "price n/a (--price USD of a GPU-hour)" if usd is None else f"about {usd:,.0f} USD"
    return [
        f"  time: {lasting(plan.step_seconds / 3600)} a step, waiting for {plan.bound}",
        f"  in all: {lasting(plan.hours)}, {plan.gpu_hours:,.1f} GPU-hours, {cost}",
    ]


def report_lines(plans: list[Plan], scale: str, price: float | None = None) -> list[str]:
    """Writes the plan of a recipe, all its stages.

    Args:
        plans: of one recipe on one machine.
        scale: for the heading.
        price: USD of a GPU-hour; None takes the list price.
    """
    first = plans[0]
    gpu = first.gpu
    lines = [
        f"{first.job.recipe} at {scale}, on {first.gpus} × {gpu.name} "
        f"({gpu.peak / 1e12:.0f} TFLOP/s, {gpu.memory / 1e9:.0f} GB each)",
    ]
    for plan in plans:
        lines += ["", *plan_lines(plan, price)]
    lines += [
        "",
        f"assumed: {EFFICIENCY:.0%} of the peak, {IMAGES_PER_GPU_SECOND:.0f} images a second and "
        "GPU (the papers' hours beside ours: course plan --papers)",
    ]
    return lines


def plan_dict(plan: Plan, price: float | None = None) -> dict:
    """Returns everything that `plan_lines` tells, in bytes, seconds, hours and USD."""
    job, memory = plan.job, plan.memory
    work, kinds = (count(job.inventory, plan.cached) for count in (flops_by_part, words_by_part))
    return {
        "stage": job.number,
        "parameters": job.inventory.parameters,
        "trainable": job.inventory.trainable,
        "parts": [
            {
                "name": part.name,
                "parameters": part.parameters,
                "trainable": part.trainable,
                "counted": kinds[part.name],
                "flops_per_sample": work[part.name],
            }
            for part in job.inventory.parts
        ],
        "flops_per_sample": plan.flops_per_sample,
        "memory": {
            "weights": memory.weights,
            "gradients": memory.gradients,
            "optimiser": memory.optimiser,
            "activations": memory.activations,
            "total": memory.total,
            "room": plan.room,
        },
        "layout": {
            "samples": plan.layout.samples,
            "sharded": plan.layout.sharded,
            "recomputed": plan.layout.recomputed,
        },
        "fits": plan.fits,
        "steps": job.stage.steps,
        "batch_size": job.stage.batch_size,
        "step_seconds": plan.step_seconds,
        "bound": plan.bound,
        "hours": plan.hours,
        "gpu_hours": plan.gpu_hours,
        "usd": plan.usd(price),
        "change": advice(plan),
    }


def report_dict(plans: list[Plan], scale: str, price: float | None = None) -> dict:
    """Returns the plan of a recipe, all its stages; see `plan_dict`."""
    first = plans[0]
    return {
        "recipe": first.job.recipe,
        "scale": scale,
        "gpu": first.gpu.name,
        "gpus": first.gpus,
        "fits": all(plan.fits for plan in plans),
        "stages": [plan_dict(plan, price) for plan in plans],
        "assumed": {"efficiency": EFFICIENCY, "images_per_gpu_second": IMAGES_PER_GPU_SECOND},
    }
