"""VPGTrans on one screen: what is carried over, what each stage trains, its numbers at each scale.

A VPG that was trained with one language model is inherited by another: Q-Former, queries and
ln_vision as they are, the projector merged with a word converter. Stage 1 warms that projector up,
alone, at 5 times the learning rate, for one pass over the data; stage 2 trains VPG and projector.
The language model never changes. VL-LLaMA is that with LLaMA. VL-Vicuna has a stage 3: the same
parts train on, on MiniGPT-4's curated data, inside the chat of a tuned LLaMA. Facts of the paper:
arXiv 2305.01278, sections 2.2, 3.2, 4 and 6.2; official: VPGTrans/VPGTrans,
run_scripts/blip2/scale_up_train.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import nn

from course_lib.backbones.language import LanguageModel
from course_lib.backbones.vision import VisionEncoder
from course_lib.converter import WordConverter
from course_lib.data.chat_templates import ChatTemplate
from course_lib.errors import unknown_name_error
from course_lib.merged_projector import merge_projectors
from course_lib.projector import LinearProjector
from course_lib.recipes import blip2, minigpt4
from course_lib.recipes.vpgtrans_inherit import check_source, inherit_vpg
from course_lib.training.stages import Stage
from course_lib.vlm import VLM, VPG
from course_lib.vpg.qformer import QFormer, QFormerConfig

NAME = "vpgtrans"
STAGE1_TRAINABLE, STAGE2_TRAINABLE = ("projector",), ("vpg.head", "projector")
WARMUP_FACTOR = 5  # learning rate of stage 1 over that of stage 2


@dataclass(frozen=True)
class Transfer:
    """From which run to which language model.

    Args:
        source: run whose VPG is inherited.
        source_language: zoo or Hub name of the language model it was trained with.
        language: that of the one which inherits.
        epochs: of the word converter's training: 5 within a family, 8 between families.
    """

    source: str
    source_language: str
    language: str
    epochs: int = 8


@dataclass(frozen=True)
class Scale:
    """The numbers of VPGTrans at one scale.

    Args:
        vision: zoo or Hub name of the frozen image encoder, that of the source run.
        transfers: by short name.
        qformer: sizes of the Q-Former, those of the source run.
        stage1: trains the projector alone, one pass, at a constant rate.
        stage2: trains Q-Former and projector.
        stage3: trains them on curated descriptions inside a chat.
        chat: zoo or Hub name of the chat-tuned language model of stage 3, which stands for Vicuna.
        template: of its conversations.
        num_curated: descriptions that stage 3 reads.
        num_scenes: training images at `toy`; 0 where a real data set is read.
    """

    vision: str
    transfers: dict[str, Transfer]
    qformer: QFormerConfig
    stage1: Stage
    stage2: Stage
    stage3: Stage
    chat: str
    template: ChatTemplate
    num_curated: int
    num_scenes: int = 0


def _transfers(opt: str, large: str, t5: str, llama: str, chat: str) -> dict[str, Transfer]:
    """Names the transfers: one across size (TaS), the others across type (TaT)."""
    return {
        "opt-to-large": Transfer("blip2-opt", opt, large, epochs=5),
        "opt-to-t5": Transfer("blip2-opt", opt, t5),
        "t5-to-opt": Transfer("blip2-t5", t5, opt),
        "opt-to-llama": Transfer("blip2-opt", opt, llama),
        "opt-to-vicuna": Transfer("blip2-opt", opt, chat),
    }


def _stages(passes: int, steps: int, batch_size: int, rate: float, last: float, **same) -> dict:
    """Returns both stages: one constant, at WARMUP_FACTOR times the rate of the other."""
    fast = WARMUP_FACTOR * rate
    warmup = {"learning_rate": fast, "min_learning_rate": fast}
    return {
        "stage1": Stage("stage1", STAGE1_TRAINABLE, passes, batch_size, **warmup, **same),
        "stage2": Stage(
            "stage2", STAGE2_TRAINABLE, steps, batch_size, rate, min_learning_rate=last, **same
        ),
    }


def _stage3(like: minigpt4.Scale, num_curated: int, stage: Stage) -> dict:
    """Returns what stage 3 takes over from MiniGPT-4, and its own numbers."""
    named = {"chat": like.language, "template": like.template, "num_curated": num_curated}
    return {**named, "stage3": replace(stage, min_learning_rate=stage.learning_rate / 10)}


def _toy() -> Scale:
    """One pass is 187 batches of 64; rate and batch of stage 2 are those of BLIP-2 at `toy`.

    Stage 3 has the paper's tenth of stage 2's rate and its six passes. A short VL-LLaMA (stages of
    90 and 360 steps) described .33 of things rightly when Vicuna's stand-in first spoke for it; .87
    after stage 3, which left .91 in captions; at 1e-3 it was .90, and .78 in captions. Single runs,
    80 held-out scenes.
    """
    source, chatting = blip2.scale("toy"), minigpt4.scale("toy")
    stage3 = Stage("stage3", STAGE2_TRAINABLE, 200, 12, 1e-4, warmup_steps=20)
    return Scale(
        vision=source.vision,
        transfers=_transfers("opt", "opt-large", "t5", "llama", chatting.language),
        qformer=source.qformer,
        num_scenes=12_000,
        **_stages(12_000 // 64, 1000, 64, 1e-3, 1e-4),
        **_stage3(chatting, chatting.num_curated, stage3),
    )


def _small() -> Scale:
    """One GPU of 16 GB; the numbers are ours: one pass over COCO's 567,000 captions, then two.

    TinyLlama is chat-tuned already, so it stands for LLaMA and for Vicuna.
    """
    source, chatting = blip2.scale("small"), minigpt4.scale("small")
    opt, t5, chat = source.languages["opt"], source.languages["t5"], chatting.language
    stage3 = Stage("stage3", STAGE2_TRAINABLE, 160, 120, 1e-5, warmup_steps=40)
    return Scale(
        vision=source.vision,
        transfers=_transfers(opt, "facebook/opt-1.3b", t5, chat, chat),
        qformer=source.qformer,
        **_stages(8_860, 17_720, 64, 1e-4, 5e-5),
        **_stage3(chatting, 3_439, stage3),
    )


def _a100() -> Scale:
    """The paper's scale-up; batches are those of all 8 GPUs and 6 accumulated steps together.

    One pass over COCO and SBU, 1.4M pairs, at 5e-4; then 7,500 batches (45,000 of the released
    script's iterations are a sixth of one each), no warm-up, no gradient clipping: 14.4M pairs in
    all. FlanT5's batches are of 1,152. The paper's last source is OPT-6.7B with EVA's ViT-g and
    32 queries (`blip2_pretrained_opt6.7b.pth`), here it is that of our BLIP-2 at this scale.

    Stage 3 reads the 3,439 descriptions that MiniGPT-4 released: 800 iterations of 6 rows on each
    of 4 GPUs, five to an update, are 160 updates of 120; its 200 iterations of warm-up are 40 of
    them, and start at 1e-6 there, at 0 here. Answers are cut at 160 tokens there.
    """
    source, chatting = blip2.scale("a100"), minigpt4.scale("a100")
    opt, t5 = source.languages["opt"], source.languages["t5"]
    large, llama = "facebook/opt-6.7b", "huggyllama/llama-7b"
    same = {"betas": (0.9, 0.999), "grad_clip": None}
    stage3 = Stage("stage3", STAGE2_TRAINABLE, 160, 120, 1e-5, warmup_steps=40, **same)
    return Scale(
        vision=source.vision,
        transfers=_transfers(opt, large, t5, llama, chatting.language),
        qformer=source.qformer,
        **_stages(1_400_000 // 1728, 7_500, 1728, 1e-4, 5e-5, **same),
        **_stage3(chatting, 3_439, stage3),
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
    numbers: Scale,
    source: nn.Module,
    encoder: VisionEncoder | None,
    language: LanguageModel,
    image_token_id: int,
    converter: WordConverter | None = None,
    seed: int = 0,
) -> VLM:
    """Builds the model that inherits: the source's Q-Former, a projector, another language model.

    Args:
        numbers: of a scale.
        source: the trained model, a stage-2 BLIP-2 or another VLM with a Q-Former; not changed.
        encoder: the source's frozen encoder, or None where features come from the cache.
        language: the target.
        image_token_id: the target's word that keeps the places of the queries.
        converter: merged with the source's projector; None starts from a random projector, as
            the paper's VPGInherit does.
        seed: of the random projector.

    Raises:
        ValueError: for a source without a Q-Former, or parts that do not fit each other.
    """
    check_source(source, merges=converter is not None)
    torch.manual_seed(seed)
    head = QFormer(replace(numbers.qformer, use_text=False))
    inherit_vpg(head, source.vpg.head)
    projector = LinearProjector(head.config.hidden_size, language.hidden_size)
    if converter is not None:
        if converter.out_features != language.hidden_size:
            raise ValueError(
                f"The converter gives words of width {converter.out_features} and the target reads "
                f"{language.hidden_size}: use the converter of this pair of language models."
            )
        projector = merge_projectors(source.projector, converter)
    return VLM(VPG(encoder, head), projector, language, image_token_id)


def speak_with(model: VLM, language: LanguageModel, image_token_id: int) -> VLM:
    """Puts a trained VPG and its projector, as they are, in front of another language model.

    This makes VL-Vicuna's beginning of a VL-LLaMA: Vicuna is LLaMA, tuned further, and has its
    words and its width. The released scripts take the longer way, both stages with Vicuna itself.

    Args:
        model: of stage 2; VPG and projector are its own, not copies.
        language: of the same width as the model's.
        image_token_id: the word of `language` that keeps the places of the queries.

    Raises:
        ValueError: for another width.
    """
    width, wanted = model.language.hidden_size, language.hidden_size
    if width != wanted:
        raise ValueError(
            f"The projector leads to words of width {width}, and the language model that is to "
            f"speak has {wanted}: take one that was tuned from the model's own, or transfer to it "
            "by stages 1 and 2."
        )
    return VLM(model.vpg, model.projector, language, image_token_id)
