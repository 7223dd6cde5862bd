"""Run directories: strict, whole, and clear about what is wrong."""

import errno
import json
import os

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from course_lib.training import checkpoint, metrics, tensor_files
from course_lib.training.checkpoint import (
    load_checkpoint,
    load_run,
    read_config,
    save_checkpoint,
    write_config,
)

CONFIG = {"recipe": "toy", "scale": "toy", "stage": {"trainable": ["head"]}, "seed": 0}


class Model(nn.Module):
    def __init__(self, seed=0, width=3):
        super().__init__()
        torch.manual_seed(seed)
        self.frozen = nn.Linear(2, width)
        self.head = nn.Sequential(nn.Linear(width, 4), nn.BatchNorm1d(4))
        self.head.register_buffer("scratch", torch.zeros(1), persistent=False)
        self.twin = nn.Linear(width, 4)


def make_run(directory, step=1, seed=0, config=CONFIG):
    model = Model(seed)
    optimizer = torch.optim.AdamW(model.head.parameters(), lr=0.1)
    for _ in range(step):
        model.head(model.frozen(torch.ones(3, 2) * torch.arange(3.0)[:, None])).sum().backward()
        optimizer.step()
    write_config(directory, config)
    save_checkpoint(directory, model, ("head",), optimizer, step, config)
    return model, optimizer


def test_holds_the_trained_weights_alone(tmp_path):
    model, _ = make_run(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [
        "config.json",
        "model.safetensors",
        "state-000001.safetensors",
    ]
    saved = load_file(tmp_path / "model.safetensors")
    expected = {f"head.{name}" for name in model.head.state_dict()}
    assert set(saved) == expected and "head.1.running_mean" in expected
    assert all(torch.equal(saved[f"head.{n}"], t) for n, t in model.head.state_dict().items())


def test_weights_and_optimizer_come_back_bit_for_bit(tmp_path):
    model, optimizer = make_run(tmp_path, step=3)
    other = Model(seed=1)
    frozen = other.frozen.weight.clone()
    fresh = torch.optim.AdamW(other.head.parameters(), lr=0.1)
    assert load_checkpoint(tmp_path, other, ("head",), fresh) == 3
    for name, tensor in model.head.state_dict().items():
        assert torch.equal(tensor, other.head.state_dict()[name])
    assert torch.equal(other.frozen.weight, frozen)
    old, new = optimizer.state_dict()["state"], fresh.state_dict()["state"]
    assert old.keys() == new.keys()
    assert all(torch.equal(old[i][key], new[i][key]) for i in old for key in old[i])


def test_load_run_converts_half_precision(tmp_path):
    model, _ = make_run(tmp_path)
    path = tmp_path / "model.safetensors"
    tensors, header = tensor_files.read_tensors(path)
    tensor_files.write_tensors(path, {n: t.half() for n, t in tensors.items()}, header)
    other = Model(seed=1)
    assert load_run(tmp_path, other, "toy")["scale"] == "toy"
    assert other.head[0].weight.dtype == torch.float32
    assert torch.allclose(other.head[0].weight, model.head[0].weight, atol=1e-3)


def test_another_recipe_version_or_no_run(tmp_path):
    make_run(tmp_path)
    with pytest.raises(ValueError, match="run of the recipe 'toy', not of 'llava'"):
        load_run(tmp_path, Model(), "llava")
    with pytest.raises(ValueError, match="holds no run"):
        read_config(tmp_path / "nowhere")
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "version": 99}))
    with pytest.raises(ValueError, match=r"version 99 .* reads version 1"):
        read_config(tmp_path)
    for text in ('{"recipe": ', "[1]", "7", ""):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(ValueError, match="is damaged"):
            read_config(tmp_path)


def test_weights_beside_the_wrong_config(tmp_path):
    make_run(tmp_path)
    write_config(tmp_path, {**CONFIG, "recipe": "other"})
    with pytest.raises(
        ValueError, match=r"weights of the recipe 'toy' and config\.json .* 'other'"
    ):
        load_run(tmp_path, Model())
    write_config(tmp_path, {"recipe": "toy"})
    with pytest.raises(ValueError, match="does not say what the run trained"):
        load_run(tmp_path, Model())


@pytest.mark.parametrize("name", ["model.safetensors", "state-000001.safetensors"])
@pytest.mark.parametrize("keep", [0, 4, 60, -1])
def test_a_file_cut_short_is_named(tmp_path, name, keep):
    make_run(tmp_path)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:keep])
    other = Model(seed=1)
    before = other.head[0].weight.clone()
    optimizer = torch.optim.AdamW(other.head.parameters())
    with pytest.raises(ValueError, match=f"{name} is damaged or cut short .*start the run again"):
        load_checkpoint(tmp_path, other, ("head",), optimizer)
    assert torch.equal(other.head[0].weight, before)


def test_a_file_that_is_not_there_is_named(tmp_path):
    make_run(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"model\.safetensors is not there: go on with the run"):
        load_run(tmp_path, Model())


def test_weights_that_do_not_fit_change_nothing(tmp_path):
    make_run(tmp_path)
    wide = Model(width=5)
    before = {name: tensor.clone() for name, tensor in wide.state_dict().items()}
    with pytest.raises(ValueError, match=r"head\.0\.weight is \(4, 3\) there and \(4, 5\)"):
        load_run(tmp_path, wide)
    path = tmp_path / "model.safetensors"
    tensors, header = tensor_files.read_tensors(path)
    bias = tensors.pop("head.0.bias")
    tensor_files.write_tensors(path, {**tensors, "head.9.bias": bias}, header)
    with pytest.raises(ValueError, match=r"lacks head\.0\.bias and has head\.9\.bias, 7 tensors"):
        load_run(tmp_path, wide)
    assert all(torch.equal(before[name], tensor) for name, tensor in wide.state_dict().items())


def test_tied_parameters_are_saved_once(tmp_path):
    model, other = Model(), Model(seed=1)
    for one in (model, other):
        one.twin.weight = one.head[0].weight
    optimizer = torch.optim.AdamW(model.head.parameters())
    config = {**CONFIG, "stage": {"trainable": ["head", "twin"]}}
    write_config(tmp_path, config)
    save_checkpoint(tmp_path, model, ("head", "twin"), optimizer, 1, config)
    load_run(tmp_path, other)
    assert torch.equal(other.twin.weight, model.head[0].weight)
    assert other.twin.weight is other.head[0].weight


def no_space(tensors, path, metadata=None):
    path.write_bytes(b"half")
    raise SafetensorError("I/O error: No space left on device (os error 28)")


@pytest.mark.parametrize("fails_at", [0, 1])
def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, monkeypatch, fails_at):
    model, optimizer = make_run(tmp_path, step=1)
    weights = {name: tensor.clone() for name, tensor in model.head.state_dict().items()}
    with torch.no_grad():
        model.head[0].weight.add_(1)
    calls, real = [], tensor_files.save_file

    def save(*arguments, **options):
        calls.append(0)
        return (no_space if len(calls) > fails_at else real)(*arguments, **options)

    monkeypatch.setattr(tensor_files, "save_file", save)
    with pytest.raises(OSError, match=r"No disk space is left for .*free some space") as caught:
        save_checkpoint(tmp_path, model, ("head",), optimizer, 2, CONFIG)
    assert caught.value.errno == errno.ENOSPC
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]
    other = Model(seed=1)
    fresh = torch.optim.AdamW(other.head.parameters())
    assert load_checkpoint(tmp_path, other, ("head",), fresh) == 1
    assert all(torch.equal(weights[n], t) for n, t in other.head.state_dict().items())


def test_a_full_disk_takes_a_half_written_metric_back(tmp_path, monkeypatch):
    metrics.append_metrics(tmp_path, {"step": 1, "loss": 0.5})

    class Full:
        def __init__(self, *arguments, **options):
            self.file = open(*arguments, **options)  # noqa: SIM115

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def write(self, text):
            self.file.write(text[:5])
            raise OSError(errno.ENOSPC, "No space left on device")

        def truncate(self, size):
            self.file.truncate(size)

    monkeypatch.setattr(metrics, "open", Full, raising=False)
    with pytest.raises(OSError, match="No disk space is left"):
        metrics.append_metrics(tmp_path, {"step": 2, "loss": 0.4})
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 1, "loss": 0.5}\n'


def test_metrics_are_cut_back_and_a_half_line_is_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert metrics.read_metrics(tmp_path) == []
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"step": 4, "lo')
    assert [row["step"] for row in metrics.read_metrics(tmp_path)] == [1, 2, 3]
    assert metrics.keep_metrics(tmp_path, 2) == [{"step": 1}, {"step": 2}]
    assert path.read_text() == '{"step": 1}\n{"step": 2}\n'
    path.write_text('{"step": 1}\n{"st\n{"step": 3}\n')
    with pytest.raises(ValueError, match="damaged in line 2"):
        metrics.read_metrics(tmp_path)


def test_leftovers_of_a_killed_process_are_removed(tmp_path):
    make_run(tmp_path)
    for name in (".model.safetensors.123.tmp", ".tmpAbC123", "notes.txt"):
        (tmp_path / name).touch()
    checkpoint.remove_leftovers(tmp_path)
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]
    assert (tmp_path / "notes.txt").exists()
