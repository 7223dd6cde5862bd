"""Stored outputs of mPLUG-Owl's released classes, and tiny mPLUG-Owls of the same layout."""

from pathlib import Path

import numpy as np
import torch

from course_lib.interop.mplug_owl import mplug_owl_from_config
from course_lib.vlm import VLM
from tests.tiny_models import VOCABULARY, randomise

GOLDEN = Path(__file__).parent / "golden"
TINY = {
    "vision_config": {
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": 16,
        "patch_size": 8,
    },
    "visual_abstractor_config": {
        "hidden_size": 16,
        "intermediate_size": 20,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    },
    "text_config": {
        "model_type": "llama",
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "intermediate_size": 40,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 40,
    },
    "num_query_tokens": 3,
}


def golden(name: str, case: str) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Returns (weights by their official names, the other arrays) of one case."""
    with np.load(GOLDEN / f"mplug_owl_{name}.npz") as stored:
        start = f"{case}/"
        arrays = {k.removeprefix(start): stored[k] for k in stored.files if k.startswith(start)}
    tensors = {k: torch.from_numpy(v) for k, v in arrays.items()}
    weights = {k.removeprefix("weights/"): v for k, v in tensors.items() if k.startswith("weights")}
    return weights, {k: v for k, v in tensors.items() if not k.startswith("weights")}


def mplug_owl(seed: int = 0) -> VLM:
    """Builds a tiny one of our own, every weight random."""
    return randomise(mplug_owl_from_config(TINY), seed)


def original_shapes(config: dict) -> dict[str, tuple[int, ...]]:
    """Writes down every tensor of an official checkpoint, name by name, without our library."""
    vision, head, text = (
        config[k] for k in ("vision_config", "visual_abstractor_config", "text_config")
    )
    shapes = _vision(**vision)
    shapes |= _abstractor(head, text["hidden_size"])
    shapes["query_tokens"] = (1, config["num_query_tokens"], head["hidden_size"])
    return shapes | _llama(text)


def _vision(hidden_size, intermediate_size, num_hidden_layers, image_size, patch_size, **_):
    width, wide = hidden_size, intermediate_size
    stem = "vision_model.embeddings."
    shapes = {
        f"{stem}cls_token": (1, 1, width),
        f"{stem}position_embedding": (1, (image_size // patch_size) ** 2 + 1, width),
        f"{stem}patch_embed.weight": (width, 3, patch_size, patch_size),
        f"{stem}pre_layernorm.weight": (width,),
        f"{stem}pre_layernorm.bias": (width,),
        "vision_model.post_layernorm.weight": (width,),
        "vision_model.post_layernorm.bias": (width,),
    }
    linear = {
        "self_attn.query_key_value": (3 * width, width),
        "self_attn.dense": (width, width),
        "mlp.fc1": (wide, width),
        "mlp.fc2": (width, wide),
    }
    norms = ("input_layernorm", "post_attention_layernorm")
    start = "vision_model.encoder.layers"
    return shapes | _repeated(start, num_hidden_layers, linear, dict.fromkeys(norms, width))


def _abstractor(config, text_width):
    width, wide = config["hidden_size"], config["intermediate_size"]
    square = ("attention.query", "attention.key", "attention.value", "output.out_proj")
    linear = dict.fromkeys(square, (width, width))
    linear |= dict.fromkeys(("output.mlp.w1", "output.mlp.w3"), (wide, width))
    linear["output.mlp.w2"] = (width, wide)
    norms = dict.fromkeys(("norm1", "normk", "output.norm2"), width) | {"output.mlp.ffn_ln": wide}
    layers = config["num_hidden_layers"]
    inner = _repeated("abstractor.encoder.layers", layers, linear, norms, "crossattention.")
    return inner | {
        "abstractor.visual_fc.weight": (text_width, width),
        "abstractor.visual_fc.bias": (text_width,),
        "abstractor.vit_eos": (1, 1, text_width),
    }


def _repeated(start, count, linear, norms, inside=""):
    shapes = {}
    for index in range(count):
        place = f"{start}.{index}.{inside}"
        for name, shape in linear.items():
            shapes |= {f"{place}{name}.weight": shape, f"{place}{name}.bias": shape[:1]}
        for name, width in norms.items():
            shapes |= {f"{place}{name}.weight": (width,), f"{place}{name}.bias": (width,)}
    return shapes


def _llama(text):
    width, wide, words = text["hidden_size"], text["intermediate_size"], text["vocab_size"]
    shapes = {
        "language_model.model.embed_tokens.weight": (words, width),
        "language_model.model.norm.weight": (width,),
        "language_model.lm_head.weight": (words, width),
    }
    for index in range(text["num_hidden_layers"]):
        place = f"language_model.model.layers.{index}."
        for name in "qkvo":
            shapes[f"{place}self_attn.{name}_proj.weight"] = (width, width)
        for name, shape in {
            "gate": (wide, width),
            "up": (wide, width),
            "down": (width, wide),
        }.items():
            shapes[f"{place}mlp.{name}_proj.weight"] = shape
        for name in ("input_layernorm", "post_attention_layernorm"):
            shapes[f"{place}{name}.weight"] = (width,)
    return shapes
