"""Run directories: trained weights alone, in files that are whole or not there.

    config.json                 recipe, scale, stage, seed, version of this layout
    model.safetensors           what the stage trains, and nothing else; its header names the step
    state-000100.safetensors    the optimiser's moments after that step
    metrics.jsonl               one JSON object a line

Replacing model.safetensors is the one moment at which a checkpoint comes to be: the state of that
step is on the disk before, and the state of the step before is removed after. A process may be
killed between any two of these and the directory still holds one complete checkpoint.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from course_lib.errors import atomic_path
from course_lib.training.adamw import moments_of, set_moment
from course_lib.training.stages import listed_names
from course_lib.training.tensor_files import copy_into, read_tensors, saved_tensors, write_tensors

RUN_VERSION = 1


def has_run(run_dir: str | Path) -> bool:
    """Tells whether a run was started in the directory."""
    return (Path(run_dir) / "config.json").is_file()


def read_config(run_dir: str | Path, recipe: str | None = None) -> dict:
    """Reads what a run directory holds.

    Args:
        run_dir: the directory.
        recipe: the recipe that it has to be of; None takes any.

    Raises:
        ValueError: when there is no run, when it is of another recipe, or of another version of
            this layout.
    """
    path = Path(run_dir) / "config.json"
    try:
        config = dict(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(
            f"{run_dir} holds no run (it has no config.json): check the path, or train one first."
        ) from None
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{path} is damaged ({error}): train the run again, or fetch the directory again."
        ) from error
    if config.get("version") != RUN_VERSION:
        raise ValueError(
            f"{run_dir} was written in version {config.get('version')} of the run directory and "
            f"this library reads version {RUN_VERSION}: train the run again, or use the version of "
            "the library that wrote it."
        )
    if recipe is not None and config.get("recipe") != recipe:
        raise ValueError(
            f"{run_dir} is a run of the recipe {config.get('recipe')!r}, not of {recipe!r}: give a "
            f"run directory of {recipe!r}."
        )
    return config


def write_config(run_dir: str | Path, config: Mapping) -> None:
    """Writes config.json, adding the layout's version; creates the directory."""
    Path(run_dir).mkdir(parents=True, exist_ok=True)
    text = json.dumps({**config, "version": RUN_VERSION}, indent=2) + "\n"
    with atomic_path(Path(run_dir) / "config.json") as path:
        path.write_text(text, encoding="utf-8")


def trained_tensors(model: nn.Module, trainable: tuple[str, ...]) -> dict[str, torch.Tensor]:
    """Returns the parameters and persistent buffers that a stage's list takes, tied ones once."""
    listed = listed_names(model, trainable)
    return {name: tensor for name, tensor in saved_tensors(model).items() if name in listed}


def save_checkpoint(
    run_dir: str | Path,
    model: nn.Module,
    trainable: tuple[str, ...],
    optimizer: torch.optim.Optimizer,
    step: int,
    config: Mapping,
) -> None:
    """Saves trained weights and optimiser so that training goes on after `step` finished steps.

    Raises:
        OSError: when the disk is full; the checkpoint before this one still stands.
    """
    run_dir = Path(run_dir)
    state = run_dir / f"state-{step:06d}.safetensors"
    write_tensors(state, moments_of(model, optimizer), {"step": step})
    header = {"step": step, "recipe": config.get("recipe"), "version": RUN_VERSION}
    write_tensors(run_dir / "model.safetensors", trained_tensors(model, trainable), header)
    for old in run_dir.glob("state-*.safetensors"):
        if old != state:
            old.unlink()


def load_checkpoint(
    run_dir: str | Path,
    model: nn.Module,
    trainable: tuple[str, ...],
    optimizer: torch.optim.Optimizer,
) -> int:
    """Restores weights and optimiser in place.

    Returns:
        How many steps were finished; 0 when the run was stopped before its first checkpoint.

    Raises:
        ValueError: when a file is damaged or does not fit the model.
    """
    run_dir = Path(run_dir)
    if not (run_dir / "model.safetensors").exists():
        return 0
    remedy = "start the run again in another directory"
    tensors, header = read_tensors(run_dir / "model.safetensors", remedy)
    step = int(header.get("step", 0))
    state_path = run_dir / f"state-{step:06d}.safetensors"
    moments, _ = read_tensors(state_path, remedy)
    copy_into(model, tensors, listed_names(model, trainable), str(run_dir / "model.safetensors"))
    parameters = dict(model.named_parameters())
    for name, value in moments.items():
        key, _, parameter = name.partition("/")
        # The clone lets go of the file, which is mapped into memory.
        set_moment(optimizer, parameters[parameter], key, value.clone())
    return step


def load_run(run_dir: str | Path, model: nn.Module, recipe: str | None = None) -> dict:
    """Loads a run's trained weights into a model built like the one that was trained.

    Args:
        run_dir: the run; only config.json and model.safetensors are read.
        model: takes the trained weights in place; all other weights stay.
        recipe: the recipe that the run has to be of; None takes any.

    Returns:
        The run's configuration.

    Raises:
        ValueError: for another recipe or version, a damaged file, weights that do not fit.
    """
    config = read_config(run_dir, recipe)
    path = Path(run_dir) / "model.safetensors"
    trainable = (config.get("stage") or {}).get("trainable")
    if not trainable:
        raise ValueError(
            f"{run_dir}/config.json does not say what the run trained (stage.trainable): fetch the "
            "directory again, or train the run again."
        )
    tensors, header = read_tensors(path, "go on with the run (resume), or fetch it again")
    if header.get("recipe", config.get("recipe")) != config.get("recipe"):
        raise ValueError(
            f"{path} holds weights of the recipe {header['recipe']!r} and config.json beside it is "
            f"of {config.get('recipe')!r}: put the two files of one run together again."
        )
    copy_into(model, tensors, listed_names(model, tuple(trainable)), str(path))
    return config


def remove_leftovers(run_dir: str | Path) -> None:
    """Removes temporary files that a killed process left in a run directory."""
    for pattern in (".*.tmp", ".tmp??????"):
        for leftover in Path(run_dir).glob(pattern):
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink(missing_ok=True)
