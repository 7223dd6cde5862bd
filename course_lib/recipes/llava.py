"""LLaVA on one screen: what it is built of, what each stage trains, its numbers at each scale.

The patches of a frozen CLIP themselves become the visual tokens: one layer (v1) or two (v1.5) bring
them to the language model's width, and they stand in the conversation where the image was. Stage 1
trains that projector alone on image-caption pairs, stage 2 projector and language model on
instructions. Facts of the papers: arXiv 2304.08485, sections 4.1, 4.2 and appendix C; arXiv
2310.03744, table 9.

What decided at `toy`: the language model. With one that failed its gate (colour by place .66) 300
steps of each stage left .73 of conversation questions right; with one that passes it, 600 and 1,200
steps gave .98, and captions stood at .70 of things right after stage 1 alone. Batches of 64 in
stage 2 would cost twice as much a step and were not needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from course_lib.backbones.language import LanguageModel
from course_lib.backbones.vision import VisionEncoder
from course_lib.errors import unknown_name_error
from course_lib.projector import LinearProjector, MLPProjector
from course_lib.recipes.mplug_owl import LoRA
from course_lib.training.stages import Stage
from course_lib.vlm import VLM, VPG

NAME = "llava"
STAGE1_TRAINABLE, STAGE2_TRAINABLE = ("projector",), ("projector", "language")
# Attention and feed-forward of every block, as in the released finetune_lora.sh; not the head.
LORA_TRAINABLE = ("projector", "language.model.model.layers.*.*.*.lora_*")
_stage = partial(Stage, weight_decay=0.0)  # the papers' AdamW has none
PROJECTORS = {"v1": LinearProjector, "v1.5": MLPProjector}


@dataclass(frozen=True)
class Scale:
    """The numbers of LLaVA at one scale.

    Args:
        vision: zoo or Hub name of the frozen image encoder; its second-last layer is read, without
            the class token.
        language: zoo or Hub name of the chat-tuned language model.
        stage1: trains the projector.
        stage2: trains projector and language model, or the projector and a LoRA.
        num_scenes: training images at `toy`; 0 where a real data set is read.
        lora: of stage 2; None trains the language model itself.
    """

    vision: str
    language: str
    stage1: Stage
    stage2: Stage
    num_scenes: int = 0
    lora: LoRA | None = None


def _toy() -> Scale:
    return Scale(
        vision="clip",
        language="llama-chat",
        stage1=_stage("stage1", STAGE1_TRAINABLE, 600, 64, 2e-3, warmup_steps=20),
        stage2=_stage("stage2", STAGE2_TRAINABLE, 1200, 32, 5e-4, warmup_steps=50),
        num_scenes=12_000,
    )


def _small() -> Scale:
    """One GPU of 16 GB; the numbers are ours, chosen to fit, and not the paper's.

    AdamW on all of TinyLlama would take 20.2 GB, so stage 2 trains a LoRA: layers, r, alpha and
    dropout are those of the released finetune_lora.sh (v1.5), and so is 2e-4. There the projector
    keeps 2e-5; a stage here has one rate for all that it trains.
    """
    linear = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    stage2 = _stage("stage2", LORA_TRAINABLE, 5_000, 16, 2e-4, warmup_steps=150)
    return Scale(
        vision="openai/clip-vit-base-patch16",
        language="TinyLlama/TinyLlama-1.1B-Chat-v1.0",
        stage1=_stage("stage1", STAGE1_TRAINABLE, 4_000, 64, 1e-3, warmup_steps=120),
        stage2=stage2,
        lora=LoRA(linear, r=128, alpha=256.0, dropout=0.05),
    )


def _a100() -> Scale:
    """LLaVA-1.5 7B (arXiv 2310.03744, table 9); batches are those of all 8 GPUs together.

    One epoch of 558,000 pairs in batches of 256 and one of 665,000 conversations in batches of 128;
    3 % of the steps warm up. v1 had batches of 128 at 2e-3 on 595,375 pairs, then 32 at 2e-5.
    """
    return Scale(
        vision="openai/clip-vit-large-patch14-336",
        language="lmsys/vicuna-7b-v1.5",
        stage1=_stage("stage1", STAGE1_TRAINABLE, 2_180, 256, 1e-3, warmup_steps=66),
        stage2=_stage("stage2", STAGE2_TRAINABLE, 5_195, 128, 2e-5, warmup_steps=156),
    )


SCALES = {"toy": _toy, "small": _small, "a100": _a100}


def scale(name: str) -> Scale:
    """Returns the numbers of a scale.

    Raises:
        ValueError: for an unknown scale.
    """
    if name not in SCALES:
        raise unknown_name_error("scale", name, SCALES)
    return SCALES[name]()


def build(
    encoder: VisionEncoder | None,
    vision_width: int,
    language: LanguageModel,
    image_token_id: int,
    version: str = "v1.5",
    seed: int = 0,
) -> VLM:
    """Builds LLaVA: patches, projector, language model.

    Args:
        encoder: layer -2 without the class token; None where features come from the cache.
        vision_width: E, of the features.
        language: a decoder-only model.
        image_token_id: the word that keeps the places of the N patches.
        version: "v1" has one linear layer, "v1.5" two with an exact GELU between them.
        seed: of the projector's initialisation.

    Raises:
        ValueError: for another version, or an encoder that keeps the class token.
    """
    if version not in PROJECTORS:
        raise unknown_name_error("LLaVA version", version, PROJECTORS)
    if encoder is not None and not encoder.drop_cls:
        raise ValueError("LLaVA reads patches alone: build the encoder with drop_cls=True.")
    torch.manual_seed(seed)
    projector = PROJECTORS[version](vision_width, language.hidden_size)
    return VLM(VPG(encoder, nn.Identity()), projector, language, image_token_id)
