"""Two outputs side by side: the first thing in which they differ, as a sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class Fault:
    """The first difference that counts: which property, and what exactly."""

    property: str
    says: str


def has_ellipsis(output: Any) -> bool:
    """Says whether `...` stands anywhere in an output."""
    if isinstance(output, dict):
        return any(has_ellipsis(value) for value in output.values())
    if isinstance(output, tuple | list):
        return any(has_ellipsis(value) for value in output)
    return output is Ellipsis


def difference(yours: Any, right: Any, tolerance: float, place: str = "") -> Fault | float:
    """Compares an output with the right one, through tuples, lists and dictionaries.

    Args:
        yours: the output of an answer.
        right: the output of the reference.
        tolerance: largest absolute difference that counts as equal.
        place: where in the output this is, such as "[0]['loss']"; empty for all of it.

    Returns:
        The first fault, or the largest difference where there is none.
    """
    if isinstance(right, dict | tuple | list):
        return _containers(yours, right, tolerance, place)
    if isinstance(right, np.ndarray):
        right = torch.from_numpy(right)
        yours = torch.from_numpy(yours) if isinstance(yours, np.ndarray) else yours
    if isinstance(right, torch.Tensor):
        return _tensors(yours, right, tolerance, place)
    return _plain(yours, right, tolerance, place)


def _containers(yours: Any, right: Any, tolerance: float, place: str) -> Fault | float:
    is_dict = isinstance(right, dict)
    at = f" at {place}" if place else ""
    if not isinstance(yours, dict if is_dict else tuple | list):
        wanted = f"a dictionary with {list(right)}" if is_dict else f"{len(right)} values"
        return Fault("type", f"it should give {wanted}{at}, yours gives {kind_of(yours)}")
    if is_dict and set(yours) != set(right):
        return Fault("keys", f"the keys{at} should be {list(right)}, yours are {list(yours)}")
    if len(yours) != len(right):
        return Fault("length", f"it should give {len(right)} values{at}, yours gives {len(yours)}")
    largest = 0.0
    for key in right if is_dict else range(len(right)):
        found = difference(yours[key], right[key], tolerance, f"{place}[{key!r}]")
        if isinstance(found, Fault):
            return found
        largest = max(largest, found)
    return largest


def _plain(yours: Any, right: Any, tolerance: float, place: str) -> Fault | float:
    at = f" at {place}" if place else ""
    yours = _single(yours)
    if _is_number(yours) and _is_number(right):
        gap = abs(yours - right)
        if gap <= tolerance:
            return float(gap)
        return Fault("values", f"yours is {_shown(yours)}{at}, should be {_shown(right)}")
    if type(yours) is not type(right):
        return Fault("type", f"it should give {kind_of(right)}{at}, yours gives {kind_of(yours)}")
    if yours != right:
        return Fault("values", f"yours is {yours!r}{at}, should be {right!r}")
    return 0.0


def _tensors(yours: Any, right: torch.Tensor, tolerance: float, place: str) -> Fault | float:
    at = f" at {place}" if place else ""
    if not isinstance(yours, torch.Tensor):
        return Fault("type", f"it should give {kind_of(right)}{at}, yours gives {kind_of(yours)}")
    for name, is_, should in (
        ("shape", tuple(yours.shape), tuple(right.shape)),
        ("device", yours.device, right.device),
        ("dtype", yours.dtype, right.dtype),
    ):
        if is_ != should:
            return Fault(name, f"the {name}{at} should be {should}, yours is {is_}")
    mine, true = yours.detach().double(), right.detach().double()
    strange = mine.isnan() & ~true.isnan()
    if strange.any():
        first = strange.nonzero()[0].tolist()
        where = f" at {first}" if first else ""
        return Fault("finite", f"yours is NaN{where}{at}")
    same = (mine == true) | (mine.isnan() & true.isnan())
    gap = torch.where(same, 0.0, (mine - true).abs()).nan_to_num(math.inf, math.inf)
    wrong = gap > tolerance
    if not wrong.any():
        return float(gap.max()) if gap.numel() else 0.0
    first = tuple(wrong.nonzero()[0].tolist())
    where = f" at {list(first)}{at}" if first else at
    count = f" ({int(wrong.sum())} of {wrong.numel()} differ)" if wrong.numel() > 1 else ""
    values = f"yours is {_shown(yours[first].item())}{where}, should be"
    return Fault("values", f"{values} {_shown(right[first].item())}{count}")


def _single(value: Any) -> Any:
    """Takes a number out of a tensor or array of one: a reader sees no difference."""
    size = value.numel() if isinstance(value, torch.Tensor) else getattr(value, "size", None)
    holds = isinstance(value, torch.Tensor | np.ndarray | np.generic)
    return value.item() if holds and size == 1 else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def kind_of(value: Any) -> str:
    """Names a value in words: "a Tensor of shape (3, 3)", "an int", "nothing (None)"."""
    if isinstance(value, torch.Tensor | np.ndarray):
        return f"a {type(value).__name__} of shape {tuple(value.shape)}"
    name = type(value).__name__
    article = "an" if name[0].lower() in "aeiou" else "a"
    return "nothing (None)" if value is None else f"{article} {name}"


def _shown(value: float | bool | int) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)
