"""A job on a machine: does it fit, how long does it take, what does it cost, what would help."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from course_lib.planner.assumptions import EFFICIENCY, IMAGES_PER_GPU_SECOND, USABLE_MEMORY
from course_lib.planner.flops import flops_by_part, recomputed
from course_lib.planner.gpus import GPU, GPUS, gpu_of
from course_lib.planner.jobs import Job, jobs_of
from course_lib.planner.memory import Layout, Memory, memory_of

ENOUGH = 4  # samples at a time below which a GPU is badly filled


@dataclass(frozen=True)
class Plan:
    """One stage on GPUs.

    Args:
        job: what is trained.
        gpu: which kind.
        gpus: how many.
        layout: how a step lies on them.
        cached: whether frozen first parts ran once, before.
    """

    job: Job
    gpu: GPU
    gpus: int
    layout: Layout
    cached: bool = False

    @property
    def busy(self) -> int:
        """GPUs that get at least one sample of a batch."""
        return min(self.gpus, self.job.stage.batch_size)

    @property
    def samples_per_gpu(self) -> int:
        """Samples of a batch on the busiest GPU."""
        return math.ceil(self.job.stage.batch_size / self.busy)

    @property
    def memory(self) -> Memory:
        """Bytes on one GPU."""
        return memory_of(self.job.inventory, self.layout, self.busy)

    @property
    def room(self) -> float:
        """Bytes of a GPU that may be filled."""
        return USABLE_MEMORY * self.gpu.memory

    @property
    def fits(self) -> bool:
        """Whether they are enough."""
        return self.memory.total <= self.room

    @property
    def flops_per_sample(self) -> float:
        """By the rule of 6, 4, 2 and 0, without what is recomputed."""
        return sum(flops_by_part(self.job.inventory, self.cached).values())

    @property
    def arithmetic_seconds(self) -> float:
        """Seconds of a step, were nothing but arithmetic in the way."""
        work = self.flops_per_sample
        work += recomputed(self.job.inventory) if self.layout.recomputed else 0.0
        return self.samples_per_gpu * work / (self.gpu.peak * EFFICIENCY)

    @property
    def image_seconds(self) -> float:
        """Seconds of a step, were nothing but reading images in the way."""
        images = 0.0 if self.cached else self.job.text.images
        return self.samples_per_gpu * images / IMAGES_PER_GPU_SECOND

    @property
    def bound(self) -> str:
        """What a step waits for: "arithmetic" or "images"."""
        return "images" if self.image_seconds > self.arithmetic_seconds else "arithmetic"

    @property
    def step_seconds(self) -> float:
        """Seconds of one optimiser step: reading and computing go on at the same time."""
        return max(self.image_seconds, self.arithmetic_seconds)

    @property
    def hours(self) -> float:
        """Hours of the whole stage."""
        return self.job.stage.steps * self.step_seconds / 3600

    @property
    def gpu_hours(self) -> float:
        """Hours times GPUs, idle ones included."""
        return self.hours * self.gpus

    def usd(self, price: float | None = None) -> float | None:
        """Returns the price in USD, None where no price of an hour is known."""
        hourly = self.gpu.usd if price is None else price
        return None if hourly is None else hourly * self.gpu_hours


def plan_job(
    job: Job, gpu: GPU, gpus: int, cached: bool = False, recompute: bool | None = None
) -> Plan:
    """Lays a job out: the fastest layout that fits, or the smallest where none does.

    Args:
        job: one stage.
        gpu: which kind.
        gpus: how many.
        cached: whether what the frozen first parts give was kept.
        recompute: True or False decides it; None lets the planner.

    Raises:
        ValueError: for less than one GPU, or a cache of what trains.
    """
    if gpus < 1:
        raise ValueError(f"{gpus} GPUs were given: choose 1 or more, such as 1, 8 or 16.")
    if cached and job.inventory.reached("vpg.encoder"):
        raise ValueError(
            f"The image encoder of {job.recipe} trains in stage {job.number}: what it gives cannot "
            "be kept, leave --cached out."
        )
    plans = [Plan(job, gpu, gpus, layout, cached) for layout in _layouts(job, gpus, recompute)]
    fitting = [plan for plan in plans if plan.fits]
    if not fitting:
        return plans[-1]
    wanted = min(ENOUGH, plans[0].samples_per_gpu)
    return next((p for p in fitting if p.layout.samples >= wanted), fitting[0])


def _layouts(job: Job, gpus: int, recompute: bool | None) -> Iterator[Layout]:
    """Yields layouts, the fastest first: whole before sharded, kept before recomputed."""
    samples = math.ceil(job.stage.batch_size / min(gpus, job.stage.batch_size))
    sizes = [samples]
    while sizes[-1] > 1 and not job.whole_batch:
        sizes.append(math.ceil(sizes[-1] / 2))
    again = (False, True) if recompute is None else (recompute,)
    for recomputing in again:
        for sharded in (False, True) if gpus > 1 else (False,):
            for size in sizes:
                yield Layout(size, sharded, recomputing)


def plan_recipe(
    recipe: str,
    scale: str,
    gpu: str,
    gpus: int,
    *,
    stage: str = "",
    variant: str = "",
    cached: bool = False,
    steps: int | None = None,
) -> list[Plan]:
    """Plans a recipe, or one stage of it.

    Args:
        recipe: its name.
        scale: "toy", "small" or "a100".
        gpu: name of a kind, see `gpus.GPUS`.
        gpus: how many.
        stage: "1", "2" or "" for all.
        variant: see `jobs_of`.
        cached: see `plan_job`.
        steps: another number of steps than the recipe's.

    Raises:
        ValueError: for a name that is not known, with those that are, or less than one GPU.
    """
    kind = gpu_of(gpu)
    if gpus < 1:
        raise ValueError(f"{gpus} GPUs were given: choose 1 or more, such as 1, 8 or 16.")
    jobs = jobs_of(recipe, scale, variant, stage)
    if steps is not None:
        jobs = [replace(job, stage=job.stage.shortened(steps)) for job in jobs]
    return [plan_job(job, kind, gpus, cached) for job in jobs]


def advice(plan: Plan) -> list[str]:
    """Says what to change where a plan does not fit, or wastes what it has."""
    said = []
    if not plan.gpu.bfloat16:
        said.append(
            f"{plan.gpu.name} has no bfloat16, which is counted here: a run takes float32 there, "
            "twice the bytes at a fraction of this speed. Choose a later GPU."
        )
    if not plan.fits:
        said += _remedies(plan)
    if plan.busy < plan.gpus:
        said.append(f"{plan.busy} of the {plan.gpus} GPUs have work: a batch has no more samples.")
    if plan.fits and plan.bound == "images":
        said.append(
            "The GPUs wait for images: more loader processes"
            + ("." if plan.job.inventory.reached("vpg.encoder") else ", or --cached features.")
        )
    return said


def _remedies(plan: Plan) -> list[str]:
    job, said = plan.job, []
    for gpus in (2**power for power in range(1, 11)):
        if gpus > plan.gpus and plan_job(job, plan.gpu, gpus, plan.cached).fits:
            said.append(f"{gpus} of these GPUs are enough.")
            break
    larger = sorted(GPUS.values(), key=lambda gpu: gpu.memory)
    enough = [gpu for gpu in larger if plan_job(job, gpu, plan.gpus, plan.cached).fits]
    if enough:
        said.append(f"{plan.gpus} × {enough[0].name} would be enough.")
    language = {part.name: part for part in job.inventory.parts}.get("language")
    if language and language.trainable > 0.5 * language.parameters:
        said.append("A LoRA on the language model would train a thousandth of it.")
    if job.whole_batch:
        said.append("A smaller batch fits, but ITC then compares with fewer captions.")
    return said or ["Choose a smaller language model."]
