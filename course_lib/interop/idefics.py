"""Idefics 1 of transformers as our Flamingo: every tensor accounted for.

Idefics has blocks of its own for what is a LLaMA and a CLIP by weights and equations; ours take
transformers' LLaMA and CLIP themselves, with gated layers in front of the blocks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from course_lib.backbones.language import LanguageModel
from course_lib.backbones.vision import VisionEncoder
from course_lib.fusion.cross_attention import CrossAttentionConfig
from course_lib.fusion.gated_layers import GatedLayers
from course_lib.fusion.shown_images import image_index, readable_images
from course_lib.gated_vlm import GatedVLM
from course_lib.interop.names import load_strictly
from course_lib.vlm import VPG
from course_lib.vpg.resampler import PerceiverResampler, ResamplerConfig

if TYPE_CHECKING:
    from transformers import IdeficsConfig

Renames = tuple[tuple[str, str], ...]
RESAMPLER_NAMES: Renames = (  # theirs -> ours
    (r"^blocks\.(\d+)\.0\.context_layer_norm", r"layers.\1.features_norm"),
    (r"^blocks\.(\d+)\.0\.latents_layer_norm", r"layers.\1.latents_norm"),
    (r"^blocks\.(\d+)\.0\.([qk])_layer_norm", r"layers.\1.attention.\2_proj.head_norm"),
    (r"^blocks\.(\d+)\.0\.output_proj", r"layers.\1.attention.out_proj"),
    (r"^blocks\.(\d+)\.0\.", r"layers.\1.attention."),
    (r"^blocks\.(\d+)\.1\.ln", r"layers.\1.feed_forward.norm"),
    (r"^blocks\.(\d+)\.1\.fc", r"layers.\1.feed_forward.up"),
    (r"^blocks\.(\d+)\.1\.c_proj", r"layers.\1.feed_forward.down"),
    (r"^layer_norm", "norm"),
)
GATED_NAMES: Renames = (
    (r"^cross_attn\.([qk])_layer_norm", r"attention.\1_proj.head_norm"),
    (r"^cross_attn\.o_proj", "attention.out_proj"),
    (r"^cross_attn\.", "attention."),
    (r"^input_layernorm", "norm"),
    (r"^post_attention_layernorm", "feed_forward.norm"),
    (r"^mlp\.(gate|up|down)_proj", r"feed_forward.\1"),
    (r"^alpha_cross_attn", "attention_gate"),
    (r"^alpha_dense", "feed_forward_gate"),
)


def copy_renamed(theirs: nn.Module, ours: nn.Module, names: Iterable[tuple[str, str]]) -> None:
    """Copies every tensor of a part of Idefics into ours, none left out and none left over.

    Args:
        theirs: a resampler or a gated layer of transformers.
        ours: takes the values, in their dtype.
        names: `RESAMPLER_NAMES` or `GATED_NAMES`.

    Raises:
        ValueError: naming what is missing or unknown, or the first tensor of another shape.
    """
    tensors = {}
    for name, value in theirs.state_dict().items():
        for old, new in names:
            name = re.sub(old, new, name)
        # Their gates are (1, 1, D) where they are vectors.
        tensors[name] = value.flatten() if name.endswith("_gate") else value
    ours.to(value.dtype)
    load_strictly(ours, tensors, type(theirs).__name__)


def resampler_config(config: IdeficsConfig) -> ResamplerConfig:
    """Returns the sizes of Idefics' resampler as our configuration."""
    theirs, width = config.perceiver_config, config.vision_config.embed_dim
    return replace(
        ResamplerConfig.idefics(width, theirs.qk_layer_norms_perceiver),
        num_latents=theirs.resampler_n_latents,
        num_hidden_layers=theirs.resampler_depth,
        num_attention_heads=theirs.resampler_n_heads,
        head_dim=theirs.resampler_head_dim,
    )


def gated_config(config: IdeficsConfig) -> CrossAttentionConfig:
    """Returns the sizes of Idefics' gated layers as our configuration."""
    ours = CrossAttentionConfig.idefics(
        config.hidden_size,
        config.num_attention_heads,
        config.intermediate_size,
        every=config.cross_layer_interval,
        visual_size=config.vision_config.embed_dim,
        qk_norm=config.qk_layer_norms,
        vector_gates=config.alpha_type == "vector",
    )
    return replace(ours, norm_eps=config.rms_norm_eps)


def idefics_from_hf(hf: nn.Module, image_token_id: int) -> GatedVLM:
    """Builds our Flamingo from an IdeficsForVisionText2Text, with weights of its own.

    Idefics' encoder reads the class token, too, and its last layer
    (transformers, models/idefics/modeling_idefics.py).

    Args:
        hf: with a resampler.
        image_token_id: the word that is an image's tag; Idefics leaves it to its tokenizer.

    Raises:
        ValueError: for settings that our model does not have.
    """
    config = hf.config
    if not config.use_resampler or config.additional_vocab_size or config.hidden_act != "silu":
        raise ValueError(
            f"use_resampler={config.use_resampler}, additional_vocab_size="
            f"{config.additional_vocab_size}, hidden_act={config.hidden_act!r}: our model has a "
            "resampler, one table of words and 'silu'."
        )
    head = PerceiverResampler(resampler_config(config))
    copy_renamed(hf.model.perceiver_resampler, head, RESAMPLER_NAMES)
    gated = GatedLayers(gated_config(config), config.num_hidden_layers)
    for ours, theirs in zip(gated.layers, hf.model.gated_cross_attn_layers, strict=True):
        copy_renamed(theirs, ours, GATED_NAMES)
    encoder = VisionEncoder(_vision(hf), layer=-1)
    language = LanguageModel(_language(hf))
    return GatedVLM(VPG(encoder, head), gated, language, image_token_id).train(hf.training)


def idefics_batch(batch: dict[str, torch.Tensor], image_token_id: int) -> dict[str, torch.Tensor]:
    """Returns a batch of ours as Idefics reads it: images by document, and who reads which.

    Args:
        batch: {input_ids (B, S), pixel_values (B * I, 3, H, W), ...}, I images in each document.
        image_token_id: the word that is an image's tag.
    """
    rows, pixels = len(batch["input_ids"]), batch["pixel_values"]
    pixels = pixels.unflatten(0, (rows, -1))
    index = image_index(batch["input_ids"] == image_token_id)
    reads = readable_images(index, pixels.shape[1], "last").long()
    return {**batch, "pixel_values": pixels, "image_attention_mask": reads}


def _vision(hf: nn.Module) -> nn.Module:
    from transformers import CLIPVisionConfig, CLIPVisionModel

    sizes = hf.config.vision_config.to_dict()
    names = ("intermediate_size", "num_hidden_layers", "num_attention_heads", "image_size")
    names += ("patch_size", "num_channels", "hidden_act", "layer_norm_eps", "attention_dropout")
    chosen = {name: sizes[name] for name in names}
    model = CLIPVisionModel(CLIPVisionConfig(hidden_size=sizes["embed_dim"], **chosen))
    tensors = hf.model.vision_model.state_dict()
    load_strictly(getattr(model, "vision_model", model).to(hf.dtype), tensors, "vision_model")
    return model


def _language(hf: nn.Module) -> nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = hf.config.to_dict()
    names = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "rms_norm_eps")
    names += ("num_attention_heads", "max_position_embeddings", "rope_parameters")
    names += ("tie_word_embeddings", "bos_token_id", "eos_token_id", "pad_token_id")
    model = LlamaForCausalLM(LlamaConfig(**{name: sizes[name] for name in names})).to(hf.dtype)
    parts = ("lm_head.", "model.layers.", "model.embed_tokens.", "model.norm.")
    tensors: dict[str, torch.Tensor] = {
        name: value for name, value in hf.state_dict().items() if name.startswith(parts)
    }
    load_strictly(model, tensors, "Idefics' language model")
    return model
