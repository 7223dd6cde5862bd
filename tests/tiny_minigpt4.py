"""BLIP-2's frozen half as small as it goes, for tests of MiniGPT-4."""

from dataclasses import replace

from course_lib.recipes.minigpt4 import FrozenVPG
from course_lib.vpg.qformer import QFormer, QFormerConfig
from tests.tiny_models import randomise
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
