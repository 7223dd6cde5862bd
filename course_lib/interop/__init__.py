"""Weights from and to others: transformers' classes, peft's LoRA, the authors' checkpoints."""

from course_lib.interop.blip2_hf import (
    from_hf,
    pretraining_from_hf,
    pretraining_to_hf,
    qformer_from_hf,
    qformer_to_hf,
    to_hf,
)
from course_lib.interop.idefics import idefics_batch, idefics_from_hf
from course_lib.interop.lavis import load_lavis_stage1, load_lavis_stage2
from course_lib.interop.llava import (
    current_names,
    llava_from_hf,
    llava_to_hf,
    projector_from_original,
    projector_to_original,
)
from course_lib.interop.minigpt4 import load_minigpt4, minigpt4_from_hf, minigpt4_tensors
from course_lib.interop.mplug_owl import (
    load_mplug_owl,
    mplug_owl_from_config,
    mplug_owl_to_original,
)
from course_lib.interop.open_flamingo import load_open_flamingo, open_flamingo_tensors
from course_lib.interop.peft_lora import load_peft_lora, save_peft_lora
from course_lib.interop.vpgtrans import load_vl_llama, projector_from_vpgtrans

__all__ = [
    "current_names",
    "from_hf",
    "idefics_batch",
    "idefics_from_hf",
    "llava_from_hf",
    "llava_to_hf",
    "load_lavis_stage1",
    "load_lavis_stage2",
    "load_minigpt4",
    "load_mplug_owl",
    "load_open_flamingo",
    "load_peft_lora",
    "load_vl_llama",
    "minigpt4_from_hf",
    "minigpt4_tensors",
    "mplug_owl_from_config",
    "mplug_owl_to_original",
    "open_flamingo_tensors",
    "pretraining_from_hf",
    "pretraining_to_hf",
    "projector_from_original",
    "projector_from_vpgtrans",
    "projector_to_original",
    "qformer_from_hf",
    "qformer_to_hf",
    "save_peft_lora",
    "to_hf",
]
