"""OpenFlamingo's checkpoints: resampler and gated layers, every tensor accounted for.

A released `checkpoint.pt` holds what was trained, `perceiver.*` and one
`lang_encoder.<blocks>.<i>.gated_cross_attn_layer.*` for each gated layer, and tensors of the
language model: embeddings with the two new words, sometimes buffers. Older files name the gated
layers `lang_encoder.gated_cross_attn_layers.<i>.*`, or hold them under both names (open_flamingo,
src/flamingo_lm.py, train/train_utils.py, issue #210).

The files are pickles: convert them once with `torch.load(file, weights_only=True)` and
`safetensors.torch.save_file`; these functions take the dict of tensors.
"""

import re
from collections.abc import Iterable, Mapping

import torch
from torch import nn

from course_lib.fusion.gated_layers import GatedLayers
from course_lib.interop.names import Tensors, check_names, load_strictly
from course_lib.vpg.resampler import PerceiverResampler

# Where OpenFlamingo's language models keep their blocks.
BLOCKS = {
    "mpt": "transformer.blocks",
    "gpt_neox": "gpt_neox.layers",
    "llama": "model.layers",
    "opt": "model.decoder.layers",
    "gptj": "transformer.h",
}
_KEY, _VALUE = "attention.k_proj.weight", "attention.v_proj.weight"
_ATTENTION = {
    "attention.q_proj.weight": "to_q.weight",
    _KEY: "to_kv.weight",
    _VALUE: "to_kv.weight",
    "attention.out_proj.weight": "to_out.weight",
}
_RESAMPLER_LAYER = {
    **{ours: f"0.{theirs}" for ours, theirs in _ATTENTION.items()},
    "features_norm.weight": "0.norm_media.weight",
    "features_norm.bias": "0.norm_media.bias",
    "latents_norm.weight": "0.norm_latents.weight",
    "latents_norm.bias": "0.norm_latents.bias",
    "feed_forward.norm.weight": "1.0.weight",
    "feed_forward.norm.bias": "1.0.bias",
    "feed_forward.up.weight": "1.1.weight",
    "feed_forward.down.weight": "1.3.weight",
}
_RESAMPLER_TOP = {
    "latents": "latents",
    "time_embeddings": "frame_embs",
    "norm.weight": "norm.weight",
    "norm.bias": "norm.bias",
}
_GATED_LAYER = {
    **{ours: f"attn.{theirs}" for ours, theirs in _ATTENTION.items()},
    "attention_gate": "attn_gate",
    "feed_forward_gate": "ff_gate",
    "norm.weight": "attn.norm.weight",
    "norm.bias": "attn.norm.bias",
    "feed_forward.norm.weight": "ff.0.weight",
    "feed_forward.norm.bias": "ff.0.bias",
    "feed_forward.up.weight": "ff.1.weight",
    "feed_forward.down.weight": "ff.3.weight",
}
# Both names of a gated layer.
_GATED_NAME = re.compile(
    r"lang_encoder\.(?:.+\.(?P<block>\d+)\.gated_cross_attn_layer"
    r"|gated_cross_attn_layers\.(?P<old_block>\d+))\.(?P<rest>.+)"
)


def open_flamingo_tensors(
    resampler: PerceiverResampler, gated: GatedLayers, blocks: str = BLOCKS["mpt"]
) -> Tensors:
    """Returns resampler and gated layers under the names of a released checkpoint.

    Args:
        resampler: built with `ResamplerConfig.open_flamingo`.
        gated: built with `CrossAttentionConfig.open_flamingo`.
        blocks: where the language model keeps its blocks, one of `BLOCKS`' values.

    Returns:
        {their name: tensor}; keys and values, one tensor there, are joined.

    Raises:
        ValueError: naming tensors of ours that OpenFlamingo has no name for.
    """
    ours = nn.ModuleDict({"resampler": resampler, "gated": gated})
    own = ours.state_dict()
    names = _their_names(own, gated.places, f"lang_encoder.{blocks}.{{}}.gated_cross_attn_layer")
    theirs = {}
    for name, new in names.items():
        if name.endswith(_KEY):
            theirs[new] = torch.cat([own[name], own[name.removesuffix(_KEY) + _VALUE]])
        elif not name.endswith(_VALUE):
            theirs[new] = own[name]
    return theirs


def load_open_flamingo(
    tensors: Mapping[str, torch.Tensor],
    resampler: PerceiverResampler,
    gated: GatedLayers,
    source: str = "OpenFlamingo",
) -> Tensors:
    """Copies a checkpoint (`checkpoint.pt`, or its key "model_state_dict") into our modules.

    Args:
        tensors: OpenFlamingo's names to tensors, with or without a leading "module.".
        resampler: takes the values in place; built with `ResamplerConfig.open_flamingo`.
        gated: the same, with `CrossAttentionConfig.open_flamingo` and the file's n.
        source: named in the error.

    Returns:
        What the file holds of the language model, under that model's own names: embeddings with
        the rows of <image> and <|endofchunk|>. Empty where there is nothing.

    Raises:
        ValueError: naming tensors that are missing, unknown, or of another shape; both modules are
            then as they were.
    """
    rest = {name.removeprefix("module."): value for name, value in tensors.items()}
    ours = nn.ModuleDict({"resampler": resampler, "gated": gated})
    found, language = _one_name_each(rest, source)
    names = _their_names(ours.state_dict(), gated.places, "gated.{}")
    missing, unknown = set(names.values()) - found.keys(), found.keys() - set(names.values())
    check_names(*(sorted(map(_as_in_files, part)) for part in (missing, unknown)), source)
    own = {name: _own_half(name, found[theirs]) for name, theirs in names.items()}
    load_strictly(ours, own, source)
    return language


def _their_names(own: Iterable[str], places: tuple[int, ...], gated: str) -> dict[str, str]:
    """Maps our names to OpenFlamingo's.

    Args:
        own: "resampler...." and "gated....".
        places: the block of each gated layer.
        gated: how a gated layer is called, with {} for its block.

    Raises:
        ValueError: naming those of ours that OpenFlamingo has no name for.
    """
    names, homeless = {}, []
    for name in own:
        part, _, rest = name.partition(".")
        if part == "resampler" and rest in _RESAMPLER_TOP:
            names[name] = f"perceiver.{_RESAMPLER_TOP[rest]}"
            continue
        _, number, inner = rest.split(".", 2)
        table, where = _RESAMPLER_LAYER, f"perceiver.layers.{number}"
        if part == "gated":
            table, where = _GATED_LAYER, gated.format(places[int(number)])
        if inner in table:
            names[name] = f"{where}.{table[inner]}"
        else:
            homeless.append(name)
    if homeless:
        raise ValueError(
            f"OpenFlamingo has no such tensors: {', '.join(homeless[:4])}. Build both parts with "
            "`open_flamingo` of their configurations."
        )
    return names


def _own_half(name: str, value: torch.Tensor) -> torch.Tensor:
    """Returns keys or values of a tensor that holds both, and any other as it is."""
    rows = len(value) // 2
    if name.endswith(_KEY):
        return value[:rows]
    return value[rows:] if name.endswith(_VALUE) else value


def _as_in_files(name: str) -> str:
    """Writes "gated.3.attn_gate" as files do, for an error."""
    return re.sub(r"^gated\.(\d+)", r"lang_encoder.<blocks>.\1.gated_cross_attn_layer", name)


def _one_name_each(rest: Tensors, source: str) -> tuple[Tensors, Tensors]:
    """Parts a file into resampler and gated layers, one name each, and the language model."""
    found: Tensors = {}
    language: Tensors = {}
    for name, value in rest.items():
        match = _GATED_NAME.fullmatch(name)
        if match:
            new = f"gated.{match['block'] or match['old_block']}.{match['rest']}"
            if new in found and not torch.equal(found[new], value):
                raise ValueError(f"{source} holds {name} twice, under two names, and not equal.")
            found[new] = value
        elif name.startswith("lang_encoder."):
            inner = name.removeprefix("lang_encoder.").replace(".decoder_layer.", ".")
            language[inner] = value
        else:
            found[name] = value
    return found, language
