"""A stage-2 run of random weights, as small as it goes, for tests that ask it."""

from dataclasses import replace

import torch
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    OPTForCausalLM,
    T5ForConditionalGeneration,
)

from course_lib.backbones.language import LanguageModel
from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.backbones.vision import VisionEncoder
from course_lib.commands.blip2 import Opened
from course_lib.data.prompts import image_token_id
from course_lib.recipes import blip2
from course_lib.vpg import QFormerConfig
from tests.tiny_models import randomise, text_config

LANGUAGES = {"opt": OPTForCausalLM, "t5": T5ForConditionalGeneration}


def tiny_run(kind: str) -> Opened:
    """Builds a stage-2 run of random weights that reads 48 × 48 pixels and the course's words."""
    torch.manual_seed(0)
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16}
    vision = CLIPVisionConfig(intermediate_size=32, image_size=48, patch_size=8, **sizes)
    encoder = VisionEncoder(randomise(CLIPVisionModel(vision), 1))
    tokenizer = build_tokenizer(kind)
    language = randomise(LANGUAGES[kind](text_config(kind, vocabulary=len(tokenizer))), 2)
    head = QFormerConfig(intermediate_size=32, encoder_hidden_size=16, num_query_tokens=4, **sizes)
    numbers = replace(blip2.scale("toy"), qformer=replace(head, cross_attention_frequency=1))
    place = image_token_id(tokenizer)
    model = blip2.build_stage2(numbers, encoder, LanguageModel(language), place)
    randomise(model.vpg.head, 3)
    return Opened(model.eval(), encoder, tokenizer, {})


def say(widget, text: str) -> str:
    """Types a question into a chat and clicks; returns the newest entry of the transcript."""
    widget.question.value = text
    widget.ask_button.click()
    return widget.entries[0]
