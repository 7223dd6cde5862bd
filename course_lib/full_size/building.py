"""The model of a record, around backbones at their places: for a new run, and to open one again.

Frozen backbones are kept in `dtype`, what trains in float32. Where an image encoder or a language
model is given that is wider or narrower than the scale's own, the parts between them follow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from course_lib.backbones.language import LanguageModel
from course_lib.backbones.normed_vision import NormedVisionEncoder
from course_lib.backbones.vision import VisionEncoder
from course_lib.data.prompts import image_token_id
from course_lib.full_size.beginning import part_from
from course_lib.full_size.bert import begin_with_bert, open_words
from course_lib.full_size.naming import NUMBERS, stage_of
from course_lib.full_size.opening import open_blip2, open_language, open_vision
from course_lib.full_size.places import find_place
from course_lib.recipes import blip2, flamingo, llava, minigpt4, mplug_owl
from course_lib.training.checkpoint import load_run
from course_lib.vlm import VLM


@dataclass(frozen=True)
class Built:
    """A model with what its batches are made with.

    Args:
        model: of the recipe.
        encoder: its image encoder.
        tokenizer: of its language model, or BERT's in BLIP-2's stage 1.
        place: directory of the image encoder.
    """

    model: nn.Module
    encoder: VisionEncoder
    tokenizer: PreTrainedTokenizerBase
    place: Path


def build(record: dict, dtype: torch.dtype = torch.float32, begins: bool = True) -> Built:
    """Builds the model of a record.

    Args:
        record: of `naming.record_of`, or of a run.
        dtype: of frozen backbones.
        begins: True for a new run, which inherits what its stage begins with; False where the
            weights of a run will be loaded, and only what they lack is inherited.

    Raises:
        ValueError: for a backbone that is not on this machine or does not fit, or a run before this
            one whose weights do not.
    """
    return _BUILDERS[record["recipe"]](record, dtype, begins)


def _trains(record: dict, name: str) -> bool:
    """Tells whether a part of the model trains as a whole."""
    return any(f"{name}.".startswith(f"{entry}.") for entry in stage_of(record).trainable)


def _vision(record: dict, dtype: torch.dtype, **options) -> tuple[VisionEncoder, Path]:
    place = find_place(record["places"]["vision"], "--vision")
    kept = torch.float32 if _trains(record, "vpg.encoder") else dtype
    return open_vision(place, dtype=kept, **options), place


def language_of(
    record: dict, dtype: torch.dtype, reads_tag: bool = False
) -> tuple[LanguageModel, PreTrainedTokenizerBase]:
    """Opens the language model of a record."""
    place = find_place(record["places"]["language"], "--language")
    kept = torch.float32 if _trains(record, "language") else dtype
    return open_language(place, kept, reads_tag)


def with_width(numbers, width: int):
    """Returns the numbers of a scale for a Q-Former that reads features of another width."""
    return replace(numbers, qformer=replace(numbers.qformer, encoder_hidden_size=width))


def _blip2(record: dict, dtype: torch.dtype, begins: bool) -> Built:
    encoder, place = _vision(record, dtype)
    numbers = with_width(blip2.scale(record["scale"]), encoder.hidden_size)
    if record["stage_number"] == "1":
        text = find_place(record["places"]["text"], "--text")
        words = open_words(text)
        losses, seed = tuple(record["losses"]), record["seed"]
        model = blip2.build_stage1(numbers, encoder, words, losses, seed)
        if begins:
            begin_with_bert(model, text)
        return Built(model, encoder, words, place)
    language, tokenizer = language_of(record, dtype)
    parts = (encoder, language, image_token_id(tokenizer))
    second = blip2.build_stage2(numbers, *parts, seed=record["seed"])
    if begins and record["init"]:
        part_from(record["init"], second.vpg.head, "vpg.head")
    return Built(second, encoder, tokenizer, place)


def _llava(record: dict, dtype: torch.dtype, begins: bool) -> Built:
    numbers = llava.scale(record["scale"])
    encoder, place = _vision(record, dtype, drop_cls=True)
    language, tokenizer = language_of(record, dtype)
    parts = (encoder, encoder.hidden_size, language, image_token_id(tokenizer))
    model = llava.build(*parts, record["llava_version"], record["seed"])
    if record["stage_number"] == "2":
        if begins and record["init"]:
            part_from(record["init"], model.projector, "projector")
        if numbers.lora is not None:
            mplug_owl.give_lora(model, numbers.lora, record["seed"])
    return Built(model, encoder, tokenizer, place)


def _minigpt4(record: dict, dtype: torch.dtype, begins: bool) -> Built:
    place = find_place(record["places"]["vision"], "--vision")
    encoder, qformer = open_blip2(place, minigpt4.scale(record["scale"]).layer, dtype)
    language, tokenizer = language_of(record, dtype)
    vpg = minigpt4.FrozenVPG(encoder, qformer)
    model = minigpt4.build(vpg, language, image_token_id(tokenizer), seed=record["seed"])
    if begins and record["init"]:
        part_from(record["init"], model.projector, "projector")
    return Built(model, encoder, tokenizer, place)


def _mplug_owl(record: dict, dtype: torch.dtype, begins: bool) -> Built:
    numbers = mplug_owl.scale(record["scale"])
    clip, place = _vision(record, dtype)
    encoder = NormedVisionEncoder(clip.model)
    width = replace(numbers.abstractor, hidden_size=encoder.hidden_size)
    language, tokenizer = language_of(record, dtype)
    parts = (encoder, language, image_token_id(tokenizer))
    model = mplug_owl.build(replace(numbers, abstractor=width), *parts, record["seed"])
    if record["stage_number"] == "2":
        if record["init"]:  # a run of stage 2 holds its LoRA alone
            load_run(record["init"], model, mplug_owl.NAME)
        mplug_owl.give_lora(model, numbers.lora, record["seed"])
    return Built(model, encoder, tokenizer, place)


def _flamingo(record: dict, dtype: torch.dtype, begins: bool) -> Built:
    found = flamingo.scale(record["scale"])
    encoder, place = _vision(record, dtype, drop_cls=True)
    language, tokenizer = language_of(record, dtype, reads_tag=True)
    visual, width = encoder.hidden_size, language.hidden_size
    numbers = replace(
        found,
        resampler=replace(found.resampler, hidden_size=visual),
        gated=replace(found.gated, visual_size=visual, hidden_size=width),
    )
    parts = (encoder, language, image_token_id(tokenizer))
    return Built(flamingo.build(numbers, *parts, record["seed"]), encoder, tokenizer, place)


def _vpgtrans(record: dict, dtype: torch.dtype, begins: bool) -> Built:
    """Builds a target; in stage 1 the merged projector comes later, from `transfer.merge_into`."""
    encoder, place = _vision(record, dtype)
    numbers = with_width(NUMBERS["vpgtrans"](record["scale"]), encoder.hidden_size)
    language, tokenizer = language_of(record, dtype)
    as_blip2 = blip2.Scale(numbers.vision, {}, numbers.qformer, numbers.stage1, {})
    parts = (encoder, language, image_token_id(tokenizer))
    model: VLM = blip2.build_stage2(as_blip2, *parts, seed=record["seed"])
    if record["stage_number"] == "1":  # a run of stage 1 holds its projector alone
        part_from(record["init"], model.vpg.head, "vpg.head")
    elif begins and record["stage_number"] == "2":
        part_from(record["source"], model.vpg.head, "vpg.head")
        part_from(record["init"], model.projector, "projector")
    elif begins:
        part_from(record["init"], model.vpg.head, "vpg.head")
        part_from(record["init"], model.projector, "projector")
    return Built(model, encoder, tokenizer, place)


_BUILDERS: dict[str, Callable[[dict, torch.dtype, bool], Built]] = {
    "blip2": _blip2,
    "llava": _llava,
    "minigpt4": _minigpt4,
    "mplug_owl": _mplug_owl,
    "flamingo": _flamingo,
    "vpgtrans": _vpgtrans,
}
