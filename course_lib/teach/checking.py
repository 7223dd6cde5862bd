"""The two small words of every notebook: a statement that holds or not, and numbers that agree."""

from typing import Any

import torch


def check(what: str, holds: Any) -> None:
    """Prints a statement and whether it holds: "equal to the library's: True"."""
    print(f"{what}: {bool(holds)}")


def close(a: torch.Tensor, b: torch.Tensor, tolerance: float = 1e-5) -> bool:
    """Returns whether no two numbers of the same place differ by `tolerance` or more."""
    return (a - b).abs().max().item() < tolerance
