"""Checkpoints in shards: every process writes its share, and any number of processes reads them.

    sharded-000100/             after that step: trained weights and moments, torch's own format
    model.safetensors           after the last step alone: trained weights, gathered

A directory takes its name when all its files are written; the one before is removed after that.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import torch
from torch import distributed, nn

from course_lib.training.adamw import moments_of, set_moment
from course_lib.training.checkpoint import RUN_VERSION, trained_tensors
from course_lib.training.sharding import whole
from course_lib.training.tensor_files import write_tensors

_PATTERN = "sharded-*"


def save_shards(
    run_dir: str | Path,
    model: nn.Module,
    trainable: tuple[str, ...],
    optimizer: torch.optim.Optimizer,
    step: int,
) -> None:
    """Saves trained weights and optimiser after `step` finished steps; all processes call it.

    Raises:
        OSError: when the disk is full; the checkpoint before this one still stands.
    """
    run_dir = Path(run_dir)
    target = run_dir / f"sharded-{step:06d}"
    temporary = run_dir / f".{target.name}.tmp"
    if _is_first() and temporary.exists():
        shutil.rmtree(temporary)
    _wait()
    state = {"weights": trained_tensors(model, trainable), "moments": moments_of(model, optimizer)}
    with _quiet():
        _dcp().save(state, checkpoint_id=temporary, no_dist=not _distributed())
    _wait()
    if _is_first():
        temporary.replace(target)
        for old in run_dir.glob(_PATTERN):
            if old != target:
                shutil.rmtree(old)
    _wait()


def load_shards(
    run_dir: str | Path,
    model: nn.Module,
    trainable: tuple[str, ...],
    optimizer: torch.optim.Optimizer,
) -> int:
    """Restores weights and optimiser in place, whoever many processes wrote them.

    Returns:
        How many steps were finished; 0 when the run was stopped before its first checkpoint.

    Raises:
        ValueError: when a file is damaged or missing, or does not fit the model.
    """
    found = sorted(Path(run_dir).glob(_PATTERN))
    if not found:
        return 0
    path = found[-1]
    weights, parameters = trained_tensors(model, trainable), dict(model.named_parameters())
    kept = _names(path)
    there = {name.removeprefix("weights.") for name in kept if name.startswith("weights.")}
    if there != weights.keys():
        odd = sorted(there ^ weights.keys())
        raise ValueError(
            f"{path} does not fit the model: {len(odd)} tensors such as {odd[0]!r} are in one of "
            "them alone: build the model with the recipe and the scale of that run."
        )
    moments = {}
    for name in kept:
        kind, _, rest = name.partition(".")
        key, _, parameter = rest.partition("/")
        if kind == "moments":
            like = parameters[parameter].detach()
            moments[rest] = torch.zeros(()) if key == "step" else torch.zeros_like(like)
    state = {"weights": {n: t.detach() for n, t in weights.items()}, "moments": moments}
    _read(path, state)
    for name, value in moments.items():
        key, _, parameter = name.partition("/")
        set_moment(optimizer, parameters[parameter], key, value)
    return int(path.name.partition("-")[2])


def export_weights(
    run_dir: str | Path, model: nn.Module, trainable: tuple[str, ...], step: int, config: Mapping
) -> None:
    """Gathers the trained weights into one model.safetensors; all processes call it."""
    tensors = {name: whole(tensor) for name, tensor in trained_tensors(model, trainable).items()}
    if _is_first():
        header = {"step": step, "recipe": config.get("recipe"), "version": RUN_VERSION}
        write_tensors(Path(run_dir) / "model.safetensors", tensors, header)
    _wait()


@contextmanager
def _quiet() -> Iterator[None]:
    """Hides the warning that there is one process alone, which may be so on purpose."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        yield


def _dcp() -> ModuleType:
    from torch.distributed import checkpoint  # half a second, and few runs need it

    return checkpoint


def _names(path: Path) -> list[str]:
    try:
        return sorted(_dcp().FileSystemReader(path).read_metadata().state_dict_metadata)
    except Exception as error:  # pickle raises what it likes
        raise _damaged(path, error) from error


def _read(path: Path, state: dict) -> None:
    try:
        with _quiet():
            _dcp().load(state, checkpoint_id=path, no_dist=not _distributed())
    except (Exception, _dcp().CheckpointException) as error:  # the latter is none of the former
        raise _damaged(path, error) from error


def _damaged(path: Path, error: BaseException) -> ValueError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return ValueError(
        f"{path} is damaged or of another model ({lines[-1]}): start the run again in another "
        "directory."
    )


def _distributed() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def _is_first() -> bool:
    return not _distributed() or distributed.get_rank() == 0


def _wait() -> None:
    if _distributed():
        distributed.barrier()
