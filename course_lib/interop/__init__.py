"""Weights from and to others: transformers' BLIP-2 classes, the official LAVIS checkpoints."""

from course_lib.interop.blip2_hf import (
    from_hf,
    pretraining_from_hf,
    pretraining_to_hf,
    qformer_from_hf,
    qformer_to_hf,
    to_hf,
)
from course_lib.interop.lavis import load_lavis_stage1, load_lavis_stage2

__all__ = [
    "from_hf",
    "load_lavis_stage1",
    "load_lavis_stage2",
    "pretraining_from_hf",
    "pretraining_to_hf",
    "qformer_from_hf",
    "qformer_to_hf",
    "to_hf",
]
