"""The training loop: resumed runs repeat themselves bit for bit, and frozen is frozen.

Run as a script it is the process that one test kills: `test_loop.py RUN_DIR KILL_AT`.
"""

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import nn

from course_lib.training import loop
from course_lib.training.adamw import optimizer_groups
from course_lib.training.loop import train
from course_lib.training.metrics import read_metrics
from course_lib.training.order import batch_indices, derive_seed, seed_everything
from course_lib.training.stages import Stage, frozen_fingerprint
from course_lib.training.tensor_files import read_tensors
from course_lib.training.throughput import Throughput, count_items

ROOT = Path(__file__).parents[2]
STEPS, SEED = 10, 3
STAGE = Stage("toy", ("head", "projector"), STEPS, 4, 1e-2, warmup_steps=3, grad_clip=0.5)
CONFIG = {"recipe": "tiny", "scale": "toy"}


class Tiny(nn.Module):
    """Dropout and batch statistics in frozen and in trained parts."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5))
        self.head = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Dropout(0.5))
        self.projector = nn.Linear(8, 1)
        self.broken = False

    def forward(self, batch):
        hidden = self.head(self.encoder(batch["x"]))
        loss = (self.projector(hidden).squeeze(1) - batch["y"]).square().mean()
        loss = loss * math.nan if self.broken else loss
        return loss, {"size": hidden.abs().mean()}


def batches(step):
    """Augments with all three global generators: the loop's seeds have to cover them."""
    rows = torch.tensor(batch_indices(step, 4, 30, SEED), dtype=torch.float32)
    x = torch.stack([rows / 30, rows.sin(), rows.cos(), torch.ones(4)], dim=1)
    noise = torch.randn(4, 4) + float(np.random.normal()) + random.random()  # noqa: NPY002
    return {"x": x + 0.1 * noise, "y": rows.sin()}


def run(run_dir=None, model=None, **options):
    options = {"seed": SEED, "config": CONFIG, "save_every": 3, "progress": False, **options}
    model = model or Tiny()
    return train(
        model, options.pop("stage", STAGE), options.pop("batches", batches), run_dir, **options
    )


def repeatable(rows):
    return [{name: value for name, value in row.items() if name != "speed"} for row in rows]


class Killed(BaseException):
    """Stands for a kill in tests that stay in one process."""


def kill_after(last):
    def on_step(step, metrics):
        if step == last:
            raise Killed

    return on_step


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run that nobody killed: (directory, metrics, final weights)."""
    directory = tmp_path_factory.mktemp("whole")
    rows = run(directory)
    return directory, repeatable(rows), read_tensors(directory / "model.safetensors")[0]


def assert_same_end(directory, rows, whole):
    assert repeatable(rows) == whole[1]
    assert repeatable(read_metrics(directory)) == whole[1]
    weights, header = read_tensors(directory / "model.safetensors")
    assert header["step"] == STEPS and weights.keys() == whole[2].keys()
    assert all(torch.equal(weights[name], whole[2][name]) for name in weights)


def test_sigkill_and_resume_is_bit_identical(tmp_path, whole):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, str(tmp_path / "run"), "8"]
    process = subprocess.run(command, env=environment, capture_output=True, timeout=120)
    assert process.returncode == -signal.SIGKILL, process.stderr.decode()
    metrics = tmp_path / "run/metrics.jsonl"
    assert len(read_metrics(metrics.parent)) == 8 and not (tmp_path / "end").exists()
    with open(metrics, "a") as file:
        file.write('{"step": 9, "lo')
    rows = run(tmp_path / "run", resume=True)
    assert_same_end(tmp_path / "run", rows, whole)


@pytest.mark.parametrize("last", range(1, STEPS + 1))
def test_stopped_after_any_step(tmp_path, whole, last):
    with pytest.raises(Killed):
        run(tmp_path, on_step=kill_after(last))
    assert_same_end(tmp_path, run(tmp_path, resume=True), whole)


def test_stopped_again_and_again(tmp_path, whole):
    for attempt, last in enumerate((2, 4, 5, 7)):
        with pytest.raises(Killed):
            run(tmp_path, resume=attempt > 0, on_step=kill_after(last))
    assert_same_end(tmp_path, run(tmp_path, resume=True), whole)


@pytest.mark.parametrize("nth", range(2, 9))
def test_stopped_while_a_file_takes_its_place(tmp_path, whole, monkeypatch, nth):
    """Stops before the nth one: config, metrics, then state and weights of steps 3, 6 and 9."""
    calls, real = [], os.replace

    def replace(source, target):
        calls.append(target)
        if len(calls) == nth:
            raise Killed
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr("course_lib.errors.os.replace", replace)
        with pytest.raises(Killed):
            run(tmp_path)
    assert_same_end(tmp_path, run(tmp_path, resume=True), whole)


def test_nothing_depends_on_what_was_drawn_before(whole):
    torch.rand(7)
    np.random.rand(3)  # noqa: NPY002
    assert repeatable(run()) == whole[1]
    assert repeatable(run(seed=SEED + 1)) != whole[1]


def test_a_batch_that_draws_more_leaves_dropout_alone():
    def greedy(step):
        batch = batches(step)
        torch.rand(100)
        return batch

    assert repeatable(run(batches=greedy)) == repeatable(run())


def test_a_finished_run_is_only_read(tmp_path, whole):
    run(tmp_path)
    stamp = (tmp_path / "model.safetensors").stat().st_mtime_ns
    assert_same_end(tmp_path, run(tmp_path, resume=True), whole)
    assert (tmp_path / "model.safetensors").stat().st_mtime_ns == stamp


def test_frozen_is_frozen_and_trained_is_trained(tmp_path):
    model, seen = Tiny(), []

    def on_step(step, metrics):
        seen.append({name for name, m in model.named_modules() if m.training})
        model.train()

    before = frozen_fingerprint(model, STAGE)
    start = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    run(tmp_path, model, on_step=on_step, eval_fn=lambda m: {}, eval_every=4)
    assert frozen_fingerprint(model, STAGE) == before
    changed = {n for n, t in model.state_dict().items() if not torch.equal(t, start[n])}
    assert changed == {n for n in start if n.startswith(("head.", "projector."))}
    modes = {"head", "head.0", "head.1", "head.2", "projector"}
    assert {n for n, m in model.named_modules() if m.training} == modes
    # After a validation the model is in eval mode until the loop has set it right again.
    assert all(names in (modes, set()) for names in seen) and seen[4] == modes
    assert set(read_tensors(tmp_path / "model.safetensors")[0]) == changed


def test_rows_hold_what_they_promise(tmp_path):
    collected = []
    rows = run(tmp_path, on_step=lambda step, row: collected.append((step, row)))
    assert [step for step, _ in collected] == list(range(1, STEPS + 1))
    assert [row for _, row in collected] == rows == read_metrics(tmp_path)
    assert set(rows[0]) == {"step", "loss", "size", "learning_rate", "grad_norm", "speed"}
    assert [r["learning_rate"] for r in rows] == [STAGE.learning_rate_at(i) for i in range(STEPS)]
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["recipe"] == "tiny" and config["seed"] == SEED and config["version"] == 1
    assert config["stage"]["trainable"] == ["head", "projector"]


def test_log_every_and_validation():
    model, grads = Tiny(), []

    def validate(validated):
        assert validated is model and not any(m.training for m in model.modules())
        grads.append(torch.is_grad_enabled())
        return {"score": torch.rand(()).item()}

    rows = run(model=model, log_every=4, eval_fn=validate, eval_every=6, save_every=100)
    assert [row["step"] for row in rows] == [4, 6, 8, 10]
    assert ["eval" in row for row in rows] == [False, True, False, True]
    assert grads == [False, False]
    assert rows[1]["eval"] == run(eval_fn=validate, eval_every=6, model=model)[5]["eval"]


def test_decreasing_loss_and_clipping():
    stage = Stage("fit", ("head", "projector"), 60, 4, 3e-2, grad_clip=None)
    rows = run(stage=stage)
    assert "grad_norm" not in rows[0]
    assert np.mean([r["loss"] for r in rows[-10:]]) < 0.7 * np.mean([r["loss"] for r in rows[:10]])


def test_weight_decay_spares_one_axis_parameters():
    model = Tiny()
    model.encoder.requires_grad_(False)
    model.temperature = nn.Parameter(torch.tensor(0.07))
    decayed, spared = optimizer_groups(model, 0.05)
    assert decayed["weight_decay"] == 0.05 and spared["weight_decay"] == 0
    assert {tuple(p.shape) for p in decayed["params"]} == {(8, 8), (1, 8)}
    assert len(spared["params"]) == 5 and any(p is model.temperature for p in spared["params"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 4}, "seed=3 and is now to go on with 4"),
        ({"config": {"recipe": "other", "scale": "toy"}}, "recipe='tiny' and .* 'other'"),
        ({"config": {**CONFIG, "parent": "opt"}}, "parent=None and .* 'opt'"),
        ({"stage": Stage("toy", ("head",), STEPS, 4, 1e-2)}, "stage.grad_clip=0.5"),
    ],
)
def test_another_run_is_not_resumed(tmp_path, change, message):
    with pytest.raises(Killed):
        run(tmp_path, on_step=kill_after(4))
    kept = (tmp_path / "metrics.jsonl").read_bytes()
    with pytest.raises(ValueError, match=message):
        run(tmp_path, resume=True, **change)
    assert (tmp_path / "metrics.jsonl").read_bytes() == kept


def test_a_run_is_not_overwritten_and_nothing_is_not_resumed(tmp_path):
    run(tmp_path / "a")
    with pytest.raises(ValueError, match="holds a run already: resume it"):
        run(tmp_path / "a")
    with pytest.raises(ValueError, match="holds no run"):
        run(tmp_path / "b", resume=True)
    with pytest.raises(ValueError, match="needs the run_dir"):
        run(resume=True)
    stage = Stage("toy", ("heed",), STEPS, 4, 1e-2)
    with pytest.raises(ValueError, match=r"'heed' matches no parameter.*'head'"):
        run(tmp_path / "c", stage=stage)
    assert not (tmp_path / "b").exists() and not (tmp_path / "c").exists()


def test_a_loss_that_cannot_be_trained_on_is_refused(tmp_path):
    model = Tiny()

    def break_it(step, metrics):
        model.broken = step >= 4

    with pytest.raises(ValueError, match="The loss is nan at step 5"):
        run(tmp_path, model, on_step=break_it)
    assert read_tensors(tmp_path / "model.safetensors")[1]["step"] == 3

    class Odd(Tiny):
        output = None

        def forward(self, batch):
            return self.output(super().forward(batch)[0])

    for output, message in [
        (lambda loss: loss.repeat(2), r"scalar loss.* gave \(2,\)"),
        (lambda loss: loss.item(), "scalar loss.* gave float"),
        (lambda loss: loss.detach(), "depends on nothing that stage 'toy' trains"),
        (lambda loss: (loss, {"step": loss}), r"\['step'\] use names of the loop"),
    ]:
        odd = Odd()
        odd.output = output
        with pytest.raises(ValueError, match=message):
            run(model=odd)


def test_accelerators(whole, monkeypatch):
    assert repeatable(run(accelerator=Accelerator(cpu=True))) == whole[1]
    model = Tiny()
    run(model=model)
    assert not {"forward", "_is_accelerate_prepared"} & vars(model).keys()
    # A second training of one model is prepared anew.
    assert len(run(model=model)) == STEPS
    accelerator = Accelerator(cpu=True)
    monkeypatch.setattr(accelerator, "scaler", object())
    with pytest.raises(ValueError, match="use mixed_precision='bf16'"):
        run(accelerator=accelerator)
    with pytest.raises(ValueError, match="gradient_accumulation_steps=2"):
        loop._check_accelerator(Accelerator(cpu=True, gradient_accumulation_steps=2))


def test_nothing_is_written_outside_terminals(capfd):
    run(progress=True)
    assert capfd.readouterr() == ("", "")


def test_batch_indices_are_a_function_of_numbers():
    epochs = [[i for s in range(4) for i in batch_indices(e * 4 + s, 5, 22, 1)] for e in range(3)]
    assert all(len(set(epoch)) == 20 and max(epoch) < 22 for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert batch_indices(7, 5, 22, 1) == epochs[1][15:] != batch_indices(7, 5, 22, 2)
    assert sorted(batch_indices(3, 22, 22, 1)) == list(range(22))
    with pytest.raises(ValueError, match="batch of 23 cannot be drawn from 22"):
        batch_indices(0, 23, 22, 1)


def test_items_of_like_length_share_a_batch():
    lengths = torch.randint(1, 4, (110,), generator=torch.Generator().manual_seed(0))
    epochs = [[batch_indices(e * 11 + s, 10, 110, 1, lengths) for s in range(11)] for e in (0, 1)]
    assert all(sorted(i for rows in epoch for i in rows) == list(range(110)) for epoch in epochs)
    assert epochs[0] != epochs[1]
    mixed = [len(set(lengths[rows].tolist())) > 1 for rows in epochs[0]]
    # Eight batches are sorted together, then the three that are left: two borders each, at most.
    assert sum(mixed) <= 4
    firsts = [lengths[rows[0]].item() for rows in epochs[0][:8]]
    assert firsts != sorted(firsts)


def test_seeds_are_fixed_for_ever_and_unrelated():
    assert derive_seed(0, 1, 2) == 4727102316523150270
    assert len({derive_seed(a, b) for a in range(50) for b in range(50)}) == 2500
    assert derive_seed(1, 23) != derive_seed(12, 3)
    draws = []
    for _ in range(2):
        seed_everything(5, 6)
        draws.append((random.random(), np.random.rand(), torch.rand(()).item()))  # noqa: NPY002
    assert draws[0] == draws[1]


def test_throughput_counts_images_tokens_and_waiting():
    batch = {"pixel_values": torch.zeros(3, 1), "attention_mask": torch.tensor([[1, 1], [1, 0]])}
    assert count_items(batch) == (3, 3)
    assert count_items({"input_ids": torch.zeros(2, 5)}) == (0, 10)
    assert count_items({"image_features": torch.zeros(2, 5, 6)}) == (2, 0)
    assert count_items(torch.zeros(3)) == (0, 0)
    meter = Throughput()
    with meter.waiting():
        time.sleep(0.02)
    with meter.computing():
        time.sleep(0.02)
    meter.add(batch)
    report = meter.report()
    assert 0.2 < report["data_wait"] < 0.8 and report["images_per_s"] == report["tokens_per_s"] > 1
    meter.reset()
    assert meter.report() == {"steps_per_s": 0.0, "data_wait": 0.0}


def main(run_dir, kill_at):
    """Trains and kills its own process without warning after a step."""

    def on_step(step, metrics):
        if step == int(kill_at):
            os.kill(os.getpid(), signal.SIGKILL)

    run(Path(run_dir), on_step=on_step)
    (Path(run_dir).parent / "end").touch()


if __name__ == "__main__":
    main(*sys.argv[1:])
