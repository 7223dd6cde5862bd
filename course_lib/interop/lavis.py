"""Official BLIP-2 checkpoints (LAVIS): stage 1 and stage 2, every tensor accounted for.

LAVIS saves what was trained; image encoder and language model, frozen, are often not in the file.
They are read when they are there, whole, and left alone when they are not.

The released files are pickles: convert them once with `torch.load(file, weights_only=True)` and
`safetensors.torch.save_file`; these functions take the dict of tensors.
"""

from collections.abc import Mapping

import torch

from course_lib.interop.names import (
    Tensors,
    check_names,
    lavis_names,
    load_strictly,
    own_names,
)
from course_lib.recipes.blip2_stage1 import QFormerPretraining
from course_lib.vlm import VLM, VPG

# A buffer that counts 0, 1, 2, ...: LAVIS saves it, there is nothing to learn from it.
_COUNTERS = ("Qformer.bert.embeddings.position_ids",)
_VISION, _ENCODER = "visual_encoder.", "vpg.encoder.model."
_BLOCK = {
    "norm1": "layer_norm1",
    "norm2": "layer_norm2",
    "attn.qkv": "self_attn.qkv",
    "attn.proj": "self_attn.projection",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}
_STEM = {
    "cls_token": "embeddings.class_embedding",
    "pos_embed": "embeddings.position_embedding",
    "patch_embed.proj.weight": "embeddings.patch_embedding.weight",
    "patch_embed.proj.bias": "embeddings.patch_embedding.bias",
}
_HEADS = {
    "heads.vision_proj.weight": "vision_proj.weight",
    "heads.vision_proj.bias": "vision_proj.bias",
    "heads.text_proj.weight": "text_proj.weight",
    "heads.text_proj.bias": "text_proj.bias",
    "heads.itm_head.weight": "itm_head.weight",
    "heads.itm_head.bias": "itm_head.bias",
    "heads.temperature": "temp",
    "heads.lm_head.bias": "Qformer.cls.predictions.bias",
    "heads.lm_head.dense.weight": "Qformer.cls.predictions.transform.dense.weight",
    "heads.lm_head.dense.bias": "Qformer.cls.predictions.transform.dense.bias",
    "heads.lm_head.norm.weight": "Qformer.cls.predictions.transform.LayerNorm.weight",
    "heads.lm_head.norm.bias": "Qformer.cls.predictions.transform.LayerNorm.bias",
}
# The decoder of the LM head is tied: the same numbers under a second name.
_TIED = {
    "Qformer.cls.predictions.decoder.weight": "Qformer.bert.embeddings.word_embeddings.weight",
    "Qformer.cls.predictions.decoder.bias": "Qformer.cls.predictions.bias",
}


def load_lavis_stage1(
    tensors: Mapping[str, torch.Tensor], model: QFormerPretraining, source: str = "LAVIS stage 1"
) -> None:
    """Copies a stage-1 checkpoint (`blip2_pretrained.pth`, key "model") into our model.

    Args:
        tensors: names of LAVIS's Blip2Qformer to tensors.
        model: takes the values in place; sizes have to be equal. LAVIS's ln_vision has
            epsilon 1e-5: build the Q-Former with ln_vision_eps=1e-5 to be exact.
        source: named in the error.

    Raises:
        ValueError: naming tensors that are missing, unknown, or of another shape; the model is
            then as it was.
    """
    rest = _without_counters(tensors)
    _drop_tied(rest, source)
    vision = _take_vision(rest, model.vpg, source)
    own = own_names(rest, lavis_names(model.vpg) | _HEADS, source) | vision
    load_strictly(model, own, source, _not_needed(vision))


def load_lavis_stage2(
    tensors: Mapping[str, torch.Tensor], model: VLM, source: str = "LAVIS stage 2"
) -> None:
    """Copies a stage-2 checkpoint (`blip2_pretrained_opt2.7b.pth`, `..._flant5xl.pth`, "model").

    Args:
        tensors: names of LAVIS's Blip2OPT or Blip2T5 to tensors.
        model: takes the values in place; its Q-Former has no text half, as in LAVIS.
        source: named in the error.

    Raises:
        ValueError: as in `load_lavis_stage1`.
    """
    rest = _without_counters(tensors)
    vision = _take_vision(rest, model.vpg, source)
    kind = "t5" if model.language.is_encoder_decoder else "opt"
    language = _take(rest, f"{kind}_model.", "language.model.")
    projector = {f"projector.{k}": f"{kind}_proj.{k}" for k in ("weight", "bias")}
    own = own_names(rest, lavis_names(model.vpg) | projector, source) | vision | language
    optional = _not_needed(vision) + (() if language else ("language.",))
    load_strictly(model, own, source, optional)


def _not_needed(vision: Tensors) -> tuple[str, ...]:
    # The norm at the end of transformers' encoder is ln_vision, which lies in the head.
    return (f"{_ENCODER}post_layernorm.",) if vision else ("vpg.encoder.",)


def _without_counters(tensors: Mapping[str, torch.Tensor]) -> Tensors:
    return {k: v for k, v in tensors.items() if k not in _COUNTERS}


def _drop_tied(rest: Tensors, source: str) -> None:
    for second, first in _TIED.items():
        if second in rest and first in rest and not torch.equal(rest[second], rest[first]):
            raise ValueError(f"{source}: {second} and {first} should be equal and are not.")
        rest.pop(second, None)


def _take(rest: Tensors, old: str, new: str) -> Tensors:
    """Moves the tensors below `old` out of `rest`, to names below `new`."""
    return {new + k.removeprefix(old): rest.pop(k) for k in list(rest) if k.startswith(old)}


def _take_vision(rest: Tensors, vpg: VPG, source: str) -> Tensors:
    """Moves the EVA ViT out of `rest`, under our names of its tensors."""
    found = _take(rest, _VISION, "")
    if not found:
        return {}
    if vpg.encoder is None or type(vpg.encoder.model).__name__ != "Blip2VisionModel":
        raise ValueError(
            f"{source} holds an image encoder, and the model has no Blip2VisionModel to take it: "
            "build it with one, or leave the visual_encoder.* tensors out."
        )
    _join_biases(found, source)
    ready, unknown = {}, []
    for name, value in found.items():
        module, _, kind = name.rpartition(".")
        block, index, part = [*module.split(".", 2), "", ""][:3]
        if name in _STEM:
            ready[_ENCODER + _STEM[name]] = value
        elif block == "blocks" and part in _BLOCK:
            ready[f"{_ENCODER}encoder.layers.{index}.{_BLOCK[part]}.{kind}"] = value
        else:
            unknown.append(_VISION + name)
    check_names([], unknown, source)
    return ready


def _join_biases(found: Tensors, source: str) -> None:
    """Joins biases of queries and values; EVA's keys have none: it would cancel in the softmax."""
    for name in [name for name in found if name.endswith("attn.q_bias")]:
        block = name.removesuffix("q_bias")
        if block + "v_bias" not in found:
            check_names([f"{_VISION}{block}v_bias"], [], source)
        query, value = found.pop(name), found.pop(block + "v_bias")
        found[block + "qkv.bias"] = torch.cat([query, torch.zeros_like(query), value])
