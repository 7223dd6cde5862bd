"""Shapes in words: what went into a module and what came out, whatever it is packed in."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import torch


def shapes_of(value: Any) -> tuple[str, ...]:
    """Lists the shapes of all tensors in a value, names in front where it has them.

    Args:
        value: a tensor, or tuples, lists, mappings, dataclasses and caches of them, one in another.

    Returns:
        Strings such as "(2, 16, 128)", "logits: (2, 5, 96)" or, for neighbours that are alike,
        "4 × (2, 4, 16, 32)"; none where no tensor is in it.
    """
    found = list(_walk("", value, set()))
    runs: list[list[Any]] = []
    for name, shape in found:
        if runs and runs[-1][:2] == [name, shape]:
            runs[-1][2] += 1
        else:
            runs.append([name, shape, 1])
    return tuple(
        f"{f'{name}: ' if name else ''}{f'{count} × ' if count > 1 else ''}{shape}"
        for name, shape, count in runs
    )


def _walk(name: str, value: Any, above: set[int]) -> Iterator[tuple[str, str]]:
    if isinstance(value, torch.Tensor):
        yield name, str(tuple(value.shape)) if value.dim() else "scalar"
        return
    if isinstance(value, str | bytes | torch.nn.Module | type) or id(value) in above:
        return
    above = above | {id(value)}  # a value that holds itself ends here
    for inner_name, inner in _parts(value):
        yield from _walk(_join(name, inner_name), inner, above)


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """Yields (name, part); what stands in a plain row has no name."""
    if isinstance(value, Mapping):
        yield from ((str(key), part) for key, part in value.items())
    elif hasattr(value, "_fields"):
        yield from zip(value._fields, value, strict=True)
    elif isinstance(value, tuple | list):
        yield from (("", part) for part in value)
    elif dataclasses.is_dataclass(value):
        yield from ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
    elif isinstance(layers := getattr(value, "layers", None), list):  # a cache of transformers
        yield from (("", (getattr(x, "keys", None), getattr(x, "values", None))) for x in layers)


def _join(outer: str, inner: str) -> str:
    return f"{outer}.{inner}" if outer and inner else outer or inner
