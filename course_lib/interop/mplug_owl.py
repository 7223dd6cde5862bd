"""Official mPLUG-Owl checkpoints (v1): their names and ours, every tensor accounted for.

The layout is that of the released modeling_mplug_owl.py (X-PLUG/mPLUG-Owl): `vision_model.*`,
`query_tokens`, `abstractor.*` and `language_model.*`, 722 tensors at full size. The image encoder
becomes a CLIPVisionModel: the same equations under other names, with queries, keys and values apart
instead of fused. Weights of the older branch (v0) are another layout and another training.

The released shards are pickles: read each with `torch.load(file, weights_only=True)`, put their
tensors into one dict, and give that to `load_mplug_owl` with the model that
`mplug_owl_from_config` builds of their config.json.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch

from course_lib.backbones.language import LanguageModel
from course_lib.backbones.normed_vision import NormedVisionEncoder
from course_lib.interop.mplug_owl_vision import vision_from_original, vision_to_original
from course_lib.interop.names import Tensors, check_names, load_strictly, renamed
from course_lib.vlm import VLM, VPG
from course_lib.vpg.abstractor import Abstractor, AbstractorConfig, EndTokenProjector

_ENCODER, _HEAD, _LANGUAGE = "vpg.encoder.model.", "vpg.head.", "language.model."
# Buffers of old versions of transformers: a table of sines, computed anew by every model.
_COUNTERS = ".rotary_emb.inv_freq"

# Ours -> theirs, modules and single parameters.
_LAYER = {
    "query_norm": "norm1",
    "image_norm": "normk",
    "attention.q_proj": "attention.query",
    "attention.k_proj": "attention.key",
    "attention.v_proj": "attention.value",
    "attention.out_proj": "output.out_proj",
    "ffn_norm": "output.norm2",
    "ffn.gate_proj": "output.mlp.w1",
    "ffn.up_proj": "output.mlp.w3",
    "ffn.down_proj": "output.mlp.w2",
    "ffn.norm": "output.mlp.ffn_ln",
}
_PROJECTOR = {"weight": "visual_fc.weight", "bias": "visual_fc.bias", "end_token": "vit_eos"}

# What the released configuration classes put where config.json says nothing.
_VISION_DEFAULTS = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 224,
    "patch_size": 14,
    "layer_norm_eps": 1e-6,
    "attention_dropout": 0.0,
}
_ABSTRACTOR_DEFAULTS = {
    "hidden_size": 1024,
    "num_hidden_layers": 6,
    "num_attention_heads": 16,
    "intermediate_size": 4096,  # 2816 in the released weights (their issue 160)
    "layer_norm_eps": 1e-6,
    "attention_probs_dropout_prob": 0.1,
}
IMAGE_TOKEN_ID = -1  # the official processor writes it 65 times for an image


def mplug_owl_from_config(config: Mapping) -> VLM:
    """Builds an mPLUG-Owl of random weights in the sizes of an official config.json.

    Args:
        config: the file as a dict, with vision_config, visual_abstractor_config, text_config and
            num_query_tokens; what is left out gets the default of the released classes.

    Returns:
        The model; built under `torch.device("meta")` it takes no memory.

    Raises:
        ValueError: for a language model that is no LLaMA.
    """
    from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM

    text = dict(config.get("text_config") or {})
    if text.pop("model_type", "llama") != "llama":
        raise ValueError(
            f"text_config is a {config['text_config']['model_type']!r}: only mPLUG-Owl on LLaMA is "
            "known here."
        )
    vision = _filled(config.get("vision_config"), _VISION_DEFAULTS)
    head = _filled(config.get("visual_abstractor_config"), _ABSTRACTOR_DEFAULTS)
    head["dropout"] = head.pop("attention_probs_dropout_prob")
    head["ffn_norm_eps"] = head.pop("layer_norm_eps")
    queries = config.get("num_query_tokens", 64)
    clip = CLIPVisionModel(CLIPVisionConfig(**vision, hidden_act="quick_gelu"))
    vpg = VPG(
        NormedVisionEncoder(clip), Abstractor(AbstractorConfig(**head, num_query_tokens=queries))
    )
    language = LanguageModel(LlamaForCausalLM(LlamaConfig(**text)))
    projector = EndTokenProjector(head["hidden_size"], language.hidden_size)
    return VLM(vpg, projector, language, IMAGE_TOKEN_ID)


def _filled(given: Mapping | None, defaults: Mapping) -> dict:
    return {key: (given or {}).get(key, value) for key, value in defaults.items()}


def abstractor_names(own: Iterable[str]) -> dict[str, str]:
    """Maps our names of an abstractor's tensors to the official ones.

    Args:
        own: keys of `Abstractor.state_dict()`.

    Returns:
        {our name: their name}.
    """
    names = {}
    for name in own:
        if name == "query_tokens":  # theirs belongs to the whole model
            names[name] = name
            continue
        _, index, rest = name.split(".", 2)
        module, kind = rest.rsplit(".", 1)
        place = f"abstractor.encoder.layers.{index}.crossattention"
        names[name] = f"{place}.{_LAYER[module]}.{kind}"
    return names


def mplug_owl_to_original(model: VLM) -> Tensors:
    """Returns all tensors of an mPLUG-Owl of ours under their official names and in their shapes.

    A LoRA has a file of its own (`save_peft_lora`): here it is left out, or merged.

    Raises:
        ValueError: when a part is of another kind than the released code's.
    """
    heads = _check_parts(model)
    return _to_original(model.state_dict(), heads)


def _to_original(own: Mapping[str, torch.Tensor], num_heads: int) -> Tensors:
    encoder, head = _below(own, _ENCODER), _below(own, _HEAD)
    theirs = vision_to_original(encoder, num_heads)
    theirs = {f"vision_model.{name}": value for name, value in theirs.items()}
    theirs |= renamed(head, abstractor_names(head))
    for name, value in _below(own, "projector.").items():
        theirs[f"abstractor.{_PROJECTOR[name]}"] = value
    for name, value in _below(own, _LANGUAGE).items():
        if not name.endswith((".lora_A", ".lora_B")):
            theirs[f"language_model.{name}"] = value
    return theirs


def load_mplug_owl(
    tensors: Mapping[str, torch.Tensor], model: VLM, source: str = "mPLUG-Owl"
) -> None:
    """Copies an official checkpoint into our model.

    What no tensor shows has to be right already: 16 heads in encoder and abstractor, and in the
    CLIPVisionConfig layer_norm_eps=1e-6 (OpenAI's CLIP has 1e-5) and hidden_act="quick_gelu".

    Args:
        tensors: official names to tensors; the `inv_freq` buffers of old versions are left out.
        model: takes the values in place, in its own dtype; sizes have to be equal. A LoRA comes
            after its base.
        source: named in the error.

    Raises:
        ValueError: naming tensors that are missing, unknown, or of another shape, or a part of
            another kind; the model is then as it was.
    """
    heads = _check_parts(model)
    given = {name: value for name, value in tensors.items() if not name.endswith(_COUNTERS)}
    own = {name: value.to("meta") for name, value in model.state_dict().items()}
    expected = _to_original(own, heads)
    check_names(sorted(expected.keys() - given), sorted(given.keys() - expected), source)
    for name, value in expected.items():
        if given[name].shape != value.shape:
            raise ValueError(
                f"{source}: {name} has the shape {tuple(given[name].shape)}, the model "
                f"{tuple(value.shape)}: build the model with the sizes of the checkpoint."
            )
    load_strictly(model, _from_original(given, own, heads), source)


def _from_original(given: Tensors, own: Iterable[str], num_heads: int) -> Tensors:
    encoder = vision_from_original(_below(given, "vision_model."), num_heads)
    ours = {_ENCODER + name: value for name, value in encoder.items()}
    names = abstractor_names(name.removeprefix(_HEAD) for name in own if name.startswith(_HEAD))
    ours |= {_HEAD + name: given[theirs] for name, theirs in names.items()}
    ours |= {f"projector.{name}": given[f"abstractor.{v}"] for name, v in _PROJECTOR.items()}
    language = _below(given, "language_model.")
    return ours | {_LANGUAGE + name: value for name, value in language.items()}


def _below(tensors: Mapping[str, torch.Tensor], start: str) -> Tensors:
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}


def _check_parts(model: VLM) -> int:
    """Returns the encoder's heads."""
    encoder, parts = model.vpg.encoder, (model.vpg.head, model.projector)
    kinds = (Abstractor, EndTokenProjector)
    name = type(getattr(encoder, "model", None)).__name__
    if not isinstance(encoder, NormedVisionEncoder) or name != "CLIPVisionModel":
        raise ValueError(
            f"The image encoder is {type(encoder).__name__} of {name}: the official layout holds "
            "a NormedVisionEncoder of a CLIPVisionModel."
        )
    for part, kind in zip(parts, kinds, strict=True):
        if not isinstance(part, kind):
            raise ValueError(
                f"The model has {type(part).__name__} where the official layout holds "
                f"{kind.__name__}: build it with one."
            )
    if encoder.config.hidden_act != "quick_gelu":
        raise ValueError(
            f"The image encoder has hidden_act={encoder.config.hidden_act!r}: the released code "
            "has 'quick_gelu' and no other."
        )
    return encoder.config.num_attention_heads
