"""What gpu.py compares: one table of cases, how each is counted, and its batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import _gpu_models as models
import torch
from _gpu_models import Sides
from torch import nn

from course_lib.planner import positions
from course_lib.planner.positions import Rules
from course_lib.planner.texts import Text, text_of
from course_lib.recipes import blip2, llava, minigpt4, mplug_owl
from course_lib.training.stages import Stage, apply_stage

Names = tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """One comparison.

    Args:
        name: of the row.
        build: makes both sides, at full size or tiny; see `built`.
        trainable: what trains in ours.
        theirs: the same parameters by their names in the reference.
        text: of a row; without any padding.
        rows: of a step.
        rules: at how many positions each weight works, from model and text.
        cap: GB of memory of the paper's GPUs.
    """

    name: str
    build: Callable[[bool], Sides]
    trainable: tuple[str, ...]
    theirs: tuple[str, ...]
    text: Text
    rows: int
    rules: Callable[[nn.Module, Text], Rules]
    cap: float = 80


def built(case: Case, full: bool, device: str) -> Sides:
    """Builds a case on the device, random weights, bfloat16 on a GPU, and applies its stage."""
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    torch.manual_seed(0)
    try:
        with torch.device(device):
            sides = case.build(full)
    finally:
        torch.set_default_dtype(before)
    sides.ours.to(device)  # what interop copied keeps its dtype
    if sides.reference is not None:
        apply_stage(sides.reference, Stage("stage", case.theirs, 1, 1, 1e-4))
    apply_stage(sides.ours, Stage("stage", case.trainable, 1, 1, 1e-4))
    return sides


def llava_rules(model: nn.Module, text: Text) -> Rules:
    """Counts LLaVA: every row has an image."""
    return positions.llava_rules(model.vpg.encoder, model.language, text, 1)


def blip2_rules(model: nn.Module, text: Text) -> Rules:
    """Counts BLIP-2's stage 2 and MiniGPT-4."""
    return positions.blip2_rules(model.vpg.encoder, queries_of(model), model.language, text)


def pretraining_rules(model: nn.Module, text: Text) -> Rules:
    """Counts BLIP-2's stage 1."""
    encoder = model.vpg.encoder
    rules = positions.pretraining_rules(encoder.num_tokens, queries_of(model), text.words)
    return (*positions.encoder_rules(encoder, 1), *rules)


def owl_rules(model: nn.Module, text: Text) -> Rules:
    """Counts mPLUG-Owl: text.images of the rows have an image."""
    return positions.owl_rules(model.vpg.encoder, queries_of(model), model.language, text)


def queries_of(model: nn.Module) -> int:
    """Returns how many tokens a head makes of an image."""
    return model.vpg.head.config.num_query_tokens


_LLAVA = "model.multi_modal_projector"
_PEFT = f"base_model.{_LLAVA.replace('model', 'model.model', 1)}"
_PEFT_LORA = "base_model.model.model.language_model.layers.*.*.*"
_LANGUAGE = ("model.language_model", "lm_head")
_LORA = "language.model.model.layers.*.*.*"
_OURS_LORA = ("projector", f"{_LORA}.lora_A", f"{_LORA}.lora_B")
_THEIRS_LORA = (_PEFT, f"{_PEFT_LORA}.lora_A", f"{_PEFT_LORA}.lora_B")
_BLIP2 = ("qformer", "query_tokens", "vision_model.post_layernorm", "language_projection")
_ONE, _TWO = llava.STAGE1_TRAINABLE, llava.STAGE2_TRAINABLE
_HEADS, _OWL = ("vpg.head", "heads"), mplug_owl.STAGE2_TRAINABLE
_MINI, _MINI_THEIRS = minigpt4.TRAINABLE, ("language_projection",)

# Name, what builds both sides, what trains in ours and in theirs, the planner's text, rows of a
# batch, rules of the FLOPs, and the cap in GB where it is not 80.
# fmt: off
_TABLE = (
    ("llava-7b stage 1", models.llava_sides, _ONE, (_LLAVA,), "llava v1.5 1", 16, llava_rules),
    ("llava-7b stage 2, full", models.llava_sides, _TWO, (_LLAVA, *_LANGUAGE), "llava v1.5 2", 4,
     llava_rules),
    ("llava-7b stage 2, lora", models.llava_lora_sides, _OURS_LORA, _THEIRS_LORA, "llava v1.5 2",
     16, llava_rules),
    ("blip2 vit-g stage 1", models.pretraining_sides, _HEADS, (), "blip2 1", 64,
     pretraining_rules, 40),
    ("blip2 vit-g opt-2.7b stage 2", models.blip2_sides, blip2.STAGE2_TRAINABLE, _BLIP2, "blip2 2",
     64, blip2_rules, 40),
    ("minigpt4-7b stage 2", models.minigpt4_sides, _MINI, _MINI_THEIRS, "minigpt4 2", 12,
     blip2_rules),
    ("mplug_owl-7b stage 2", models.owl_sides, _OWL, (), "mplug_owl 2", 4, owl_rules),
)
# fmt: on


def cases(full: bool) -> list[Case]:
    """Returns the table; texts are the planner's at full size, twelve words where tiny."""
    made = []
    for name, build, ours, theirs, key, rows, rules, *cap in _TABLE:
        text = text_of(*key.rsplit(" ", 1), "a100")
        if not full:
            text, rows = Text(12, 8, "self-check", text.images), 2
        made.append(Case(name, build, ours, theirs, text, rows, rules, *cap))
    return made


def make_batch(case: Case, sides: Sides, device: str) -> dict[str, torch.Tensor]:
    """Draws rows of an image and words, of which the last ones are labelled; none is padded.

    Where half of the rows have an image, the others have as many words more.
    """
    half = case.text.images <= 0.5
    images = case.rows // 2 if half else case.rows
    width = int(case.text.words) + sides.places // (2 if half else 1)
    ids = torch.randint(5, sides.words - 1, (case.rows, width))
    ids[:images, : sides.places] = sides.words - 1
    labels = ids.clone()
    labels[:, : -int(case.text.labelled)] = -100
    dtype = next(sides.ours.vpg.parameters()).dtype
    pixels = torch.randn(images, 3, sides.size, sides.size, dtype=dtype)
    batch = {"pixel_values": pixels, "input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if sides.places:  # BLIP-2's first stage has no labels
        batch["labels"] = labels
    return {name: tensor.to(device) for name, tensor in batch.items()}
