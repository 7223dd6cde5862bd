"""Outputs as bytes and back: what comes from a learner's process is data, never code.

Structure is JSON, tensors are safetensors; nothing is unpickled, and an object of a learner's own
class, which could call itself equal to anything, does not get through.
"""

import json
import struct
from typing import Any

import numpy as np
import torch
from safetensors import torch as safe

MOST_BYTES = 16 * 2**20
_PLAIN = bool | int | float | str | None


def pack(value: Any) -> bytes:
    """Writes a value: numbers, strings, tensors, `...`, and tuples, lists, dictionaries of them.

    Raises:
        ValueError: for anything else, and for more than MOST_BYTES.
    """
    tensors: dict[str, torch.Tensor] = {}
    try:
        head = json.dumps(_tree(value, tensors)).encode()
    except RecursionError:
        raise ValueError("its lists are nested too deeply") from None
    size = len(head) + sum(t.numel() * t.element_size() for t in tensors.values())
    if size > MOST_BYTES:
        raise ValueError(f"it gives {size // 2**20} MB, at most {MOST_BYTES // 2**20} are taken")
    return struct.pack("<Q", len(head)) + head + (safe.save(tensors) if tensors else b"")


def unpack(data: bytes) -> Any:
    """Reads what `pack` wrote.

    Raises:
        ValueError: for any other bytes.
    """
    try:
        (length,) = struct.unpack_from("<Q", data)
        head, rest = data[8 : 8 + length], data[8 + length :]
        return _value(json.loads(head), safe.load(rest) if rest else {})
    except Exception as error:  # hostile bytes fail in many ways, all of them mean the same
        raise ValueError(f"these bytes hold no output: {error}") from None


def _tree(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        value = torch.from_numpy(np.ascontiguousarray(value))
    if isinstance(value, torch.Tensor) and value.device.type == "cpu" and not value.is_sparse:
        tensors[str(len(tensors))] = value.detach().contiguous().clone()
        return {"tensor": str(len(tensors) - 1)}
    if type(value) in (bool, int, float, str, type(None)):
        return {"plain": value}
    if value is Ellipsis:
        return {"open": True}
    if isinstance(value, tuple | list):
        return {"tuple" if isinstance(value, tuple) else "list": [_tree(v, tensors) for v in value]}
    if isinstance(value, dict):
        return {"dict": [[_tree(k, tensors), _tree(v, tensors)] for k, v in value.items()]}
    if isinstance(value, bool | int | float | str):
        return _tree(next(t for t in (int, float, str) if isinstance(value, t))(value), tensors)
    raise ValueError(f"it gives a {type(value).__name__}, which is no plain value")


def _value(tree: Any, tensors: dict[str, torch.Tensor]) -> Any:
    ((kind, inside),) = tree.items()
    if kind == "tensor":
        return tensors[inside]
    if kind == "plain" and isinstance(inside, _PLAIN):
        return inside
    if kind == "open":
        return Ellipsis
    if kind in ("tuple", "list"):
        made = [_value(part, tensors) for part in inside]
        return tuple(made) if kind == "tuple" else made
    if kind == "dict":
        return {_value(key, tensors): _value(part, tensors) for key, part in inside}
    raise ValueError(f"unknown kind {kind!r}")
