"""Both sides of gpu.py's cases: the course's model, and transformers' around the same parameters.

Where transformers has no class for a stage (BLIP-2's first: it computes no losses; mPLUG-Owl), the
course's model stands alone. Dropout is zero everywhere, so that losses can be compared.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2ForImageTextRetrieval,
    CLIPVisionConfig,
    CLIPVisionModel,
    LlamaConfig,
    LlamaForCausalLM,
    LlavaConfig,
    LlavaForConditionalGeneration,
)

from course_lib.backbones.language import LanguageModel
from course_lib.backbones.normed_vision import NormedVisionEncoder
from course_lib.interop import from_hf, llava_from_hf, pretraining_from_hf
from course_lib.lora import add_lora
from course_lib.planner.paper_models import VIT_G
from course_lib.planner.shapes import sizes_of
from course_lib.recipes import blip2, llava, minigpt4, mplug_owl
from course_lib.vpg.qformer import QFormerConfig

BERT_WORDS = 30_523
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
RANK = 128  # of LLaVA-1.5's script for LoRA; alpha is twice as much


@dataclass(frozen=True)
class Sides:
    """Both sides of a case.

    Args:
        ours: the course's model.
        reference: transformers' class with the same parameters, or None where there is none.
        words: of the language model; the last one keeps the places of visual tokens.
        places: visual tokens of an image among the words; 0 where texts stand apart.
        size: of an image, in pixels.
    """

    ours: nn.Module
    reference: nn.Module | None
    words: int
    places: int
    size: int


def sizes(name: str) -> dict[str, Any]:
    """Returns a backbone's sizes without the type that its file stores."""
    return {key: value for key, value in sizes_of(name).items() if key != "dtype"}


def twin(model: nn.Module) -> nn.Module:
    """Returns new modules around the same parameters and buffers."""
    kept = [*model.parameters(), *model.buffers()]
    return copy.deepcopy(model, {id(tensor): tensor for tensor in kept})


def llava_config(full: bool) -> LlavaConfig:
    """Returns LLaVA-1.5-7B's configuration, or that of the toy."""
    numbers = llava.scale("a100" if full else "toy")
    vision, language = sizes(numbers.vision), sizes(numbers.language)
    patches = (vision["image_size"] // vision["patch_size"]) ** 2
    return LlavaConfig(
        vision_config=vision,
        text_config=language,
        image_token_index=language["vocab_size"] - 1,
        image_seq_length=patches,
    )


def llava_sides(full: bool) -> Sides:
    """Builds LLaVA."""
    model = LlavaForConditionalGeneration(llava_config(full))
    config, reference = model.config, twin(model)
    places, size = config.image_seq_length, config.vision_config.image_size
    return Sides(llava_from_hf(model), reference, config.text_config.vocab_size, places, size)


def llava_lora_sides(full: bool) -> Sides:
    """Builds LLaVA with a LoRA on all linear layers of its language model; peft's beside it."""
    sides = llava_sides(full)
    rank = RANK if full else 4
    add_lora(sides.ours.language, LINEAR, rank, 2.0 * rank, 0.0)
    names = rf".*language_model\..*\.({'|'.join(LINEAR)})"
    config = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=names)
    return replace(sides, reference=get_peft_model(sides.reference, config))


def blip2_config(full: bool, language: str) -> Blip2Config:
    """Returns BLIP-2 with ViT-g and a language model, or a tiny one.

    Args:
        full: whether sizes are the paper's.
        language: a name that `sizes_of` knows.
    """
    tiny = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    tiny |= {"intermediate_size": 256, "image_size": 24, "patch_size": 6}
    q = QFormerConfig() if full else blip2.scale("toy").qformer
    qformer = {"hidden_size": q.hidden_size, "num_hidden_layers": q.num_hidden_layers}
    qformer |= {"num_attention_heads": q.num_attention_heads, "vocab_size": BERT_WORDS}
    qformer |= {"intermediate_size": q.intermediate_size, "use_qformer_text_input": False}
    qformer |= {"cross_attention_frequency": q.cross_attention_frequency}
    qformer |= {"encoder_hidden_size": q.encoder_hidden_size}
    qformer |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    text = sizes(language) | {"dropout": 0.0, "attention_dropout": 0.0}
    return Blip2Config(
        vision_config=sizes(VIT_G) if full else tiny,
        qformer_config=qformer,
        text_config=text,
        num_query_tokens=q.num_query_tokens,
        image_token_index=text["vocab_size"] - 1,
    )


def _behind_qformer(full: bool, language: str) -> Sides:
    config = blip2_config(full, language)
    model = Blip2ForConditionalGeneration(config)
    nn.init.normal_(model.query_tokens, std=0.02)
    reference, words = twin(model), config.text_config.vocab_size
    # Ours trains a copy of this norm and freezes the encoder's own.
    reference.vision_model.post_layernorm = copy.deepcopy(model.vision_model.post_layernorm)
    size = config.vision_config.image_size
    return Sides(from_hf(model), reference, words, config.num_query_tokens, size)


def blip2_sides(full: bool) -> Sides:
    """Builds BLIP-2's stage 2 on OPT-2.7B."""
    return _behind_qformer(full, "facebook/opt-2.7b" if full else "opt")


def minigpt4_sides(full: bool) -> Sides:
    """Builds MiniGPT-4; for transformers it is a BLIP-2 with a LLaMA."""
    return _behind_qformer(full, minigpt4.scale("a100" if full else "toy").language)


def pretraining_sides(full: bool) -> Sides:
    """Builds BLIP-2's stage 1."""
    config = blip2_config(full, "facebook/opt-2.7b" if full else "opt")
    config.qformer_config.use_qformer_text_input = True
    model = Blip2ForImageTextRetrieval(config)
    nn.init.normal_(model.query_tokens, std=0.02)
    ours = pretraining_from_hf(model, BERT_WORDS - 1)
    return Sides(ours, None, BERT_WORDS, 0, config.vision_config.image_size)


def owl_sides(full: bool) -> Sides:
    """Builds mPLUG-Owl with the LoRA of its stage 2."""
    numbers = mplug_owl.scale("a100" if full else "toy")
    vision = CLIPVisionConfig(**sizes(numbers.vision))
    language = LlamaConfig(**sizes(numbers.language))
    encoder = NormedVisionEncoder(CLIPVisionModel(vision))
    numbers = replace(numbers, abstractor=replace(numbers.abstractor, dropout=0.0))
    llama, words = LanguageModel(LlamaForCausalLM(language)), language.vocab_size
    ours = mplug_owl.build(numbers, encoder, llama, words - 1)
    mplug_owl.give_lora(ours, replace(numbers.lora, dropout=0.0))
    return Sides(ours, None, words, mplug_owl.places_of(numbers), vision.image_size)
