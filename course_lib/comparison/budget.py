"""A budget of samples or of core-seconds, and what of it a contestant spends, stage by stage.

A sample is one row of a batch: a pair, a conversation, a document. Core-seconds are those of the
training steps, batches included; the encoding of frozen features, which all share, is not counted.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from course_lib.errors import unknown_name_error
from course_lib.experiments.stage2_runs import fit
from course_lib.training.accumulation import MicroBatches, countable
from course_lib.training.checkpoint import read_config
from course_lib.training.stages import Stage, apply_stage
from course_lib.training.throughput import count_items
from course_lib.zoo.load import card, zoo_dir

AMOUNTS = {"samples": 20_000, "seconds": 120}  # of one contestant, all its stages together
BUDGETS = tuple(AMOUNTS)
TRIAL, UNTIMED = 15, 3  # steps that tell how long one takes: batches take turns in threes


@dataclass(frozen=True)
class Budget:
    """How much one contestant may spend.

    Args:
        kind: "samples" or "seconds" (core-seconds).
        amount: of these.

    Raises:
        ValueError: for another kind, or an amount that is not above 0.
    """

    kind: str
    amount: float

    def __post_init__(self) -> None:
        if self.kind not in BUDGETS:
            raise unknown_name_error("budget", self.kind, BUDGETS)
        if not self.amount > 0:
            raise ValueError(f"A budget of {self.amount} {self.kind}: give an amount above 0.")


def usual(kind: str) -> Budget:
    """Returns the budget of the comparison.

    Raises:
        ValueError: for an unknown kind.
    """
    if kind not in BUDGETS:
        raise unknown_name_error("budget", kind, BUDGETS)
    return Budget(kind, AMOUNTS[kind])


def inherited_cost(runs: tuple[str, ...]) -> dict[str, float]:
    """Adds up what the runs of the zoo behind an inherited VPG have cost.

    Args:
        runs: zoo names, each stage by its own.

    Returns:
        {samples, seconds}: rows read and core-seconds of training, by their cards.
    """
    samples = seconds = 0.0
    for name in runs:
        steps, batch = card(name)["steps"], read_config(zoo_dir(name))["stage"]["batch_size"]
        samples, seconds = samples + steps * batch, seconds + card(name)["cpu_seconds"]
    return {"samples": samples, "seconds": seconds}


@dataclass
class Ledger:
    """Trains stages within a budget and writes down what each has cost.

    Args:
        budget: of all stages together.
        seed: of order and batches.
        stages: what was spent, one entry a stage.
    """

    budget: Budget
    seed: int
    stages: list[dict[str, Any]] = field(default_factory=list)

    def fit(
        self, model: nn.Module, stage: Stage, share: float, batches: Callable[[int], Any]
    ) -> None:
        """Trains one stage on its share of the budget, in place.

        Args:
            model: see `training.loop.train`.
            stage: of the recipe; its number of steps is replaced, and no longer warm-up than a
                fifth of them stays.
            share: of the budget, 0 to 1.
            batches: the batch of a step.
        """
        steps = self._steps(model, stage, share, batches)
        stage = replace(stage, steps=steps, warmup_steps=min(stage.warmup_steps, steps // 5))
        counts = {"images": 0, "tokens": 0}

        def counted(step: int) -> Any:
            batch = batches(step)
            images, tokens = count_items(countable(batch))
            counts["images"] += images
            counts["tokens"] += tokens
            return batch

        bytes_needed = training_bytes(model, stage, [batches(step) for step in range(3)])
        started = time.process_time()
        log = fit(model, stage, counted, self.seed)
        seconds = time.process_time() - started
        trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        self.stages.append(
            {"stage": stage.name, "trains": list(stage.trainable), "parameters": trained}
            | {"steps": steps, "samples": steps * stage.batch_size, **counts}
            | {"seconds": round(seconds, 2), "bytes": bytes_needed}
            | {"loss": round(log[-1]["loss"], 4)}
        )

    def _steps(
        self, model: nn.Module, stage: Stage, share: float, batches: Callable[[int], Any]
    ) -> int:
        amount = share * self.budget.amount
        if self.budget.kind == "samples":
            return max(1, round(amount / stage.batch_size))
        times: list[float] = []
        trial = replace(stage, steps=TRIAL, warmup_steps=min(stage.warmup_steps, TRIAL))
        told = {"log_every": 1, "on_step": lambda step, row: times.append(time.process_time())}
        fit(copy.deepcopy(model), trial, batches, self.seed, **told)
        one = (times[-1] - times[UNTIMED - 1]) / (TRIAL - UNTIMED)
        return max(1, math.floor(amount / one))

    def cost(self) -> dict[str, float]:
        """Returns what all stages together have cost.

        Returns:
            samples, images, tokens (positions of the language model's text that are no padding),
            seconds (core-seconds), tokens_per_s, trainable (parameters that ever trained: the
            largest stage, or all where each trains another part), bytes (the largest stage's).
        """
        total = {
            key: sum(s[key] for s in self.stages)
            for key in ("samples", "images", "tokens", "seconds")
        }
        total["tokens_per_s"] = round(total["tokens"] / max(total["seconds"], 1e-9), 1)
        by_part: dict[tuple[str, ...], int] = {}
        for stage in self.stages:
            by_part[tuple(stage["trains"])] = stage["parameters"]
        apart = {
            parts: count
            for parts, count in by_part.items()
            if not any(set(parts) < set(others) for others in by_part)
        }
        total["trainable"] = sum(apart.values())
        total["bytes"] = max(stage["bytes"] for stage in self.stages)
        return total


def training_bytes(model: nn.Module, stage: Stage, batches: list[Any]) -> int:
    """Counts the bytes that a step of training needs: the same on every machine.

    Weights, gradients and AdamW's two moments of what trains, and what the largest of some batches
    keeps between its forward and its backward pass. What operations need for a moment is not in it.

    Args:
        model: float32; its modes and gradients are those of the stage afterwards.
        stage: what trains.
        batches: some of its batches.
    """
    apply_stage(model, stage)
    weights = {p.data_ptr(): p.numel() * p.element_size() for p in model.parameters()}
    trained = {p.data_ptr(): weights[p.data_ptr()] for p in model.parameters() if p.requires_grad}
    parts = [part for one in batches for part in _parts(one)]
    kept = max(_kept_bytes(model, part, weights) for part in parts)
    return sum(weights.values()) + 3 * sum(trained.values()) + kept


def _parts(batch: Any) -> list[Any]:
    return list(batch.parts) if isinstance(batch, MicroBatches) else [batch]


def _kept_bytes(model: nn.Module, batch: Any, weights: dict[int, int]) -> int:
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(batch)
    return sum(kept.values())
