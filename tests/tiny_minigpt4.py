"""BLIP-2's frozen half as small as it goes, and a MiniGPT-4 behind it, for tests."""

from dataclasses import replace

from transformers import LlamaForCausalLM

from course_lib.backbones.language import LanguageModel
from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.commands.runs import Opened
from course_lib.data.chat_ids import ChatTokenizer
from course_lib.data.prompts import image_token_id
from course_lib.evaluation.chat_asking import ChatAsker
from course_lib.recipes import minigpt4
from course_lib.recipes.minigpt4 import FrozenVPG
from course_lib.vpg.qformer import QFormer, QFormerConfig
from tests.tiny_models import randomise, text_config
from tests.tiny_runs import tiny_encoder

QUERIES, WIDTH = 4, 24


def tiny_qformer(seed: int = 3, **sizes) -> QFormer:
    """Builds a Q-Former with its text half, every weight random."""
    config = QFormerConfig(
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        cross_attention_frequency=1,
        encoder_hidden_size=16,
        num_query_tokens=QUERIES,
        vocab_size=60,
        max_position_embeddings=16,
    )
    return randomise(QFormer(replace(config, **sizes)), seed)


def tiny_vpg(seed: int = 3, **sizes) -> FrozenVPG:
    """Puts it behind an encoder of 48 × 48 pixels."""
    return FrozenVPG(tiny_encoder(), tiny_qformer(seed, **sizes))


def tiny_minigpt4(cached: bool = False) -> Opened:
    """Builds a MiniGPT-4 of random weights that reads 48 × 48 pixels and the course's words."""
    vpg, tokenizer = tiny_vpg(), build_tokenizer("llama")
    config = text_config("llama", vocabulary=len(tokenizer))
    config.max_position_embeddings = 384
    language = LanguageModel(randomise(LlamaForCausalLM(config), 2))
    model = minigpt4.build(vpg, language, image_token_id(tokenizer), cached)
    asker = ChatAsker(ChatTokenizer(tokenizer, QUERIES), minigpt4.scale("toy").template)
    return Opened(model.eval(), vpg if cached else vpg.encoder, tokenizer, {}, asker)
