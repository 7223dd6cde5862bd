"""GPUs: how much fits, how fast they multiply at best, what an hour costs."""

from __future__ import annotations

from dataclasses import dataclass

_GIB = 2**30


@dataclass(frozen=True)
class GPU:
    """One kind of GPU.

    Args:
        name: as it is typed.
        memory: bytes.
        peak: FLOP/s of dense matrix products in bfloat16 (float16 where the chip has no other) that
            add up in float32: the vendor's data sheet, without sparsity.
        usd: list price of an hour at a large provider, on demand; None where none is known.
        bfloat16: whether it multiplies in that type.
    """

    name: str
    memory: float
    peak: float
    usd: float | None = None
    bfloat16: bool = True


# Prices: 4.10 is what VPGTrans counts with (table 4: 2,586.8 USD for 631.5 hours); the others are
# AWS's of 2023 and 2024, divided by the GPUs of a machine. Smaller providers ask a third of that.
_TABLE = (
    GPU("t4-16gb", 16 * _GIB, 65e12, 0.53, bfloat16=False),
    GPU("rtx-4080-16gb", 16 * _GIB, 97e12),
    GPU("rtx-3090-24gb", 24 * _GIB, 71e12),
    GPU("rtx-4090-24gb", 24 * _GIB, 165e12),
    GPU("l4-24gb", 24 * _GIB, 121e12, 0.80),
    GPU("v100-32gb", 32 * _GIB, 125e12, 3.90, bfloat16=False),
    GPU("a100-40gb", 40 * _GIB, 312e12, 4.10),
    GPU("a100-80gb", 80 * _GIB, 312e12, 5.12),
    GPU("h100-80gb", 80 * _GIB, 989e12, 12.29),
    GPU("h200-141gb", 141 * _GIB, 989e12),
)
GPUS = {gpu.name: gpu for gpu in _TABLE}
# What a scale is made for, where nobody says otherwise.
USUAL = {"toy": ("rtx-4080-16gb", 1), "small": ("rtx-4080-16gb", 1), "a100": ("a100-80gb", 8)}


def gpu_of(name: str) -> GPU:
    """Returns a kind of GPU.

    Raises:
        ValueError: for an unknown one, with all that are known.
    """
    if name.lower() not in GPUS:
        raise ValueError(f"Unknown GPU {name!r}: choose one of {', '.join(GPUS)}.")
    return GPUS[name.lower()]
