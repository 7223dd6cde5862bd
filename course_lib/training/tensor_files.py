"""Tensors in safetensors files: written whole or not at all, read strictly, errors in sentences."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from course_lib.errors import atomic_path


def saved_tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    """Returns a model's parameters and persistent buffers by name, tied ones once."""
    persistent = model.state_dict().keys()
    buffers = {name: buffer for name, buffer in model.named_buffers() if name in persistent}
    return {**dict(model.named_parameters()), **buffers}


def write_tensors(
    path: str | Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping | None = None
) -> None:
    """Writes tensors and a JSON-able header to one safetensors file, whole or not at all.

    Raises:
        OSError: when the disk is full; what was there before is untouched.
    """
    ready = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    header = {"course": json.dumps(dict(metadata or {}))}
    with atomic_path(path) as temporary:
        save_file(ready, temporary, metadata=header)


def read_tensors(
    path: str | Path, remedy: str = "fetch or make it again"
) -> tuple[dict[str, torch.Tensor], dict]:
    """Reads a safetensors file whole, and the header of `write_tensors` ({} for other files).

    Args:
        path: the file.
        remedy: what to do when it is damaged, as the end of a sentence.

    Returns:
        (tensors on the CPU, header).

    Raises:
        ValueError: when the file is not there, or is cut short, or is no safetensors file.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} is not there: {remedy}.")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("course", "{}"))
            names = file.keys()
            return {name: file.get_tensor(name) for name in names}, header
    except (SafetensorError, OSError, ValueError) as error:
        size = path.stat().st_size
        raise ValueError(
            f"{path} is damaged or cut short ({size:,} bytes; {error}): {remedy}."
        ) from error


def copy_into(
    model: nn.Module, tensors: Mapping[str, torch.Tensor], expected: set[str], source: str
) -> None:
    """Copies tensors into a model by name, strictly; types are converted (float16 to float32).

    Args:
        model: takes the values in place.
        tensors: the values by name; of tied tensors one name is enough.
        expected: the names that have to be there, neither more nor fewer.
        source: where they come from, for the error.

    Raises:
        ValueError: for missing names, unexpected names, or other shapes; the model is untouched.
    """
    own = saved_tensors(model)
    expected = expected & own.keys()
    missing, extra = sorted(expected - tensors.keys()), sorted(tensors.keys() - expected)
    if missing or extra:
        parts = [f"lacks {_some(missing)}"] * bool(missing) + [f"has {_some(extra)}"] * bool(extra)
        raise ValueError(
            f"{source} does not fit the model: it {' and '.join(parts)}, {len(expected)} tensors "
            "are expected: build the model with the recipe and the scale of that run."
        )
    for name in sorted(expected):
        if own[name].shape != tensors[name].shape:
            raise ValueError(
                f"{source} does not fit the model: {name} is {tuple(tensors[name].shape)} there "
                f"and {tuple(own[name].shape)} in the model: build the model with the recipe and "
                "the scale of that run."
            )
    with torch.no_grad():
        for name in expected:
            own[name].copy_(tensors[name])


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
