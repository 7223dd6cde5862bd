"""At how many positions each weight works, for one sample: the table behind every FLOP counted.

A rule is (beginning of a name, positions); a component may hold `*`. The first that fits counts,
and a weight without a rule is an error, so that none is forgotten.

Letters: N tokens of the image encoder, Q visual tokens, T words, S = words and visual tokens.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from course_lib.backbones.language import LanguageModel
from course_lib.backbones.vision import VisionEncoder
from course_lib.planner.texts import Text

Rules = tuple[tuple[str, float], ...]
_KEYS = ("k_proj", "v_proj")


def positions_of(name: str, rules: Rules) -> float:
    """Returns the positions of the first rule that fits a weight.

    Raises:
        ValueError: when none does.
    """
    parts = name.split(".")
    for start, positions in rules:
        wanted = start.split(".")
        if len(parts) >= len(wanted) and all(map(fnmatchcase, parts, wanted)):
            return positions
    raise ValueError(f"No rule tells at how many positions {name} works: add one for its part.")


def encoder_rules(encoder: VisionEncoder, images: float) -> Rules:
    """Blocks behind the layer that is read do nothing; all others see every token, CLS included."""
    config = encoder.config
    blocks = config.num_hidden_layers
    depth = encoder.layer % (blocks + 1)
    idle = ((f"vpg.encoder.model.encoder.layers.{i}", 0.0) for i in range(depth, blocks))
    patches = (config.image_size // config.patch_size) ** 2
    return (*idle, ("vpg.encoder", images * (patches + 1)))


def qformer_rules(encoder_tokens: int, queries: int, images: float) -> Rules:
    """Keys and values of the image are made of N tokens, all else works on the Q queries."""
    reads = tuple((f"vpg.head.layers.*.cross_attention.{key}", encoder_tokens) for key in _KEYS)
    return tuple((name, images * count) for name, count in (*reads, ("vpg.head", queries)))


def pretraining_rules(encoder_tokens: int, queries: int, words: float) -> Rules:
    """BLIP-2's stage 1: queries alone, text alone, text behind queries, and three pairs of both.

    The pairs are ITM's: one right, one with a wrong image, one with a wrong text.
    """
    layer = "vpg.head.layers.*"
    rows, texts = 1 + 3, 2 + 3
    return (
        *((f"{layer}.cross_attention.{key}", rows * encoder_tokens) for key in _KEYS),
        (f"{layer}.cross_attention", rows * queries),
        (f"{layer}.query_ffn", rows * queries),
        (f"{layer}.text_ffn", texts * words),
        (f"{layer}.self_attention", rows * queries + texts * words),
        ("vpg.head.word_embeddings", words),  # ITG's head is tied to them
        ("heads.lm_head", words),
        ("heads.vision_proj", queries),
        ("heads.text_proj", 1),
        ("heads.itm_head", 3 * queries),
    )


def reader_rules(encoder_tokens: int, queries: int, images: float) -> Rules:
    """Resampler and abstractor: keys and values are made of the image and the queries."""
    reads = tuple((f"vpg.head.layers.*.attention.{key}", encoder_tokens + queries) for key in _KEYS)
    return tuple((name, images * count) for name, count in (*reads, ("vpg.head", queries)))


def gated_rules(queries: int, text: Text) -> Rules:
    """Gated layers make keys and values of every image's Q tokens, and look from every word."""
    keys = ((f"gated.layers.*.attention.{key}", text.images * queries) for key in _KEYS)
    return (*keys, ("gated", text.words))


def language_rules(language: LanguageModel, visual: float, text: Text) -> Rules:
    """The language model reads S positions; its head runs where a word is to be guessed.

    Args:
        language: decoder-only, or a T5, whose visual tokens go to the encoder.
        visual: visual tokens of a sample among the words.
        text: its words.
    """
    places = visual + text.words
    head = ("language.model.lm_head", text.labelled)
    if not language.is_encoder_decoder:
        return (head, ("language", places))
    memory = "language.model.decoder.block.*.layer.1.EncDecAttention"
    return (
        head,
        ("language.model.encoder", places),
        (f"{memory}.k", places),
        (f"{memory}.v", places),
        ("language.model.decoder", text.decoder),
    )


def blip2_rules(encoder: VisionEncoder, queries: int, language: LanguageModel, text: Text) -> Rules:
    """BLIP-2's stage 2, MiniGPT-4 and VPGTrans: an image, its Q-Former, a projector, words."""
    head = qformer_rules(encoder.num_tokens, queries, 1)
    rules = (*encoder_rules(encoder, 1), *head, ("projector", queries))
    return (*rules, *language_rules(language, queries, text))


def llava_rules(
    encoder: VisionEncoder, language: LanguageModel, text: Text, images: float
) -> Rules:
    """LLaVA: the projector reads every token of the encoder."""
    visual = images * encoder.num_tokens
    rules = (*encoder_rules(encoder, images), ("projector", visual))
    return (*rules, *language_rules(language, visual, text))


def owl_rules(encoder: VisionEncoder, queries: int, language: LanguageModel, text: Text) -> Rules:
    """mPLUG-Owl: an image takes one place more, its end token's."""
    images = text.images
    head = reader_rules(encoder.num_tokens, queries, images)
    rules = (*encoder_rules(encoder, images), *head, ("projector", images * queries))
    return (*rules, *language_rules(language, images * (queries + 1), text))
