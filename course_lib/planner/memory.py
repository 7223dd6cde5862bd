"""Bytes on one GPU: weights, gradients, AdamW's two numbers, and what the backward pass needs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from course_lib.planner.assumptions import (
    ADAM,
    FULL,
    HALF,
    KEPT_OF_INPUT,
    KEPT_OF_OUTPUT,
    LOGIT,
    LORA_INPUT,
)
from course_lib.planner.inventory import Inventory, Weight


@dataclass(frozen=True)
class Layout:
    """How a step is laid out on GPUs.

    Args:
        samples: of one forward pass on one GPU; a batch takes as many passes as it needs.
        sharded: whether weights, gradients and optimiser states are spread over the GPUs (FSDP2),
            or whole on each (DDP).
        recomputed: whether activations inside a block are computed a second time instead of kept
            (activation checkpointing).
    """

    samples: int
    sharded: bool = False
    recomputed: bool = False


@dataclass(frozen=True)
class Memory:
    """Bytes on one GPU at the peak of a step."""

    weights: float
    gradients: float
    optimiser: float
    activations: float

    @property
    def total(self) -> float:
        """Bytes of all four."""
        return self.weights + self.gradients + self.optimiser + self.activations


def memory_of(inventory: Inventory, layout: Layout, gpus: int) -> Memory:
    """Returns what one of `gpus` GPUs holds.

    Frozen weights are bfloat16, trained ones float32 with a bfloat16 copy. Sharded, each GPU holds
    its share of everything, and two blocks whole: the one that runs and the one that comes.
    """
    trained = inventory.trainable
    frozen = inventory.parameters - trained
    share = gpus if layout.sharded else 1
    if layout.sharded:
        blocks: dict[str, int] = defaultdict(int)
        for weight in inventory.weights:
            blocks[weight.block or weight.name] += weight.numbers
        gathered = 2 * HALF * max(blocks.values())
    else:
        gathered = HALF * trained
    return Memory(
        weights=(HALF * frozen + FULL * trained) / share + gathered,
        gradients=FULL * trained / share,
        optimiser=ADAM * trained / share,
        activations=layout.samples * activations_of(inventory, layout.recomputed),
    )


def activations_of(inventory: Inventory, recomputed: bool = False) -> float:
    """Returns the bytes that one sample keeps for the backward pass, or needs on the way there.

    Frozen parts behind which nothing trains keep nothing; what they hold for a moment is counted as
    four times their widest result.
    """
    blocks: dict[str, float] = defaultdict(float)
    inputs: dict[str, float] = {}
    passing = 0.0
    for weight in inventory.weights:
        given = weight.positions * weight.outputs * HALF
        if not inventory.reached(weight.part):
            passing = max(passing, 4 * given)
            continue
        blocks[weight.block] += _kept(weight)
        inputs[weight.block] = given  # the last layer's, as wide as what the block takes
    outside = blocks.pop("", 0.0)
    if not recomputed or not blocks:
        return outside + sum(blocks.values()) + passing
    return outside + sum(inputs[block] for block in blocks) + max(blocks.values()) + passing


def _kept(weight: Weight) -> float:
    if weight.is_head:
        return weight.positions * weight.outputs * LOGIT
    if weight.name.endswith(".lora_A"):
        return weight.positions * weight.inputs * LORA_INPUT
    kept = KEPT_OF_OUTPUT * weight.outputs + KEPT_OF_INPUT * weight.inputs * weight.trains
    return weight.positions * kept * HALF
