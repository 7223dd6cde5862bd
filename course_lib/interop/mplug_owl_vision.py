"""mPLUG-Owl's image encoder under the official names, and as a CLIPVisionModel.

The released `MplugOwlVisionModel` (X-PLUG/mPLUG-Owl, modeling_mplug_owl.py) is CLIP's ViT-L/14 with
other names, one fused matrix for queries, keys and values, and epsilon 1e-6 where OpenAI's CLIP has
1e-5. Equations and number of parameters, 303,179,776 at full size, are the same, so transformers'
CLIPVisionModel holds it. The released code norms every token at the end, CLIP the class token
alone: that is `NormedVisionEncoder`.

Letters: E vision width, H heads, K width of one head, N patches.
"""

from collections.abc import Iterable, Mapping

import torch

from course_lib.interop.names import Tensors

# Ours -> theirs: inside one block, and around the blocks.
_BLOCK = {
    "layer_norm1": "input_layernorm",
    "layer_norm2": "post_attention_layernorm",
    "self_attn.out_proj": "self_attn.dense",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}
_STEM = {
    "embeddings.class_embedding": "embeddings.cls_token",
    "embeddings.patch_embedding.weight": "embeddings.patch_embed.weight",
    "embeddings.position_embedding.weight": "embeddings.position_embedding",
    "pre_layrnorm.weight": "embeddings.pre_layernorm.weight",
    "pre_layrnorm.bias": "embeddings.pre_layernorm.bias",
    "post_layernorm.weight": "post_layernorm.weight",
    "post_layernorm.bias": "post_layernorm.bias",
}
_FUSED, _APART = "self_attn.query_key_value", ("q_proj", "k_proj", "v_proj")


def split_qkv(fused: torch.Tensor, num_heads: int) -> tuple[torch.Tensor, ...]:
    """Takes queries, keys and values out of a fused matrix, or its bias.

    Rows are ordered head by head, (H, 3, K): a head's queries, its keys, its values, then the next
    head. Cutting the matrix into thirds gives something of the right shape and of no use.

    Args:
        fused: (3 * E, E) or (3 * E,).
        num_heads: H of the image encoder.

    Returns:
        Three tensors (E, E) or (E,).
    """
    return tuple(part.flatten(0, 1) for part in fused.unflatten(0, (num_heads, 3, -1)).unbind(1))


def join_qkv(parts: Iterable[torch.Tensor], num_heads: int) -> torch.Tensor:
    """Undoes `split_qkv`: three tensors (E, E) or (E,) -> (3 * E, E) or (3 * E,)."""
    heads = [part.unflatten(0, (num_heads, -1)) for part in parts]
    return torch.stack(heads, dim=1).flatten(0, 2)


def vision_from_original(tensors: Mapping[str, torch.Tensor], num_heads: int) -> Tensors:
    """Turns official `vision_model.*` tensors into those of a CLIPVisionModel.

    Args:
        tensors: official names without the leading `vision_model.`.
        num_heads: H of the encoder.

    Returns:
        Tensors by the names of `CLIPVisionModel.state_dict()`; an unknown name stays as it is.
    """
    stem, block = ({v: k for k, v in names.items()} for names in (_STEM, _BLOCK))
    ours = {}
    for name, value in tensors.items():
        start, module, kind = _parts(name)
        if name in stem:
            ours[stem[name]] = _reshaped(stem[name], value)
        elif module == _FUSED:
            for part, own in zip(_APART, split_qkv(value, num_heads), strict=True):
                ours[f"{start}self_attn.{part}.{kind}"] = own
        else:
            ours[f"{start}{block[module]}.{kind}" if module in block else name] = value
    return ours


def vision_to_original(tensors: Mapping[str, torch.Tensor], num_heads: int) -> Tensors:
    """Undoes `vision_from_original`, for all tensors of a CLIPVisionModel."""
    theirs = {}
    for name, value in tensors.items():
        start, module, kind = _parts(name)
        part = module.removeprefix("self_attn.")
        if name in _STEM:
            theirs[_STEM[name]] = _with_batch(name, value)
        elif part == "q_proj":
            parts = [tensors[f"{start}self_attn.{other}.{kind}"] for other in _APART]
            theirs[f"{start}{_FUSED}.{kind}"] = join_qkv(parts, num_heads)
        elif part not in _APART:
            theirs[f"{start}{_BLOCK[module]}.{kind}"] = value
    return theirs


def _parts(name: str) -> tuple[str, str, str]:
    """Cuts `encoder.layers.3.mlp.fc1.bias` into `encoder.layers.3.`, `mlp.fc1` and `bias`."""
    module, _, kind = name.rpartition(".")
    if not module.startswith("encoder.layers."):
        return "", module, kind
    *start, rest = module.split(".", 3)
    return ".".join(start) + ".", rest, kind


def _reshaped(own: str, value: torch.Tensor) -> torch.Tensor:
    """Takes axes of length 1 off the class token (1, 1, E) and the positions (1, N + 1, E)."""
    drop = {"embeddings.class_embedding": 2, "embeddings.position_embedding.weight": 1}.get(own, 0)
    return value.flatten(0, drop) if drop else value


def _with_batch(own: str, value: torch.Tensor) -> torch.Tensor:
    """Puts them on again."""
    if own == "embeddings.class_embedding":
        return value[None, None]
    return value[None] if own == "embeddings.position_embedding.weight" else value
