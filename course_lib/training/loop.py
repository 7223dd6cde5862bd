"""One training loop for every recipe; it knows a model by `model(batch) -> loss` alone.

Step s is a function of (weights, optimiser, seed, s): the batch is `batches(s)`, and all global
generators are seeded with (seed, s, rank) before it is fetched and again before the forward pass.
So there is no generator to save, and a run that was killed and resumed gives the same losses, bit
for bit on the same machine and thread count, dropout and augmentation included. Several processes
share the parts of a step (`parts.py`), and the rank above is the number of the part.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from course_lib.training.accumulation import backward, countable
from course_lib.training.adamw import adamw
from course_lib.training.layout import Layout, as_launched, lay_out
from course_lib.training.order import seed_everything
from course_lib.training.parts import Parts
from course_lib.training.progress import progress_bar
from course_lib.training.run import Run, parts_of_run
from course_lib.training.sharding import clip_gradients
from course_lib.training.stages import Stage, apply_stage
from course_lib.training.throughput import Throughput


def train(
    model: nn.Module,
    stage: Stage,
    batches: Callable[[int], Any],
    run_dir: str | Path | None = None,
    *,
    seed: int,
    config: Mapping[str, Any] | None = None,
    resume: bool = False,
    accelerator: Accelerator | None = None,
    progress: bool = True,
    log_every: int = 1,
    save_every: int = 100,
    eval_fn: Callable[[nn.Module], Mapping[str, float]] | None = None,
    eval_every: int | None = None,
    on_step: Callable[[int, dict], None] | None = None,
    layout: Layout | None = None,
) -> list[dict]:
    """Trains in place what the stage lists, and keeps the run in a directory.

    Args:
        model: gives a scalar loss, or (loss, {part: scalar}), when called with a batch.
        stage: what trains and how.
        batches: the batch of a 0-based step, or its `MicroBatches`, always the same; of a step in
            G parts (`layout`) it is asked for step * G to step * G + G - 1.
        run_dir: where the run is kept; None keeps nothing.
        seed: of everything random here; the model's initialisation is the caller's.
        config: what else identifies the run (recipe, scale, frozen parents), JSON-able.
        resume: goes on with the run in `run_dir`; stage, seed and config have to be the same.
        accelerator: by default one GPU where there is one, or else the CPU.
        progress: shows a bar where standard error is a terminal.
        log_every: steps between two rows of metrics.
        save_every: steps between two checkpoints; the last step has one.
        eval_fn: numbers about the model, which is in eval mode and keeps no gradients.
        eval_every: steps between two calls of it; None calls it after the last step alone.
        on_step: called with (finished steps, row) for every row of metrics.
        layout: parts of a step, sharding, what saves memory; by default one part a process.

    Returns:
        All rows, those from before a resume too: `step` (from 1), `loss` and its parts (means over
        processes), `learning_rate`, `grad_norm` before clipping, `speed`
        (`Throughput.report`; wall times never repeat), `eval` where there was one.

    Raises:
        ValueError: when list, directory, files or loss are not as described; one sentence says why.
        OSError: when the disk is full; the last checkpoint stands.
    """
    accelerator = accelerator or Accelerator(cpu=not torch.cuda.is_available())
    layout = _settled(layout, run_dir, resume, accelerator)
    trainer = _Trainer(model, stage, batches, seed, accelerator, layout)
    try:
        record = {**(config or {}), **layout.record(), "stage": asdict(stage), "seed": seed}
        run = Run(run_dir, record, accelerator)
        run.open(resume)
        start = run.load(model, stage.trainable, trainer.optimizer)
        hooks = _Hooks(log_every, save_every, eval_fn, eval_every, on_step)
        trainer.fit(run, start, hooks, progress and accelerator.is_main_process)
        return run.rows
    finally:
        trainer.release()


def _settled(
    layout: Layout | None, run_dir: str | Path | None, resume: bool, accelerator: Accelerator
) -> Layout:
    """Returns a layout with its number of parts, and with what accelerate's launcher was told."""
    _check_accelerator(accelerator)
    layout = as_launched(layout or Layout())
    parts = parts_of_run(run_dir, resume, accelerator.num_processes)
    return replace(layout, parts=layout.parts or parts)


@dataclass(frozen=True)
class _Hooks:
    """What happens between two steps, and when."""

    log_every: int
    save_every: int
    eval_fn: Callable[[nn.Module], Mapping[str, float]] | None
    eval_every: int | None
    on_step: Callable[[int, dict], None] | None


class _Trainer:
    """The model, its optimiser and the order of what happens in a step."""

    def __init__(
        self,
        model: nn.Module,
        stage: Stage,
        batches: Callable[[int], Any],
        seed: int,
        accelerator: Accelerator,
        layout: Layout,
    ) -> None:
        rank, world = accelerator.process_index, accelerator.num_processes
        self.parts = Parts(model, batches, layout.parts or world, seed, rank, world)
        apply_stage(model, stage)
        self.model, self.stage = model, stage
        self.seed, self.accelerator = seed, accelerator
        self.modes = [(module, module.training) for module in model.modules()]
        self.meter = Throughput()
        self.undo, sharded = lay_out(model, layout, accelerator)
        self.optimizer = adamw(model, stage, accelerator.device)
        self.trained = [p for group in self.optimizer.param_groups for p in group["params"]]
        self.prepared, self.stepper, self.clip = model, self.optimizer, clip_gradients
        if not sharded:
            self.clip = accelerator.clip_grad_norm_
            self.prepared, self.stepper = accelerator.prepare(model, self.optimizer)

    def fit(self, run: Run, start: int, hooks: _Hooks, progress: bool) -> None:
        """Does the steps from `start` on, with rows of metrics, validations and checkpoints."""
        total = self.stage.steps
        bar = progress_bar(self.stage.name, total, progress, start)
        with run.shown(start), bar as advance:
            for done in range(start + 1, total + 1):
                values = self.step(done - 1)
                last = done == total
                save = last or done % hooks.save_every == 0
                evaluate = hooks.eval_fn and (
                    last or (hooks.eval_every and done % hooks.eval_every == 0)
                )
                note = ""
                if save or evaluate or done % hooks.log_every == 0:
                    row = {"step": done, **_numbers(values, done, self.accelerator)}
                    row["speed"] = self.meter.report()
                    self.meter.reset()
                    if evaluate:
                        row["eval"] = self.evaluate(hooks.eval_fn, done)
                    run.log(row)
                    if hooks.on_step is not None:
                        hooks.on_step(done, row)
                    self.restore_modes()
                    note = f"loss {row['loss']:.3f}"
                if save:
                    run.save(self.model, self.stage.trainable, self.optimizer, done, last)
                advance(note=note)

    def step(self, step: int) -> dict[str, Any]:
        """Does one optimiser step; returns the loss, its parts and the gradient's norm."""
        with self.meter.waiting():
            batch = self.parts.fetch(step)
        self.meter.add(countable(batch))
        with self.meter.computing():
            self.parts.seed_passes(step)
            learning_rate = self.stage.learning_rate_at(step)
            for group in self.stepper.param_groups:
                group["lr"] = learning_rate
            values = backward(self.prepared, batch, self.stage, self.accelerator)
            values["learning_rate"] = learning_rate
            if self.stage.grad_clip is not None:
                values["grad_norm"] = self.clip(self.trained, self.stage.grad_clip)
            self.stepper.step()
            self.stepper.zero_grad()
            if self.accelerator.device.type == "cuda":
                torch.cuda.synchronize()
        return values

    def evaluate(self, eval_fn: Callable, done: int) -> dict[str, float]:
        """Calls a validation in eval mode, seeded, without gradients."""
        seed_everything(self.seed, done, self.accelerator.process_index, 2)
        self.model.eval()
        with torch.no_grad():
            return {name: float(value) for name, value in eval_fn(self.model).items()}

    def restore_modes(self) -> None:
        """Undoes `model.eval()` and `model.train()` of a validation, or of a sample in on_step."""
        for module, training in self.modes:
            module.training = training

    def release(self) -> None:
        """Takes off what accelerate put on the model, so that another training starts afresh."""
        self.restore_modes()
        self.undo()
        for name in ("forward", "_original_forward", "_is_accelerate_prepared"):
            self.model.__dict__.pop(name, None)


def _numbers(values: Mapping[str, Any], done: int, accelerator: Accelerator) -> dict[str, float]:
    """Turns a step's values into numbers, means over processes; stops a run that went astray."""
    numbers = {}
    for name, value in values.items():
        if isinstance(value, torch.Tensor):
            value = value.detach().float()
            if accelerator.num_processes > 1:
                value = accelerator.reduce(value, reduction="mean")
        numbers[name] = float(value)
    bad = [name for name in ("loss", "grad_norm") if not math.isfinite(numbers.get(name, 0.0))]
    if bad:
        raise ValueError(
            f"The {bad[0]} is {numbers[bad[0]]} at step {done}, and the run stops there: use a "
            "smaller learning rate or a longer warm-up, and look at that batch."
        )
    return numbers


def _check_accelerator(accelerator: Accelerator) -> None:
    if accelerator.scaler is not None:
        raise ValueError(
            "Mixed precision fp16 keeps a loss scale that a run directory does not hold, so a "
            "resumed run would differ: use mixed_precision='bf16' or 'no'."
        )
    if accelerator.gradient_accumulation_steps != 1:
        raise ValueError(
            f"gradient_accumulation_steps={accelerator.gradient_accumulation_steps} is not "
            "supported here: use 1 and a larger batch or more processes."
        )
