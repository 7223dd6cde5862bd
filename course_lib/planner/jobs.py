"""Recipes as jobs: every stage of a recipe with its shapes, its texts and its numbers of steps.

Models are built by the recipes' own functions, on the meta device. `papers` builds the same with
the backbones of the papers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import nn

from course_lib.errors import unknown_name_error
from course_lib.fusion.gated_layers import GatedLayers
from course_lib.planner.inventory import Inventory, take_inventory
from course_lib.planner.positions import (
    Rules,
    blip2_rules,
    encoder_rules,
    gated_rules,
    language_rules,
    llava_rules,
    owl_rules,
    pretraining_rules,
    reader_rules,
)
from course_lib.planner.shapes import language_shape, normed_vision_shape, vision_shape
from course_lib.planner.texts import Text, split_for_t5, text_of
from course_lib.recipes import blip2, flamingo, llava, minigpt4, mplug_owl, vpgtrans
from course_lib.training.stages import Stage
from course_lib.vlm import VPG
from course_lib.vpg.qformer import QFormer
from course_lib.vpg.resampler import PerceiverResampler

IMAGE_TOKEN = 3  # whichever: nothing is read


@dataclass(frozen=True)
class Job:
    """One stage, ready to be planned.

    Args:
        recipe: its name.
        number: of the stage, "1", "2" or VPGTrans's "3".
        stage: steps, batch, what trains.
        inventory: of the model in this stage.
        text: of one sample.
        whole_batch: True where a batch cannot be cut into parts that follow each other, since its
            rows are compared (ITC).
    """

    recipe: str
    number: str
    stage: Stage
    inventory: Inventory
    text: Text
    whole_batch: bool = False


class _Words:
    """Stands for BERT's tokenizer, of which the Q-Former asks two things."""

    bos_token_id = 30_522

    def __len__(self) -> int:
        return 30_523


def blip2_jobs(numbers: blip2.Scale, scale: str, language: str = "", layer: int = -2) -> list[Job]:
    """Plans BLIP-2; `layer` of the encoder is -1 for a ViT-g that ends one block early."""
    name = _chosen("language model of BLIP-2", language, numbers.languages)
    encoder, llm = vision_shape(numbers.vision, layer), language_shape(numbers.languages[name])
    text, queries = text_of("blip2", "1", scale), numbers.qformer.num_query_tokens
    with torch.device("meta"):
        first = blip2.build_stage1(numbers, encoder, _Words())
        second = blip2.build_stage2(numbers, encoder, llm, IMAGE_TOKEN)
    reads = pretraining_rules(encoder.num_tokens, queries, text.words)
    pretraining = (*encoder_rules(encoder, 1), *reads)
    inventory = take_inventory(first, numbers.stage1, pretraining)
    jobs = [Job("blip2", "1", numbers.stage1, inventory, text, whole_batch=True)]
    if llm.is_encoder_decoder:
        text = split_for_t5(text)
    rules, stage = blip2_rules(encoder, queries, llm, text), numbers.stage2[name]
    jobs.append(Job("blip2", "2", stage, take_inventory(second, stage, rules), text))
    return jobs


def vpgtrans_jobs(
    numbers: vpgtrans.Scale, scale: str, transfer: str = "", layer: int = -2
) -> list[Job]:
    """Plans VPGTrans; the source model is not counted, since it need not be there any more.

    Stage 3 has the language model that chats, whatever the transfer: it goes on with one to LLaMA.
    """
    name = _chosen("transfer of VPGTrans", transfer, numbers.transfers)
    encoder = vision_shape(numbers.vision, layer)
    queries = numbers.qformer.num_query_tokens
    as_blip2 = blip2.Scale(numbers.vision, {}, numbers.qformer, numbers.stage1, {})

    @cache
    def model_of(speaks: str) -> nn.Module:  # equal to the source in shape
        llm = language_shape(speaks)
        with torch.device("meta"):
            return blip2.build_stage2(as_blip2, encoder, llm, IMAGE_TOKEN)

    jobs = []
    for number in "123":
        speaks = numbers.chat if number == "3" else numbers.transfers[name].language
        model, text = model_of(speaks), text_of("vpgtrans", number, scale)
        text = split_for_t5(text) if model.language.is_encoder_decoder else text
        rules = blip2_rules(encoder, queries, model.language, text)
        stage = getattr(numbers, f"stage{number}")
        jobs.append(Job("vpgtrans", number, stage, take_inventory(model, stage, rules), text))
    return jobs


def llava_jobs(numbers: llava.Scale, scale: str, version: str = "") -> list[Job]:
    """Plans LLaVA, v1.5 where no version is named; a LoRA joins after stage 1."""
    version = _chosen("LLaVA version", version or "v1.5", llava.PROJECTORS)
    encoder = vision_shape(numbers.vision, drop_cls=True)
    llm = language_shape(numbers.language)
    with torch.device("meta"):
        model = llava.build(encoder, encoder.hidden_size, llm, IMAGE_TOKEN, version)
    jobs = []
    for number, stage in (("1", numbers.stage1), ("2", numbers.stage2)):
        if number == "2" and numbers.lora is not None:
            with torch.device("meta"):
                mplug_owl.give_lora(model, numbers.lora)
        text = text_of(f"llava {version}", number, scale)
        rules = llava_rules(encoder, llm, text, text.images)
        jobs.append(Job("llava", number, stage, take_inventory(model, stage, rules), text))
    return jobs


def minigpt4_jobs(numbers: minigpt4.Scale, scale: str, variant: str = "") -> list[Job]:
    """Plans MiniGPT-4."""
    _chosen("variant of MiniGPT-4", variant or "usual", ("usual",))
    encoder = vision_shape(numbers.vision, numbers.layer)
    llm, queries = language_shape(numbers.language), numbers.qformer.num_query_tokens
    with torch.device("meta"):
        vpg = minigpt4.FrozenVPG(encoder, QFormer(numbers.qformer))
        model = minigpt4.build(vpg, llm, IMAGE_TOKEN)
    texts = tuple(text_of("minigpt4", number, scale) for number in "12")
    rules = [blip2_rules(encoder, queries, llm, text) for text in texts]
    return _both("minigpt4", model, (numbers.stage1, numbers.stage2), rules, texts)


def mplug_owl_jobs(numbers: mplug_owl.Scale, scale: str, variant: str = "") -> list[Job]:
    """Plans mPLUG-Owl, its encoder trained in stage 1 or frozen; the LoRA joins after stage 1."""
    encoder_state = _chosen("state of mPLUG-Owl's encoder", variant, mplug_owl.ENCODERS)
    encoder, llm = normed_vision_shape(numbers.vision), language_shape(numbers.language)
    with torch.device("meta"):
        model = mplug_owl.build(numbers, encoder, llm, IMAGE_TOKEN)
    queries, jobs = numbers.abstractor.num_query_tokens, []
    stage1 = replace(numbers.stage1, trainable=mplug_owl.STAGE1_TRAINABLE[encoder_state])
    for number, stage in (("1", stage1), ("2", numbers.stage2)):
        if number == "2":
            with torch.device("meta"):
                mplug_owl.give_lora(model, numbers.lora)
        text = text_of("mplug_owl", number, scale)
        rules = owl_rules(encoder, queries, llm, text)
        jobs.append(Job("mplug_owl", number, stage, take_inventory(model, stage, rules), text))
    return jobs


def flamingo_jobs(numbers: flamingo.Scale, scale: str, language: str = "") -> list[Job]:
    """Plans Flamingo; blocks before the first gated layer are counted as if a gradient passed."""
    name = _chosen("language model of Flamingo", language, numbers.languages)
    encoder = vision_shape(numbers.vision, drop_cls=True)
    llm, text = language_shape(numbers.languages[name]), text_of("flamingo", "1", scale)
    queries, config = numbers.resampler.num_latents, llm.config
    with torch.device("meta"):
        gated = GatedLayers(numbers.gated, config.num_hidden_layers)
        vpg = VPG(encoder, PerceiverResampler(numbers.resampler))
    model = nn.ModuleDict({"vpg": vpg, "gated": gated, "language": llm})
    rules = (
        *encoder_rules(encoder, text.images),
        *reader_rules(encoder.num_tokens, queries, text.images),
        *gated_rules(queries, text),
        *language_rules(llm, 0, text),
    )
    inventory = take_inventory(model, numbers.stage, rules)
    return [Job("flamingo", "1", numbers.stage, inventory, text)]


def _both(
    recipe: str,
    model: nn.Module,
    stages: Iterable[Stage],
    rules: Iterable[Rules],
    texts: Iterable[Text],
) -> list[Job]:
    """Plans two stages of one model."""
    return [
        Job(recipe, number, stage, take_inventory(model, stage, rule), text)
        for number, stage, rule, text in zip("12", stages, rules, texts, strict=True)
    ]


def _chosen(kind: str, name: str, known: Iterable[str]) -> str:
    """Returns the name, or the first of those known where none is given."""
    if name and name not in known:
        raise unknown_name_error(kind, name, known)
    return name or next(iter(known))


_RECIPES: dict[str, tuple[Callable, Callable[..., list[Job]]]] = {
    "blip2": (blip2.scale, blip2_jobs),
    "flamingo": (flamingo.scale, flamingo_jobs),
    "llava": (llava.scale, llava_jobs),
    "minigpt4": (minigpt4.scale, minigpt4_jobs),
    "mplug_owl": (mplug_owl.scale, mplug_owl_jobs),
    "vpgtrans": (vpgtrans.scale, vpgtrans_jobs),
}
RECIPES = tuple(_RECIPES)


def jobs_of(recipe: str, scale: str, variant: str = "", stage: str = "") -> list[Job]:
    """Returns the jobs of a recipe, one a stage.

    Args:
        recipe: one of `RECIPES`.
        scale: "toy", "small" or "a100".
        variant: language model, LLaVA version or transfer; "" = the recipe's first.
        stage: its number, or "" for all.

    Raises:
        ValueError: for a name that is not known, with those that are.
    """
    if recipe not in _RECIPES:
        raise unknown_name_error("recipe", recipe, RECIPES)
    numbers, plan = _RECIPES[recipe]
    jobs = plan(numbers(scale), scale, variant)
    stages = [job.number for job in jobs]
    if stage and stage not in stages:
        raise ValueError(f"Unknown stage {stage!r} of {recipe}: choose {' or '.join(stages)}.")
    return [job for job in jobs if not stage or job.number == stage]
