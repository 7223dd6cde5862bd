"""Stages: a positive list of what trains; everything else is frozen, and stays so.

Freezing has three halves. A frozen parameter gets no gradient and is unknown to the optimiser; a
frozen module is in eval mode, because `model.train()` would turn its dropout on again; and a name
in the list that matches nothing is an error, because a typing mistake would freeze in silence.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import NamedTuple

import torch
from torch import nn

from course_lib.errors import nearest


@dataclass(frozen=True)
class Stage:
    """One stage of training: what trains, for how long, at which learning rate.

    Args:
        name: what people call it, for example "stage2".
        trainable: dotted names of modules or parameters, matched component by component:
            "vpg.head" takes "vpg.head.query_tokens" but not "vpg.header". A component may hold `*`
            ("language.*.lora"), which stands for text within that one component.
        steps: optimiser steps.
        batch_size: items a step, all processes together; the caller's batches keep to it.
        learning_rate: the peak, reached when the warm-up ends.
        weight_decay: for parameters with two axes or more; biases, norms and scalars get none.
        betas: AdamW's; the default is BLIP-2's (paper section 3.4; the released YAML leaves beta2
            at 0.999).
        warmup_steps: steps of linear warm-up from 0.
        min_learning_rate: where the cosine ends.
        grad_clip: largest L2 norm of the whole gradient; None leaves it alone.

    Raises:
        ValueError: for values that cannot be meant.
    """

    name: str
    trainable: tuple[str, ...]
    steps: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.98)
    warmup_steps: int = 0
    min_learning_rate: float = 0.0
    grad_clip: float | None = 1.0

    def __post_init__(self) -> None:
        if not self.trainable or isinstance(self.trainable, str):
            raise ValueError(
                f"Stage {self.name!r} has trainable={self.trainable!r}: write a tuple of at least "
                "one name, such as trainable=('projector',)."
            )
        if self.steps < 1 or self.batch_size < 1:
            raise ValueError(
                f"Stage {self.name!r} has steps={self.steps} and batch_size={self.batch_size}: "
                "both must be at least 1."
            )
        if not 0 <= self.warmup_steps <= self.steps:
            raise ValueError(
                f"Stage {self.name!r} has warmup_steps={self.warmup_steps}, which is not between 0 "
                f"and its {self.steps} steps: shorten the warm-up (or train longer)."
            )
        if not 0 <= self.min_learning_rate <= self.learning_rate or self.learning_rate <= 0:
            raise ValueError(
                f"Stage {self.name!r} goes from learning_rate={self.learning_rate} down to "
                f"min_learning_rate={self.min_learning_rate}: the first must be above 0 and not "
                "below the second."
            )

    def learning_rate_at(self, step: int) -> float:
        """Returns the learning rate of a 0-based step: linear warm-up, then half a cosine.

        Step `warmup_steps - 1` has the peak (step 0 without a warm-up), the last step has
        `min_learning_rate`. BLIP-2, section 3.4; LAVIS moves its cosine once an epoch, not a step.
        """
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        start = max(self.warmup_steps - 1, 0)
        done = (step - start) / max(self.steps - 1 - start, 1)
        cosine = 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
        return self.min_learning_rate + (self.learning_rate - self.min_learning_rate) * cosine

    def shortened(self, steps: int) -> "Stage":
        """Returns the stage with another number of steps, and no longer warm-up than that."""
        return replace(self, steps=steps, warmup_steps=min(steps, self.warmup_steps))


def _matches(name: str, pattern: str) -> bool:
    """Tells whether `name` is `pattern` or lies below it."""
    parts, wanted = name.split("."), pattern.split(".")
    return len(parts) >= len(wanted) and all(map(fnmatchcase, parts, wanted))


def _tensors(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from model.named_parameters(remove_duplicate=False)
    yield from model.named_buffers(remove_duplicate=False)


def listed_names(model: nn.Module, trainable: tuple[str, ...]) -> set[str]:
    """Returns the names of all parameters and buffers that a stage's list takes.

    Raises:
        ValueError: when an entry takes no parameter, with the nearest names that would; and when a
            listed parameter is tied to one that is not listed, which could not stay frozen.
    """
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for entry in trainable:
        if not any(_matches(name, entry) for name in parameters):
            raise ValueError(_nothing_matches(entry, parameters))
    listed = {n for n, _ in _tensors(model) if any(_matches(n, entry) for entry in trainable)}
    owner = {id(parameters[name]): name for name in listed & parameters.keys()}
    for name, parameter in parameters.items():
        if name not in listed and id(parameter) in owner:
            raise ValueError(
                f"{owner[id(parameter)]} is in trainable= and is the same tensor as {name}, which "
                "is not: list both, or untie them."
            )
    return listed


def _nothing_matches(entry: str, parameters: dict[str, nn.Parameter]) -> str:
    """Words the error; every module and parameter above or at a parameter may be suggested."""
    known: dict[str, None] = {}
    for name in parameters:
        parts = name.split(".")
        known.update({".".join(parts[:depth]): None for depth in range(1, len(parts) + 1)})
    close = nearest(entry, known)
    roots = list(dict.fromkeys(name.split(".")[0] for name in parameters))
    hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"the model has {roots}."
    return f"trainable={entry!r} matches no parameter of the model: {hint}"


def apply_stage(model: nn.Module, stage: Stage) -> list[str]:
    """Freezes the whole model, then unfreezes what the stage lists, and sets the modes.

    A module goes to train mode when it is listed, lies below a listed one, or holds parameters that
    all train; every other module goes to eval mode, so a parent of both kinds is in eval mode.

    Returns:
        The names of the parameters that train, each tied parameter once.

    Raises:
        ValueError: see `listed_names`; the model is then left as it was.
    """
    listed = listed_names(model, stage.trainable)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in listed)
        if name not in listed:
            parameter.grad = None
    _set_modes(model, stage)
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


def _set_modes(model: nn.Module, stage: Stage) -> None:
    for name, module in model.named_modules():
        wants = {parameter.requires_grad for parameter in module.parameters()}
        listed = any(_matches(name, entry) for entry in stage.trainable)
        module.training = listed or wants == {True}


def frozen_fingerprint(model: nn.Module, stage: Stage | None = None) -> str:
    """Hashes everything that has to stay as it is: equal before and after means frozen was frozen.

    Args:
        model: the model, on any device.
        stage: with it, every parameter and buffer that its list does not take; without it, every
            parameter that wants no gradient and every buffer.

    Returns:
        A SHA-256 in hexadecimal of names, types, shapes and values, bit by bit.
    """
    if stage is None:
        moving = {name for name, parameter in _tensors(model) if parameter.requires_grad}
    else:
        moving = listed_names(model, stage.trainable)
    return hash_tensors(pair for pair in _tensors(model) if pair[0] not in moving)


def hash_tensors(tensors: Iterable[tuple[str, torch.Tensor]]) -> str:
    """Returns a SHA-256 of (name, tensor) pairs in this order: types, shapes and values, by bit."""
    digest = hashlib.sha256()
    for name, tensor in tensors:
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


class StageRow(NamedTuple):
    """One line of the stage table: a subtree that is trained, or frozen, as a whole."""

    module: str
    parameters: int
    trains: bool
    dtype: str
    mode: str


def stage_table(model: nn.Module) -> list[StageRow]:
    """Lists the model's largest subtrees that train, or do not, as a whole.

    Returns:
        Rows (module, parameters, trains, dtype, mode) in the model's order; together they count
        every parameter once. `mode` is "train", "eval" or, where modules differ, "mixed".
    """
    return list(_rows("", model, set()))


def _rows(name: str, module: nn.Module, seen: set[int]) -> Iterator[StageRow]:
    own = {p for p in module.parameters() if id(p) not in seen}
    if name and own and len({p.requires_grad for p in own}) == 1:
        modes = {m.training for m in module.modules()}
        yield _row(name, own, modes, seen)
        return
    for child, parameter in module.named_parameters(recurse=False):
        if id(parameter) not in seen:
            yield _row(f"{name}.{child}".lstrip("."), {parameter}, {module.training}, seen)
    for child, submodule in module.named_children():
        yield from _rows(f"{name}.{child}".lstrip("."), submodule, seen)


def _row(name: str, parameters: set, modes: set[bool], seen: set[int]) -> StageRow:
    seen.update(map(id, parameters))
    dtypes = sorted({str(p.dtype).removeprefix("torch.") for p in parameters})
    mode = "mixed" if len(modes) > 1 else ("train" if modes == {True} else "eval")
    trains = next(iter(parameters)).requires_grad
    return StageRow(name, sum(p.numel() for p in parameters), trains, "+".join(dtypes), mode)
