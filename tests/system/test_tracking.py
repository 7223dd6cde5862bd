"""Metrics reach TensorBoard and Weights & Biases as metrics.jsonl has them, also after a kill."""

import importlib.util
import json
from types import SimpleNamespace

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from course_lib.training import tracking as module
from course_lib.training.loop import train
from course_lib.training.metrics import read_metrics
from course_lib.training.run import Run
from course_lib.training.stages import Stage
from course_lib.training.tracking import Tracked, flat, tracking

STAGE = Stage("toy", ("layer",), steps=6, batch_size=1, learning_rate=0.1, grad_clip=1.0)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(2, 1)

    def forward(self, batch):
        loss = (self.layer(batch) - 1).square().mean()
        return loss, {"part": loss / 2}


def run(out, resume=False, killed_at=None):
    def batches(step):
        if step == killed_at:
            raise KeyboardInterrupt
        return torch.full((3, 2), step / 10)

    how = {"seed": 0, "resume": resume, "save_every": 2, "progress": False}
    how["eval_fn"] = lambda model: {"score": 0.25}
    return train(Model(), STAGE, batches, out, **how)


def scalars(run_dir):
    """Reads event files with TensorBoard's own reader: name → [(step, value)]."""
    found = EventAccumulator(str(run_dir / "tensorboard"))
    found.Reload()
    return {
        name: [(event.step, event.value) for event in found.Scalars(name)]
        for name in found.Tags()["scalars"]
    }


def same_as_metrics(run_dir):
    shown, rows = scalars(run_dir), read_metrics(run_dir)
    expected = [(row["step"], number) for row in rows for number in flat(row).items()]
    found = [(step, (name, value)) for name, events in shown.items() for step, value in events]
    assert sorted((step, name) for step, (name, _) in found) == sorted(
        (step, name) for step, (name, _) in expected
    )
    values = {(step, name): value for step, (name, value) in expected}
    assert all(value == pytest.approx(values[step, name], 1e-6) for step, (name, value) in found)
    return shown


def test_tensorboard_reads_what_metrics_jsonl_holds(tmp_path):
    with tracking("tensorboard"):
        run(tmp_path / "run")
    shown = same_as_metrics(tmp_path / "run")
    assert {"loss", "part", "learning_rate", "grad_norm", "speed/steps_per_s"} <= shown.keys()
    assert shown["eval/score"] == [(6, 0.25)] and [step for step, _ in shown["loss"]] == [
        *range(1, 7)
    ]
    found = EventAccumulator(str(tmp_path / "run/tensorboard"))
    found.Reload()
    text = found.Tensors("config/text_summary")[0].tensor_proto.string_val[0].decode()
    assert '"learning_rate": 0.1' in text and "step" not in shown


@pytest.mark.parametrize("killed_at", [1, 3, 5])
def test_what_was_shown_behind_the_checkpoint_is_taken_back(tmp_path, killed_at):
    with tracking("tensorboard"), pytest.raises(KeyboardInterrupt):
        run(tmp_path, killed_at=killed_at)
    assert len(scalars(tmp_path)["loss"]) == killed_at
    with tracking("tensorboard"):
        run(tmp_path, resume=True)
    assert len(same_as_metrics(tmp_path)["loss"]) == 6


def test_nothing_is_shown_where_nobody_asked_and_after_the_block(tmp_path):
    run(tmp_path / "one")
    with tracking("none"):
        run(tmp_path / "two")
    with tracking("tensorboard"):
        run(None)
    run(tmp_path / "three")
    assert not list(tmp_path.rglob("tensorboard"))


def test_a_run_goes_on_with_another_log_and_gives_the_same_rows(tmp_path):
    def losses(rows):
        return [(row["step"], row["loss"], row["grad_norm"]) for row in rows]

    with tracking("tensorboard"), pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run", killed_at=3)
    rows = run(tmp_path / "run", resume=True)
    assert losses(rows) == losses(run(tmp_path / "whole"))
    assert "log" not in (tmp_path / "run/config.json").read_text()


def test_the_main_process_alone_shows(tmp_path):
    for main in (False, True):
        made = Run(tmp_path, {}, SimpleNamespace(is_main_process=main))
        with tracking("tensorboard"), made.shown(0):
            assert (tmp_path / "tensorboard").exists() is main


FAKE_WANDB = """
import json
from pathlib import Path

def init(**how):
    return Run(how)

class Run:
    def __init__(self, how):
        self.path = Path(how["dir"]) / "calls.jsonl"
        self.note("init", how)

    def note(self, *call):
        with open(self.path, "a") as file:
            file.write(json.dumps(call) + "\\n")

    def log(self, values, step=None):
        self.note("log", values, step)

    def finish(self):
        self.note("finish")
"""


def test_weights_and_biases_gets_the_same_numbers_and_one_id(tmp_path, monkeypatch):
    (tmp_path / "wandb.py").write_text(FAKE_WANDB)
    monkeypatch.syspath_prepend(tmp_path)
    out = tmp_path / "run"
    with tracking("wandb"), pytest.raises(KeyboardInterrupt):
        run(out, killed_at=5)
    with tracking("wandb"):
        run(out, resume=True)
    calls = [json.loads(line) for line in (out / "calls.jsonl").read_text().splitlines()]
    logged = [call for call in calls if call[0] == "log"]
    assert [step for *_, step in logged] == [1, 2, 3, 4, 5, 5, 6]
    rows = read_metrics(out)
    assert logged[-1][1] == flat(rows[-1]) and logged[-1][1]["loss"] == rows[-1]["loss"]
    inits = [call[1] for call in calls if call[0] == "init"]
    assert [how["resume"] for how in inits] == ["allow"] * 2
    assert inits[0]["id"] == inits[1]["id"] and len(inits[0]["id"]) == 16
    assert inits[0]["name"] == "run" and inits[0]["project"] == "multimodal-course"
    assert inits[0]["config"]["stage"]["learning_rate"] == 0.1
    assert [call[0] for call in calls].count("finish") == 2 and calls[-1] == ["finish"]


@pytest.mark.parametrize("log", ["tensorboard", "wandb"])
def test_a_missing_package_is_named_with_what_to_do(log, monkeypatch, course):
    there = importlib.util.find_spec
    monkeypatch.setattr(
        module.importlib.util, "find_spec", lambda name: None if name == log else there(name)
    )
    code, _, said = course("train", "llava", "--log", log)
    assert code == 1 and f"--log {log} needs the package {log}" in said
    assert f"pip install -c constraints.txt {log}" in said


def test_an_unknown_log_is_refused_before_anything_begins(tmp_path, course):
    code, _, said = course("train", "llava", "--log", "tensorbord", "--out", tmp_path / "run")
    assert code == 1 and "Unknown log 'tensorbord': did you mean 'tensorboard'?" in said
    assert not (tmp_path / "run").exists()


def test_course_train_writes_event_files_for_both_stages(tmp_path, course, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "run"
    words = ("--steps", 3, "--scenes", 70, "--out", out, "--log", "tensorboard")
    code, _, said = course("train", "llava", *words)
    assert code == 0, said
    for run_dir in (out, tmp_path / "run-stage1"):
        assert same_as_metrics(run_dir)["loss"]


def test_rows_are_flattened_and_words_left_out():
    row = {"step": 3, "loss": 1.5, "eval": {"vqa": 0.5, "deep": {"x": 1}}, "note": "a"}
    assert flat(row) == {"loss": 1.5, "eval/vqa": 0.5, "eval/deep/x": 1}
    Tracked(None, {}).log(row)
