"""Files for clusters: accelerate's own classes read them; the Slurm script says what it should."""

import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from accelerate.commands.config.config_args import ClusterConfig, load_config_from_file
from accelerate.commands.launch import launch_command_parser
from accelerate.utils.launch import prepare_multi_gpu_env
from typer.testing import CliRunner

from course_lib.cli import app
from course_lib.training.layout import Layout, as_launched

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs/accelerate").glob("*.yaml"))
SLURM = ROOT / "configs/slurm/train.sh"


def test_all_three_are_there():
    assert [path.stem for path in CONFIGS] == ["ddp", "fsdp2", "multi_node"]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_accelerate_reads_them(path):
    config = load_config_from_file(str(path))
    assert isinstance(config, ClusterConfig)
    assert config.distributed_type.value == ("FSDP" if path.stem == "fsdp2" else "MULTI_GPU")
    assert config.mixed_precision == "bf16" and not config.use_cpu
    assert config.num_processes % config.num_machines == 0
    assert "gradient_accumulation" not in path.read_text()
    assert (config.num_machines > 1) == (path.stem == "multi_node")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_what_the_launcher_makes_of_them_is_what_the_loop_does(path, monkeypatch):
    environment = environment_of(path, monkeypatch)
    layout = as_launched(Layout(), environment)
    sharded = path.stem == "fsdp2"
    assert layout == Layout(sharded=sharded, recompute=sharded)
    assert environment["ACCELERATE_MIXED_PRECISION"] == "bf16"
    if sharded:
        assert environment["FSDP_VERSION"] == "2"


def environment_of(path, monkeypatch):
    """Asks accelerate's launcher which variables a process would get."""
    from accelerate.commands.launch import _validate_launch_command

    arguments = ["--config_file", str(path), "script.py"]
    parsed = launch_command_parser().parse_args(arguments)
    checked = _validate_launch_command(parsed)
    args = checked[0] if isinstance(checked, tuple) else checked
    assert args.use_fsdp == (path.stem == "fsdp2")
    return prepare_multi_gpu_env(args)


@pytest.fixture
def cluster(tmp_path):
    """Puts in the way of the script what a cluster has, each of which tells how it was called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, does in {
        "scontrol": "printf 'node7\\nnode8\\n'",
        "srun": 'shift; exec "$@"',
        "accelerate": 'printf "%s\\n" "$@"',
        "course": "exit 9",
    }.items():
        (folder / name).write_text(f"#!/bin/sh\n{does}\n")
        (folder / name).chmod(0o755)
    slurm = {"SLURM_JOB_NODELIST": "node[7-8]", "SLURM_JOB_ID": "123456", "SLURM_NNODES": "2"}
    slurm |= {"SLURM_NODEID": "1", "OUT": str(tmp_path / "run one")}
    environment = {**os.environ, **slurm, "PATH": f"{folder}:{os.environ['PATH']}"}
    return SimpleNamespace(environment=environment, course=folder / "course")


def start(cluster, *arguments, **changes):
    environment = {k: v for k, v in (cluster.environment | changes).items() if v is not None}
    command = ["bash", str(SLURM), *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_the_slurm_script_starts_accelerate_on_every_machine(cluster):
    done = start(cluster, "llava", "--stage", "1")
    assert done.returncode == 0, done.stderr
    kind, *arguments = done.stdout.splitlines()
    assert kind == "launch"
    parsed = launch_command_parser().parse_args(arguments)
    assert (parsed.num_machines, parsed.num_processes, parsed.machine_rank) == (2, 16, 1)
    assert (parsed.main_process_ip, parsed.main_process_port) == ("node7", 20000 + 3456)
    assert load_config_from_file(str(ROOT / parsed.config_file)).num_machines == 2
    assert parsed.training_script == str(cluster.course)
    out = cluster.environment["OUT"]
    assert parsed.training_script_args == ["train", "llava", "--stage", "1", "--out", out]
    # `course` takes these words: it only refuses the recipe.
    words = ["train", "lava", *parsed.training_script_args[2:], "--resume"]
    refused = CliRunner().invoke(app, words)
    assert "did you mean 'llava'" in str(refused.exception)


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_the_slurm_script_goes_on_and_says_what_is_missing(cluster):
    run = Path(cluster.environment["OUT"])
    run.mkdir()
    (run / "config.json").write_text("{}")
    fsdp2 = "configs/accelerate/fsdp2.yaml"
    done = start(cluster, "llava", CONFIG=fsdp2, GPUS="4")
    assert done.stdout.splitlines()[-1] == "--resume"
    parsed = launch_command_parser().parse_args(done.stdout.splitlines()[1:])
    assert parsed.num_processes == 8 and parsed.config_file == fsdp2
    missing = start(cluster, "llava", OUT=None)
    assert missing.returncode != 0 and "say where the run is kept" in missing.stderr
    missing = start(cluster, "llava", SLURM_JOB_NODELIST=None)
    assert missing.returncode != 0 and "with sbatch" in missing.stderr
