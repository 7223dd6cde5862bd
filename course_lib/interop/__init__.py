"""Weights from and to others: transformers' classes, checkpoints of LAVIS, LLaVA and
OpenFlamingo."""

from course_lib.interop.blip2_hf import (
    from_hf,
    pretraining_from_hf,
    pretraining_to_hf,
    qformer_from_hf,
    qformer_to_hf,
    to_hf,
)
from course_lib.interop.lavis import load_lavis_stage1, load_lavis_stage2
from course_lib.interop.llava import (
    current_names,
    llava_from_hf,
    llava_to_hf,
    projector_from_original,
    projector_to_original,
)
from course_lib.interop.open_flamingo import load_open_flamingo, open_flamingo_tensors

__all__ = [
    "current_names",
    "from_hf",
    "llava_from_hf",
    "llava_to_hf",
    "load_lavis_stage1",
    "load_lavis_stage2",
    "load_open_flamingo",
    "open_flamingo_tensors",
    "pretraining_from_hf",
    "pretraining_to_hf",
    "projector_from_original",
    "projector_to_original",
    "qformer_from_hf",
    "qformer_to_hf",
    "to_hf",
]
