"""Runs of random weights, as small as they go, for tests that ask them."""

from dataclasses import replace

import torch
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    LlamaForCausalLM,
    OPTForCausalLM,
    T5ForConditionalGeneration,
)

from course_lib.backbones.language import LanguageModel
from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.backbones.vision import VisionEncoder
from course_lib.commands.runs import Opened
from course_lib.data.chat_ids import ChatTokenizer
from course_lib.data.chat_templates import chat_template
from course_lib.data.prompts import image_token_id
from course_lib.evaluation.asking import blip2_asker
from course_lib.evaluation.chat_asking import ChatAsker
from course_lib.recipes import blip2, llava
from course_lib.vpg import QFormerConfig
from tests.tiny_models import randomise, text_config

SIZES = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16}
LANGUAGES = {"opt": OPTForCausalLM, "t5": T5ForConditionalGeneration}


def tiny_encoder(drop_cls: bool = False) -> VisionEncoder:
    """Builds an image encoder of random weights that reads 48 × 48 pixels in 36 patches."""
    torch.manual_seed(0)
    vision = CLIPVisionConfig(intermediate_size=32, image_size=48, patch_size=8, **SIZES)
    return VisionEncoder(randomise(CLIPVisionModel(vision), 1).eval(), drop_cls=drop_cls)


def tiny_llava(template: str = "vicuna_v1") -> Opened:
    """Builds a LLaVA of random weights that reads 48 × 48 pixels and the course's words."""
    encoder, tokenizer = tiny_encoder(drop_cls=True), build_tokenizer("llama")
    config = text_config("llama", vocabulary=len(tokenizer))
    config.max_position_embeddings = 384
    language = LanguageModel(randomise(LlamaForCausalLM(config), 2))
    place = image_token_id(tokenizer)
    model = llava.build(encoder, encoder.hidden_size, language, place)
    asker = ChatAsker(ChatTokenizer(tokenizer, encoder.num_tokens), chat_template(template))
    return Opened(model.eval(), encoder, tokenizer, {}, asker)


def tiny_run(kind: str) -> Opened:
    """Builds a stage-2 run of random weights that reads 48 × 48 pixels and the course's words."""
    encoder, tokenizer = tiny_encoder(), build_tokenizer(kind)
    language = randomise(LANGUAGES[kind](text_config(kind, vocabulary=len(tokenizer))), 2)
    head = QFormerConfig(intermediate_size=32, encoder_hidden_size=16, num_query_tokens=4, **SIZES)
    numbers = replace(blip2.scale("toy"), qformer=replace(head, cross_attention_frequency=1))
    place = image_token_id(tokenizer)
    model = blip2.build_stage2(numbers, encoder, LanguageModel(language), place)
    randomise(model.vpg.head, 3)
    return Opened(model.eval(), encoder, tokenizer, {}, blip2_asker(model, tokenizer))


def say(widget, text: str) -> str:
    """Types a question into a chat and clicks; returns the newest entry of the transcript."""
    widget.question.value = text
    widget.ask_button.click()
    return widget.entries[0]
