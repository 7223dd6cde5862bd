"""Tiny models of transformers with every weight random, for tests that compare with them.

A default initialisation proves little: image features of 1e-10, queries of zero, biases of zero and
norms of one hide most mistakes. `randomise` gives every tensor values that matter.
"""

import random

import torch
from torch import nn
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2ForImageTextRetrieval,
    Blip2QFormerConfig,
    Blip2VisionConfig,
    CLIPVisionConfig,
    CLIPVisionModel,
    LlamaConfig,
    LlamaForCausalLM,
    LlavaConfig,
    LlavaForConditionalGeneration,
    OPTConfig,
    OPTForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

VOCABULARY = 97
IMAGE_TOKEN = VOCABULARY - 1
_IDS = {"pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 2}


def randomise(model: nn.Module, seed: int, scale: float = 1.5) -> nn.Module:
    """Fills every parameter: matrices with std scale / sqrt(inputs), norms around 1, biases 0.3."""
    generator = torch.Generator().manual_seed(seed)
    tables = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            if id(parameter) in tables or parameter.dim() == 3:
                value = noise * 0.7
            elif parameter.dim() > 1:
                value = noise * scale / parameter[0].numel() ** 0.5
            elif "norm" in name.lower() and name.endswith("weight"):
                value = 1 + 0.3 * noise
            else:
                value = 0.3 * noise
            parameter.copy_(value)
    return model.eval()


def random_sizes(seed: int) -> dict:
    """Draws the sizes of a tiny BLIP-2."""
    draw = random.Random(seed)
    heads = draw.choice([2, 4])
    return {
        "heads": heads,
        "width": heads * draw.choice([6, 8]),
        "vision_width": heads * draw.choice([4, 10]),
        "layers": draw.choice([2, 3, 4]),
        "frequency": draw.choice([1, 2, 3]),
        "queries": draw.choice([3, 5]),
        "text_width": heads * draw.choice([8, 12]),
    }


def qformer_config(sizes: dict, use_text: bool) -> Blip2QFormerConfig:
    return Blip2QFormerConfig(
        vocab_size=VOCABULARY,
        hidden_size=sizes["width"],
        num_hidden_layers=sizes["layers"],
        num_attention_heads=sizes["heads"],
        intermediate_size=3 * sizes["width"],
        encoder_hidden_size=sizes["vision_width"],
        cross_attention_frequency=sizes["frequency"],
        max_position_embeddings=24,
        hidden_dropout_prob=0.1,
        attention_probs_dropout_prob=0.1,
        use_qformer_text_input=use_text,
    )


def vision_config(sizes: dict) -> Blip2VisionConfig:
    return Blip2VisionConfig(
        hidden_size=sizes["vision_width"],
        intermediate_size=2 * sizes["vision_width"],
        num_hidden_layers=2,
        num_attention_heads=sizes["heads"],
        image_size=16,
        patch_size=8,
        initializer_range=0.02,
    )


def text_config(kind: str, width: int = 32, heads: int = 4, vocabulary: int = VOCABULARY):
    common = {"vocab_size": vocabulary, "num_attention_heads": heads, **_IDS}
    if kind == "opt":
        return OPTConfig(
            hidden_size=width,
            word_embed_proj_dim=width,
            ffn_dim=2 * width,
            num_hidden_layers=2,
            max_position_embeddings=40,
            dropout=0.0,
            **common,
        )
    if kind == "llama":
        return LlamaConfig(
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=2,
            num_key_value_heads=heads // 2,
            max_position_embeddings=40,
            **common,
        )
    return T5Config(
        vocab_size=vocabulary,
        d_model=width,
        d_kv=width // heads,
        d_ff=2 * width,
        num_layers=2,
        num_heads=heads,
        dropout_rate=0.0,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
        decoder_start_token_id=0,
        pad_token_id=0,
        eos_token_id=1,
    )


def language_model(kind: str, seed: int = 0, scale: float = 1.5, **sizes) -> nn.Module:
    classes = {"opt": OPTForCausalLM, "llama": LlamaForCausalLM, "t5": T5ForConditionalGeneration}
    return randomise(classes[kind](text_config(kind, **sizes)), seed, scale)


def clip_vision(seed: int = 0, layers: int = 3) -> CLIPVisionModel:
    config = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        image_size=16,
        patch_size=8,
        projection_dim=8,
    )
    return randomise(CLIPVisionModel(config), seed)


def blip2(kind: str, seed: int = 0) -> Blip2ForConditionalGeneration:
    sizes = random_sizes(seed)
    config = Blip2Config(
        vision_config=vision_config(sizes).to_dict(),
        qformer_config=qformer_config(sizes, use_text=False).to_dict(),
        text_config=text_config(kind, sizes["text_width"], sizes["heads"]).to_dict(),
        num_query_tokens=sizes["queries"],
        image_token_index=IMAGE_TOKEN,
    )
    model = randomise(Blip2ForConditionalGeneration(config), seed)
    # T5 does not divide its scores by the root of the width: less noise keeps them comparable.
    randomise(model.language_model, seed, scale=1.0 if kind == "t5" else 1.5)
    return model


def blip2_retrieval(seed: int = 0) -> Blip2ForImageTextRetrieval:
    sizes = random_sizes(seed)
    config = Blip2Config(
        vision_config=vision_config(sizes).to_dict(),
        qformer_config=qformer_config(sizes, use_text=True).to_dict(),
        num_query_tokens=sizes["queries"],
        image_text_hidden_size=10,
    )
    return randomise(Blip2ForImageTextRetrieval(config), seed)


def llava(seed: int = 0) -> LlavaForConditionalGeneration:
    sizes = random_sizes(seed)
    vision = CLIPVisionConfig(
        hidden_size=sizes["vision_width"],
        intermediate_size=2 * sizes["vision_width"],
        num_hidden_layers=sizes["layers"],
        num_attention_heads=sizes["heads"],
        image_size=16,
        patch_size=8,
        projection_dim=8,
    )
    config = LlavaConfig(
        vision_config=vision.to_dict(),
        text_config=text_config("llama", sizes["text_width"], sizes["heads"]).to_dict(),
        image_token_index=IMAGE_TOKEN,
        image_seq_length=4,
    )
    return randomise(LlavaForConditionalGeneration(config), seed)


def text_batch(seed: int, rows: int, length: int, side: str = "right") -> dict[str, torch.Tensor]:
    """Draws words and a mask; every row but the first is padded on one side."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(5, IMAGE_TOKEN, (rows, length), generator=generator)
    mask = torch.ones(rows, length, dtype=torch.long)
    for row in range(1, rows):
        pad = 1 + (row * 2) % (length - 3)
        mask[row, slice(-pad, None) if side == "right" else slice(0, pad)] = 0
    return {"input_ids": ids.masked_fill(mask == 0, 1), "attention_mask": mask}


def largest_difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Returns the largest difference, relative to the largest reference value above 1."""
    return float((ours - theirs).abs().max() / theirs.abs().max().clamp_min(1.0))


def idefics_perceiver(qk_norm: bool) -> dict[str, bool | int]:
    """Returns the sizes of a tiny Idefics' resampler."""
    sizes = {"n_latents": 3, "depth": 2, "n_heads": 3, "head_dim": 6}
    named = {f"resampler_{name}": size for name, size in sizes.items()}
    return {"use_resampler": True, **named, "qk_layer_norms_perceiver": qk_norm}
