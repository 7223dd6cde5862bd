"""Checkpoints of MiniGPT-4: one linear layer, put onto BLIP-2's Q-Former and a LLaMA.

The released file (`pretrained_minigpt4.pth` for 13B) is a dict with model, optimizer, config,
scaler and epoch; its `model` keeps what trains (`llama_proj`) and buffers (official file:
minigpt4/runners/runner_base.py, `_save_checkpoint`). Which encoder, Q-Former and language model it
was trained between it does not say: only the widths can be checked. A `.pth` file is opened with
`torch.load(file, weights_only=True)`; these functions take what that gives.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import nn

from course_lib.backbones.language import LanguageModel
from course_lib.backbones.vision import VisionEncoder
from course_lib.interop.blip2_hf import qformer_from_hf
from course_lib.interop.names import Tensors
from course_lib.recipes.minigpt4 import FrozenVPG, build
from course_lib.vlm import VLM

_PROJECTOR = {"llama_proj.weight": "weight", "llama_proj.bias": "bias"}
# Buffers that are computed from sizes: LLaMA's rotations, and a counter 0, 1, 2, … in the Q-Former.
_BUFFERS = re.compile(
    r"llama_model\..*rotary_emb\.(inv_freq|cos_cached|sin_cached)"
    r"|Qformer\.bert\.embeddings\.position_ids"
)


def projector_tensors(checkpoint: Mapping, source: str = "the MiniGPT-4 checkpoint") -> Tensors:
    """Reads the linear layer of a released checkpoint.

    Args:
        checkpoint: the whole file, or its `model` alone.
        source: named in the error.

    Returns:
        {"weight": (D, H), "bias": (D,)}.

    Raises:
        ValueError: naming tensors that are missing or that are no part of MiniGPT-4 v1.
    """
    model = checkpoint.get("model", checkpoint)
    if not isinstance(model, Mapping):
        raise ValueError(
            f"{source}: 'model' is a {type(model).__name__} and not a dict of tensors."
        )
    missing = sorted(_PROJECTOR.keys() - model.keys())
    rest = sorted(k for k in model if k not in _PROJECTOR and not _BUFFERS.fullmatch(k))
    if missing or rest:
        parts = [f"missing: {', '.join(missing)}"] * bool(missing)
        more = f" and {len(rest) - 8} more" if len(rest) > 8 else ""
        parts += [f"unknown: {', '.join(rest[:8])}{more}"] * bool(rest)
        raise ValueError(
            f"{source} is no MiniGPT-4 of one linear layer ({'; '.join(parts)}): it holds "
            "llama_proj.weight, llama_proj.bias and buffers."
        )
    return {own: model[theirs] for theirs, own in _PROJECTOR.items()}


def load_minigpt4(
    checkpoint: Mapping, model: VLM, source: str = "the MiniGPT-4 checkpoint"
) -> None:
    """Copies the linear layer of a released checkpoint into our model.

    Args:
        checkpoint: see `projector_tensors`.
        model: of `recipes.minigpt4.build`; takes the values in place, in its own dtype.
        source: named in the error.

    Raises:
        ValueError: naming tensors that are missing or unknown, or both shapes where the widths of
            Q-Former or language model are others; the model is then as it was.
    """
    tensors = projector_tensors(checkpoint, source)
    own = dict(model.projector.named_parameters())
    for name, value in tensors.items():
        if own[name].shape != value.shape:
            raise ValueError(
                f"{source}: llama_proj.{name} has the shape {tuple(value.shape)}, this model's "
                f"layer {tuple(own[name].shape)}, from a Q-Former of width "
                f"{model.projector.in_features} to a language model of width "
                f"{model.projector.out_features}: build it with the BLIP-2 and the LLaMA that the "
                "checkpoint was trained with (from 768 to 4096 for 7B, to 5120 for 13B)."
            )
    with torch.no_grad():
        for name, value in tensors.items():
            own[name].copy_(value)


def minigpt4_tensors(model: VLM) -> dict[str, Tensors]:
    """Returns a model's linear layer in the released layout, {"model": {"llama_proj.…": …}}."""
    own = dict(model.projector.named_parameters())
    return {"model": {theirs: own[name].detach() for theirs, name in _PROJECTOR.items()}}


def minigpt4_from_hf(
    checkpoint: Mapping,
    blip2: nn.Module,
    llama: nn.Module,
    image_token_id: int,
    source: str = "the MiniGPT-4 checkpoint",
) -> VLM:
    """Builds MiniGPT-4 of a released checkpoint between two models of transformers.

    Args:
        checkpoint: see `projector_tensors`.
        blip2: Blip2ForConditionalGeneration or another class with `vision_model`, `qformer` and
            `query_tokens`; Salesforce/blip2-flan-t5-xxl has what the release used. Its ln_vision
            has epsilon 1e-6 there and 1e-5 in the authors' code.
        llama: LlamaForCausalLM: a Vicuna v0 of the checkpoint's size. Later Vicunas have the same
            widths and give garbage.
        image_token_id: the word that keeps the places of the visual tokens.
        source: named in the error.

    Returns:
        The model in eval mode; encoder and language model are the given modules themselves.

    Raises:
        ValueError: as in `load_minigpt4`.
    """
    norm = blip2.vision_model.post_layernorm
    qformer = qformer_from_hf(blip2.qformer, blip2.query_tokens, norm)
    vpg = FrozenVPG(VisionEncoder(blip2.vision_model, layer=-1), qformer)
    model = build(vpg, LanguageModel(llama), image_token_id)
    load_minigpt4(checkpoint, model, source)
    return model.eval()
