"""What a stage is made of: every weight that multiplies, where it stands, and whether it trains."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from course_lib.planner.positions import Rules, positions_of
from course_lib.training.stages import Stage, apply_stage

# The way of an image through a model. The gradient comes back from the end and goes as far as the
# first part in which something trains.
PARTS = ("vpg.encoder", "vpg.head", "projector", "gated", "language", "heads")
VISUAL = ("vpg.encoder", "vpg.head")
_BLOCK = re.compile(r"^.*?\.(?:layers|block|blocks)\.\d+(?=\.)")


@dataclass(frozen=True)
class Weight:
    """One matrix and how often it is used.

    Args:
        name: dotted.
        part: one of `PARTS`.
        block: name of the transformer block that it belongs to, "" where there is none.
        inputs: width of what it takes.
        outputs: width of what it gives.
        numbers: how many it holds.
        positions: at which it works, for one sample.
        trains: whether it gets a gradient of its own.
        is_head: whether it gives logits over all words.
    """

    name: str
    part: str
    block: str
    inputs: int
    outputs: int
    numbers: int
    positions: float
    trains: bool
    is_head: bool


@dataclass(frozen=True)
class Part:
    """Parameters of one part of a model, biases and embeddings included."""

    name: str
    parameters: int
    trainable: int


@dataclass(frozen=True)
class Inventory:
    """Parts in the order in which an image passes them, and their weights."""

    parts: tuple[Part, ...]
    weights: tuple[Weight, ...]

    @property
    def parameters(self) -> int:
        """All parameters, each tied one once."""
        return sum(part.parameters for part in self.parts)

    @property
    def trainable(self) -> int:
        """Those that train."""
        return sum(part.trainable for part in self.parts)

    def reached(self, part: str) -> bool:
        """Tells whether a gradient passes through a part: it trains, or one before it does."""
        first = min(PARTS.index(found.name) for found in self.parts if found.trainable)
        return PARTS.index(part) >= first


def take_inventory(model: nn.Module, stage: Stage, rules: Rules) -> Inventory:
    """Applies a stage to a model, on whatever device, and lists what it is made of.

    Args:
        model: with the parts of `PARTS`; its parameters are frozen and unfrozen in place.
        stage: what trains.
        rules: see `positions`.

    Raises:
        ValueError: for a weight that no rule knows, or a parameter outside of `PARTS`.
    """
    apply_stage(model, stage)
    counts = {part: [0, 0] for part in PARTS}
    for name, parameter in model.named_parameters():
        count = counts[_part_of(name)]
        count[0] += parameter.numel()
        count[1] += parameter.numel() * parameter.requires_grad
    parts = tuple(Part(name, *count) for name, count in counts.items() if count[0])
    return Inventory(parts, tuple(_weights(model, rules)))


def _part_of(name: str) -> str:
    for part in PARTS:
        if f"{name}.".startswith(f"{part}."):
            return part
    raise ValueError(f"{name} belongs to none of the parts {', '.join(PARTS)}.")


def _weights(model: nn.Module, rules: Rules) -> Iterator[Weight]:
    """Yields matrices of linear layers and convolutions; LoRA's two are parts of their layer."""
    tied = "vpg.head.word_embeddings"
    multiplies = {name for name, _ in rules}
    for module_name, module in model.named_modules():
        if not isinstance(module, nn.Linear | nn.Conv2d) and not (
            module_name == tied and tied in multiplies
        ):
            continue
        for own, parameter in module.named_parameters(recurse=False):
            if parameter.dim() not in (2, 4):  # biases; the abstractor's end token
                continue
            name = f"{module_name}.{own}"
            block = _BLOCK.match(name)
            outputs = parameter.shape[0]
            yield Weight(
                name=name,
                part=_part_of(name),
                block=block.group() if block else "",
                inputs=parameter.numel() // outputs,
                outputs=outputs,
                numbers=parameter.numel(),
                positions=positions_of(name, rules),
                trains=parameter.requires_grad,
                is_head=module_name in (tied, "language.model.lm_head"),
            )
