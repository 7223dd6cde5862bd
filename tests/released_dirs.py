"""Tiny random models in the layout that they have on the Hub: weights, tokenizer, picture sizes."""

import json

from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    CLIPVisionConfig,
    CLIPVisionModel,
    LlamaForCausalLM,
    LlavaConfig,
    LlavaForConditionalGeneration,
    OPTForCausalLM,
    T5ForConditionalGeneration,
)

from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.data.prompts import image_token_id
from tests.tiny_models import qformer_config, random_sizes, randomise, text_config, vision_config

PATCHES, SIZE = 4, 16
LANGUAGES = {"opt": OPTForCausalLM, "llama": LlamaForCausalLM, "t5": T5ForConditionalGeneration}


def _text(kind: str, vocabulary: int):
    config = text_config(kind, vocabulary=vocabulary)
    if kind != "t5":
        config.max_position_embeddings = 256
    return config


def _finish(folder, model, tokenizer):
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    sizes = {"do_resize": True, "size": {"height": SIZE, "width": SIZE}, "resample": 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(sizes), encoding="utf-8")
    return folder


def released_blip2(folder, kind: str):
    """Writes a BLIP-2 with an OPT or a T5 that knows the course's words."""
    sizes, tokenizer = random_sizes(0), build_tokenizer(kind)
    config = Blip2Config(
        vision_config=vision_config(sizes).to_dict(),
        qformer_config=qformer_config(sizes, use_text=False).to_dict(),
        text_config=_text(kind, len(tokenizer)).to_dict(),
        num_query_tokens=sizes["queries"],
        image_token_index=image_token_id(tokenizer),
    )
    model = randomise(Blip2ForConditionalGeneration(config), 1)
    return _finish(folder, randomise_language(model), tokenizer)


def randomise_language(model):
    """Less noise for T5, which does not divide its scores by the root of the width."""
    randomise(model.language_model, 1, scale=1.0)
    return model


def released_llava(folder):
    """Writes a LLaVA-1.5 that knows the course's words."""
    tokenizer = build_tokenizer("llama")
    vision = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=SIZE,
        patch_size=8,
        projection_dim=8,
    )
    config = LlavaConfig(
        vision_config=vision.to_dict(),
        text_config=_text("llama", len(tokenizer)).to_dict(),
        image_token_index=image_token_id(tokenizer),
        image_seq_length=PATCHES,
    )
    return _finish(folder, randomise(LlavaForConditionalGeneration(config), 1), tokenizer)


def backbones(folder, kind: str) -> tuple[str, str]:
    """Writes a CLIP and a language model; returns (vision, language) as a scale names them."""
    tokenizer = build_tokenizer(kind)
    vision = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=SIZE,
        patch_size=8,
    )
    randomise(CLIPVisionModel(vision), 2).save_pretrained(folder / "vision")
    language = LANGUAGES[kind](_text(kind, len(tokenizer)))
    randomise(language, 3).save_pretrained(folder / "language")
    tokenizer.save_pretrained(folder / "language")
    return str(folder / "vision"), str(folder / "language")
