"""VPGTrans on one screen: what is carried over, what each stage trains, its numbers at each scale.

A VPG that was trained with one language model is inherited by another: Q-Former, queries and
ln_vision as they are, the projector merged with a word converter. Stage 1 warms that projector up,
alone, at 5 times the learning rate, for one pass over the data; stage 2 trains VPG and projector.
The language model never changes. Facts of the paper: arXiv 2305.01278, sections 2.2, 3.2 and 4;
official: VPGTrans/VPGTrans, run_scripts/blip2/scale_up_train.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import nn

from course_lib.backbones.language import LanguageModel
from course_lib.backbones.vision import VisionEncoder
from course_lib.converter import WordConverter
from course_lib.errors import unknown_name_error
from course_lib.merged_projector import merge_projectors
from course_lib.projector import LinearProjector
from course_lib.recipes import blip2
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
        num_scenes: training images at `toy`; 0 where a real data set is read.
    """

    vision: str
    transfers: dict[str, Transfer]
    qformer: QFormerConfig
    stage1: Stage
    stage2: Stage
    num_scenes: int = 0


def _transfers(opt: str, large: str, t5: str, llama: str) -> dict[str, Transfer]:
    """Names the four transfers: one across size (TaS), three across type (TaT)."""
    return {
        "opt-to-large": Transfer("blip2-opt", opt, large, epochs=5),
        "opt-to-t5": Transfer("blip2-opt", opt, t5),
        "t5-to-opt": Transfer("blip2-t5", t5, opt),
        "opt-to-llama": Transfer("blip2-opt", opt, llama),
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


def _toy() -> Scale:
    """One pass is 187 batches of 64; rate and batch of stage 2 are those of BLIP-2 at `toy`."""
    source = blip2.scale("toy")
    return Scale(
        vision=source.vision,
        transfers=_transfers("opt", "opt-large", "t5", "llama"),
        qformer=source.qformer,
        num_scenes=12_000,
        **_stages(12_000 // 64, 1000, 64, 1e-3, 1e-4),
    )


def _small() -> Scale:
    """One GPU of 16 GB; the numbers are ours: one pass over COCO's 567,000 captions, then two."""
    source = blip2.scale("small")
    large, llama = "facebook/opt-1.3b", "TinyLlama/TinyLlama-1.1B-Chat-v1.0"
    return Scale(
        vision=source.vision,
        transfers=_transfers(source.languages["opt"], large, source.languages["t5"], llama),
        qformer=source.qformer,
        **_stages(8_860, 17_720, 64, 1e-4, 5e-5),
    )


def _a100() -> Scale:
    """The paper's scale-up; batches are those of all 8 GPUs and 6 accumulated steps together.

    One pass over COCO and SBU, 1.4M pairs, at 5e-4; then 7,500 batches (45,000 of the released
    script's iterations are a sixth of one each), no warm-up, no gradient clipping: 14.4M pairs in
    all. FlanT5's batches are of 1,152. The paper's last source is OPT-6.7B with EVA's ViT-g and
    32 queries (`blip2_pretrained_opt6.7b.pth`), here it is that of our BLIP-2 at this scale.
    """
    source = blip2.scale("a100")
    opt, t5 = source.languages["opt"], source.languages["t5"]
    same = {"betas": (0.9, 0.999), "grad_clip": None}
    return Scale(
        vision=source.vision,
        transfers=_transfers(opt, "facebook/opt-6.7b", t5, "huggyllama/llama-7b"),
        qformer=source.qformer,
        **_stages(1_400_000 // 1728, 7_500, 1728, 1e-4, 5e-5, **same),
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
