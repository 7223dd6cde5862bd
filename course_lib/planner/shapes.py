"""Backbones as shapes: built on the meta device from configurations that ship with the course."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch

from course_lib.backbones.language import LanguageModel
from course_lib.backbones.normed_vision import NormedVisionEncoder
from course_lib.backbones.vision import VisionEncoder
from course_lib.zoo.load import zoo_dir
from course_lib.zoo.registry import builders

CONFIGS = Path(__file__).parent / "configs"


@cache
def shipped() -> dict[str, dict]:
    """Returns the configurations of `configs/`, by their names on the Hub.

    They hold sizes alone, taken from the config.json of each name; the counts of parameters that
    follow are tested. A frozen encoder of BLIP-2 goes by the name of its BLIP-2. transformers 5
    builds every T5 with one table for words and head, which makes FlanT5 a table smaller than it is
    (66M of XL's 2.85B).
    """
    found: dict[str, dict] = {}
    for path in sorted(CONFIGS.glob("*.json")):
        found |= json.loads(path.read_text(encoding="utf-8"))
    return found


def sizes_of(name: str) -> dict[str, Any]:
    """Returns the sizes of a backbone, a zoo model or a name on the Hub, without a network.

    Raises:
        ValueError: for a backbone whose configuration does not ship with the course.
    """
    if name in shipped():
        return dict(shipped()[name])
    if name not in builders():
        raise ValueError(
            f"The sizes of {name!r} do not ship with the course: add those of its config.json to a "
            "file of course_lib/planner/configs."
        )
    sizes = json.loads((zoo_dir(name) / "config.json").read_text(encoding="utf-8"))
    return sizes.get("vision_config", sizes)


def _config(name: str) -> Any:
    from transformers import AutoConfig

    sizes = sizes_of(name)
    return AutoConfig.for_model(sizes.pop("model_type"), **sizes)


def vision_shape(name: str, layer: int = -2, drop_cls: bool = False) -> VisionEncoder:
    """Builds an image encoder without memory; see `VisionEncoder` for layer and drop_cls.

    Raises:
        ValueError: see `sizes_of`.
    """
    return VisionEncoder(_vision_model(name), layer, drop_cls)


def normed_vision_shape(name: str) -> NormedVisionEncoder:
    """Builds all of an image encoder and its final norm without memory; see `sizes_of`."""
    return NormedVisionEncoder(_vision_model(name))


def _vision_model(name: str) -> torch.nn.Module:
    from transformers import Blip2VisionModel, CLIPVisionModel

    config = _config(name)
    classes = {"clip_vision_model": CLIPVisionModel, "blip_2_vision_model": Blip2VisionModel}
    with torch.device("meta"):
        return classes[config.model_type](config)


def language_shape(name: str) -> LanguageModel:
    """Builds a language model without memory.

    Raises:
        ValueError: see `sizes_of`.
    """
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    config = _config(name)
    kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    with torch.device("meta"):
        return LanguageModel(kind.from_config(config))
