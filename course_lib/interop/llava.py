"""LLaVA to and from transformers, and the names of its released checkpoints.

transformers' LlavaForConditionalGeneration always has two layers in its projector: v1.5 goes both
ways, v1's single layer (`model.mm_projector.weight`) has no place there and is read on its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import nn

from course_lib.backbones.language import LanguageModel
from course_lib.backbones.vision import VisionEncoder
from course_lib.interop.names import Tensors, load_strictly
from course_lib.projector import LinearProjector, MLPProjector
from course_lib.vlm import VLM, VPG

_PROJECTOR = {"up": "linear_1", "down": "linear_2"}
_ORIGINAL = {"0": "up", "2": "down"}  # places in the official nn.Sequential
# On-disk names of llava-hf checkpoints (transformers up to 4.51) and what replaced them.
_OLD_NAMES = (
    (r"^language_model\.model\.", "model.language_model."),
    (r"^language_model\.lm_head\.", "lm_head."),
    (r"^multi_modal_projector\.", "model.multi_modal_projector."),
    (r"^(model\.)?vision_tower\.(vision_model\.)?", "model.vision_tower."),
)


def llava_from_hf(hf: nn.Module) -> VLM:
    """Builds our model from a LlavaForConditionalGeneration (v1.5).

    Encoder and language model are the given modules themselves; the projector is a copy.

    Raises:
        ValueError: for settings that our model does not have.
    """
    from transformers import AutoModelForCausalLM

    config = hf.config
    if config.vision_feature_select_strategy != "default":
        raise ValueError(
            f"vision_feature_select_strategy={config.vision_feature_select_strategy!r} keeps the "
            "class token: LLaVA reads patches alone ('default')."
        )
    if config.projector_hidden_act != "gelu":
        raise ValueError(
            f"projector_hidden_act={config.projector_hidden_act!r}: LLaVA-1.5 has the exact 'gelu'."
        )
    with torch.device("meta"):
        language = AutoModelForCausalLM.from_config(config.text_config)
    language.model, language.lm_head = hf.model.language_model, hf.lm_head
    theirs = hf.model.multi_modal_projector
    projector = MLPProjector(theirs.linear_1.in_features, theirs.linear_1.out_features)
    for ours, name in _PROJECTOR.items():
        getattr(projector, ours).load_state_dict(getattr(theirs, name).state_dict())
    projector.to(theirs.linear_1.weight.dtype)
    encoder = VisionEncoder(hf.model.vision_tower, config.vision_feature_layer, drop_cls=True)
    ours = VLM(
        VPG(encoder, nn.Identity()), projector, LanguageModel(language), config.image_token_id
    )
    return ours.train(hf.training)


def llava_to_hf(model: VLM) -> nn.Module:
    """Builds a LlavaForConditionalGeneration with the weights of a LLaVA-1.5 of ours.

    Raises:
        ValueError: for another projector, or a model without its encoder.
    """
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    encoder = model.vpg.encoder
    if encoder is None or not isinstance(model.projector, MLPProjector):
        raise ValueError(
            "transformers' LLaVA has an encoder and a projector of two layers: build the model "
            "with an encoder and version='v1.5'."
        )
    config = LlavaConfig(
        vision_config=encoder.config.to_dict(),
        text_config=model.language.config.to_dict(),
        image_token_index=model.image_token_id,
        vision_feature_layer=encoder.layer,
        image_seq_length=encoder.num_tokens,
    )
    hf = LlavaForConditionalGeneration(config).to(model.projector.up.weight.dtype)
    parts = {
        "model.vision_tower": encoder.model,
        "model.language_model": model.language.model.model,
        "lm_head": model.language.model.lm_head,
    }
    parts |= {
        f"model.multi_modal_projector.{name}": getattr(model.projector, ours)
        for ours, name in _PROJECTOR.items()
    }
    tensors = {f"{p}.{k}": v for p, module in parts.items() for k, v in module.state_dict().items()}
    load_strictly(hf, tensors, "llava_to_hf")
    return hf.train(model.training)


def current_names(tensors: Mapping[str, torch.Tensor]) -> Tensors:
    """Renames a llava-hf checkpoint to the names of transformers 5, whatever version wrote it.

    Files on the Hub keep the names of transformers 4.51 and before; 4.52 moved all but the head
    under `model.`, and 5 took a level out of the vision tower.
    """
    renamed = {}
    for name, tensor in tensors.items():
        for old, new in _OLD_NAMES:
            name = re.sub(old, new, name)
        renamed[name] = tensor
    return renamed


def projector_from_original(tensors: Mapping[str, torch.Tensor]) -> nn.Module:
    """Reads the projector of an official checkpoint, `mm_projector.bin` or a whole model.

    Args:
        tensors: named `model.mm_projector.weight` (v0, v1), or `model.mm_projector.0.weight` and
            `.2.weight` (v1.5); the leading `model.` may be missing, others are left alone.

    Returns:
        A LinearProjector or an MLPProjector, in the dtype of the file.

    Raises:
        ValueError: when there is no projector, or one of another build.
    """
    own = {
        key.removeprefix("model.").removeprefix("mm_projector."): value
        for key, value in tensors.items()
        if key.removeprefix("model.").startswith("mm_projector.")
    }
    if set(own) == {"weight", "bias"}:
        projector: nn.Module = LinearProjector(*reversed(own["weight"].shape))
    elif set(own) == {f"{place}.{kind}" for place in _ORIGINAL for kind in ("weight", "bias")}:
        own = {f"{_ORIGINAL[key[0]]}{key[1:]}": value for key, value in own.items()}
        projector = MLPProjector(*reversed(own["up.weight"].shape))
    else:
        names = ", ".join(sorted(own)) or "none"
        raise ValueError(
            f"The file holds these tensors of a projector: {names}. Known are one layer (weight, "
            "bias: v0, v1) and two (0.weight, 0.bias, 2.weight, 2.bias: v1.5)."
        )
    projector.to(next(iter(own.values())).dtype)
    load_strictly(projector, own, "mm_projector")
    return projector


def projector_to_original(projector: nn.Module) -> Tensors:
    """Returns a projector's tensors under the official names, `model.mm_projector.*`."""
    back = {ours: place for place, ours in _ORIGINAL.items()}
    renamed = {}
    for key, value in projector.state_dict().items():
        first, _, rest = key.partition(".")
        renamed[f"model.mm_projector.{back.get(first, first)}{'.' + rest if rest else ''}"] = value
    return renamed
