"""Runs on two processes, one of them killed in the middle: they go on, on as many or on others."""

import shutil
from pathlib import Path

import pytest
import torch

from course_lib.training.checkpoint import read_config
from course_lib.training.layout import Layout
from course_lib.training.metrics import read_metrics
from course_lib.training.tensor_files import read_tensors
from tests.gloo_run_worker import CASE, KILL_AT, LAYOUTS, STEPS, run
from tests.processes import ROOT, launched, torchrun

pytestmark = pytest.mark.timeout(900)  # several processes, on a busy machine
WORKER = Path(__file__).parents[1] / "gloo_run_worker.py"
SAVED = 3  # the last checkpoint before the kill


class Killed(BaseException):
    """Stands for a kill where the process has to live."""


def stop(step, row):
    if step == KILL_AT:
        raise Killed


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run that nobody killed, in one process, both parts of a step one after the other."""
    folder = tmp_path_factory.mktemp("whole")
    rows = run(folder, "two parts")
    assert len(rows) == STEPS and len({row["loss"] for row in rows}) == STEPS
    assert rows[-1]["eval"]["words"] > 0
    return rows, read_tensors(folder / "two parts/model.safetensors")[0]


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Three runs that stopped after step 5: two on two processes by SIGKILL, one on one."""
    folder = tmp_path_factory.mktemp("killed")
    for name in ("copies", "shards"):
        done = torchrun(WORKER, folder, "kill", name)
        assert done.returncode != 0 and "SIGKILL" in done.stderr, done.stderr[-2000:]
        assert "Signal 9" in done.stderr and len(read_metrics(folder / name)) == KILL_AT
    with pytest.raises(Killed):
        run(folder, "two parts", on_step=stop)
    return folder


@pytest.fixture(scope="module")
def on_two(killed, tmp_path_factory):
    """All three gone on with by two processes."""
    folder = tmp_path_factory.mktemp("two") / "runs"
    shutil.copytree(killed, folder)
    done = torchrun(WORKER, folder, "resume", *LAYOUTS)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def assert_same_end(folder, name, whole):
    expected, weights = whole
    rows, losses = read_metrics(folder / name), [row["loss"] for row in expected]
    assert rows[-1]["eval"] == expected[-1]["eval"]
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    torch.testing.assert_close([row["loss"] for row in rows], losses, rtol=1e-4, atol=1e-5)
    found, header = read_tensors(folder / name / "model.safetensors")
    assert header["step"] == STEPS and found.keys() == weights.keys()
    for key, value in weights.items():
        torch.testing.assert_close(found[key], value, rtol=1e-3, atol=2e-4, msg=key)


@pytest.mark.parametrize("name", LAYOUTS)
def test_two_processes_go_on(on_two, whole, name):
    assert_same_end(on_two, name, whole)


@pytest.mark.parametrize("name", LAYOUTS)
def test_one_process_goes_on(killed, whole, name, tmp_path):
    shutil.copytree(killed / name, tmp_path / name)
    assert read_config(tmp_path / name)["parts"] == 2
    layout = Layout(sharded=name == "shards")
    run(tmp_path, name, resume=True, layout=layout)
    assert_same_end(tmp_path, name, whole)


def test_what_the_files_are(killed, on_two):
    assert {p.name for p in (killed / "shards" / f"sharded-{SAVED:06d}").glob("*.distcp")} == {
        "__0_0.distcp",
        "__1_0.distcp",
    }
    assert not (killed / "shards/model.safetensors").exists()
    assert [p.name for p in (on_two / "shards").glob("sharded-*")] == [f"sharded-{STEPS:06d}"]
    assert (killed / f"copies/state-{SAVED:06d}.safetensors").exists()
    kept = read_tensors(on_two / "shards/model.safetensors")[0]
    start = {k: v for k, v in CASE.build().named_parameters() if k in kept}
    assert any(not torch.equal(kept[name], value) for name, value in start.items())


def test_a_run_of_copies_does_not_go_on_in_shards(killed, tmp_path):
    shutil.copytree(killed / "copies", tmp_path / "copies")
    with pytest.raises(ValueError, match="sharded=None and is now to go on with True"):
        run(tmp_path, "copies", resume=True, layout=Layout(sharded=True))
    with pytest.raises(ValueError, match="parts=2 and is now to go on with 4"):
        run(tmp_path, "copies", resume=True, layout=Layout(parts=4))


@pytest.mark.parametrize("config", ["ddp", "fsdp2"])
def test_accelerates_launcher_with_the_committed_files(config, whole, tmp_path):
    options = ["--config_file", ROOT / f"configs/accelerate/{config}.yaml"]
    options += ["--num_processes", "2", "--mixed_precision", "no"]
    done = launched(["accelerate.commands.launch", *options], WORKER, tmp_path, "start", "copies")
    assert done.returncode == 0, done.stderr[-3000:]
    assert read_config(tmp_path / "copies")["parts"] == 2
    shards = [len(list(p.glob("*.distcp"))) for p in tmp_path.glob("copies/sharded-*")]
    assert shards == ([2] if config == "fsdp2" else [])
    assert_same_end(tmp_path, "copies", whole)
