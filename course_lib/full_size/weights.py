"""Weights as the Hub has them: in one file or in several, as safetensors or as torch's own format.

Of a BLIP-2 the course needs image encoder and Q-Former, 5 GB of up to 50: only these are read.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

_SAFE, _PICKLED = "model.safetensors", "pytorch_model.bin"


def is_pickled(place: Path) -> bool:
    """Tells whether a directory has its weights in `pytorch_model.bin` alone."""
    return not any(place.glob("*.safetensors")) and any(place.glob("pytorch_model*.bin"))


def read_parts(place: Path, prefixes: tuple[str, ...]) -> dict[str, torch.Tensor]:
    """Reads the tensors whose names start with one of some prefixes.

    Args:
        place: directory of a model.
        prefixes: such as ("vision_model.",).

    Returns:
        Tensors by their full names, on the CPU, of the type in the file.

    Raises:
        ValueError: when there are none of them, or a file is missing or damaged.
    """
    found: dict[str, torch.Tensor] = {}
    for file in _files(place, prefixes):
        found |= _read(place / file, prefixes)
    lacking = [prefix for prefix in prefixes if not any(key.startswith(prefix) for key in found)]
    if lacking:
        raise ValueError(f"The weights of {place} have nothing named {lacking[0]}: fetch it again.")
    return found


def _files(place: Path, prefixes: tuple[str, ...]) -> list[str]:
    """Returns the names of the files that hold these tensors."""
    name = _PICKLED if is_pickled(place) else _SAFE
    index = place / f"{name}.index.json"
    if not index.is_file():
        return [name]
    try:
        files = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        wanted = {file for key, file in files.items() if key.startswith(prefixes)}
    except (ValueError, KeyError, AttributeError) as error:
        raise ValueError(f"{index} is damaged ({error}): fetch it again.") from error
    return sorted(wanted)


def _read(path: Path, prefixes: tuple[str, ...]) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise ValueError(f"{path} is not there: fetch the model again, or what is missing of it.")
    try:
        if path.suffix == ".bin":
            tensors = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            return {key: value for key, value in tensors.items() if key.startswith(prefixes)}
        with safe_open(path, framework="pt") as file:
            names = [key for key in file.keys() if key.startswith(prefixes)]  # noqa: SIM118
            return {key: file.get_tensor(key) for key in names}
    except (SafetensorError, OSError, RuntimeError, ValueError, EOFError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path} is damaged or cut short ({reason}): fetch it again.") from error
