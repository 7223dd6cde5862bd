"""BLIP-2 on one screen: what it is built of, what each stage trains, its numbers at each scale.

Stage 1 teaches the Q-Former to pull out of the image what text speaks of, without any language
model. Stage 2 puts a linear layer behind it and lets a frozen language model read the queries as if
they were words. Facts of the paper: arXiv 2301.12597, sections 3.1 to 3.4.

What decided at `toy`: cross-attention stands in every layer, since four layers with every second
one leave only two looks at the image. T5 learns from captions more slowly than OPT: 3,000 steps on
12,000 scenes left .75 of things right (OPT .95), and of three-thing captions .64 were exact on
training scenes but .31 on new ones. 4,000 steps on 12,000 scenes gave .80, on 24,000 .94.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from transformers import PreTrainedTokenizerBase

from course_lib.backbones.language import LanguageModel
from course_lib.backbones.vision import VisionEncoder
from course_lib.errors import unknown_name_error
from course_lib.projector import LinearProjector
from course_lib.recipes.blip2_stage1 import QFormerPretraining
from course_lib.training.stages import Stage
from course_lib.vlm import VLM, VPG
from course_lib.vpg.qformer import QFormer, QFormerConfig

NAME = "blip2"
STAGE2_TRAINABLE = ("vpg.head", "projector")


@dataclass(frozen=True)
class Scale:
    """The numbers of BLIP-2 at one scale.

    Args:
        vision: zoo or Hub name of the frozen image encoder; its second-last layer is read.
        languages: zoo or Hub names of the frozen language models, by short name.
        qformer: sizes of the Q-Former; `encoder_hidden_size` is the encoder's width.
        stage1: trains the Q-Former and the heads of its three losses.
        stage2: by short name of the language model: trains the Q-Former and the projector.
        num_scenes: training images at `toy`, of "stage1" or by language model; nothing where a real
            data set is read.
    """

    vision: str
    languages: dict[str, str]
    qformer: QFormerConfig
    stage1: Stage
    stage2: dict[str, Stage]
    num_scenes: dict[str, int] = field(default_factory=dict)


def _toy() -> Scale:
    stage2 = Stage("stage2", STAGE2_TRAINABLE, 3000, 64, 1e-3, warmup_steps=100)
    return Scale(
        vision="clip",
        languages={"opt": "opt", "t5": "t5"},
        qformer=QFormerConfig(
            hidden_size=128,
            num_hidden_layers=4,
            num_attention_heads=4,
            intermediate_size=512,
            cross_attention_frequency=1,
            encoder_hidden_size=128,
            num_query_tokens=16,
            max_position_embeddings=64,
            dropout=0.0,
        ),
        stage1=Stage("stage1", ("vpg.head", "heads"), 1600, 64, 1e-3, warmup_steps=100),
        stage2={"opt": stage2, "t5": replace(stage2, steps=4000)},
        num_scenes={"stage1": 12_000, "opt": 12_000, "t5": 24_000},
    )


def _small() -> Scale:
    """One GPU of 16 GB; the numbers are ours, chosen to fit, and not the paper's."""
    stage2 = Stage(
        "stage2", STAGE2_TRAINABLE, 30_000, 64, 1e-4, warmup_steps=2_000, min_learning_rate=5e-5
    )
    return Scale(
        vision="openai/clip-vit-base-patch32",
        languages={"opt": "facebook/opt-125m", "t5": "google/flan-t5-base"},
        qformer=QFormerConfig(encoder_hidden_size=768),
        stage1=Stage("stage1", ("vpg.head", "heads"), 50_000, 128, 1e-4, warmup_steps=2_000),
        stage2={"opt": stage2, "t5": stage2},
    )


def _a100() -> Scale:
    """The paper's ViT-L recipe (section 3.4); batches are those of all 16 GPUs together.

    The released configuration differs: 10 epochs on COCO and Visual Genome alone, beta2 0.999,
    batches of 1,600 and 1,024 (LAVIS, projects/blip2/train).
    """
    stage2 = Stage(
        "stage2",
        STAGE2_TRAINABLE,
        80_000,
        1920,
        1e-4,
        warmup_steps=2_000,
        min_learning_rate=5e-5,
    )
    return Scale(
        vision="openai/clip-vit-large-patch14",
        languages={"opt": "facebook/opt-2.7b", "t5": "google/flan-t5-xl"},
        qformer=QFormerConfig(encoder_hidden_size=1024),
        stage1=Stage("stage1", ("vpg.head", "heads"), 250_000, 2320, 1e-4, warmup_steps=2_000),
        stage2={"opt": stage2, "t5": replace(stage2, batch_size=1520)},
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


def build_stage1(
    numbers: Scale,
    encoder: VisionEncoder | None,
    text_tokenizer: PreTrainedTokenizerBase,
    losses: tuple[str, ...] = ("itc", "itm", "itg"),
    seed: int = 0,
) -> QFormerPretraining:
    """Builds stage 1: encoder, Q-Former with its text half, and the heads of the losses.

    Args:
        numbers: of a scale.
        encoder: the frozen encoder, or None where features come from the cache.
        text_tokenizer: BERT-like, with [CLS] and a start token [DEC].
        losses: which of the three losses to use.
        seed: of the initialisation.
    """
    torch.manual_seed(seed)
    config = replace(numbers.qformer, vocab_size=len(text_tokenizer), use_text=True)
    head = QFormer(config)
    shared = min(256, config.hidden_size)
    return QFormerPretraining(
        VPG(encoder, head), text_tokenizer.bos_token_id, shared_size=shared, losses=losses
    )


def build_stage2(
    numbers: Scale,
    encoder: VisionEncoder | None,
    language: LanguageModel,
    image_token_id: int,
    stage1: QFormer | None = None,
    seed: int = 0,
) -> VLM:
    """Builds stage 2: a Q-Former without text half, a linear layer, a frozen language model.

    Args:
        stage1: the Q-Former of stage 1, whose image half is inherited; None starts at random,
            which shows what stage 1 is good for.
        seed: of the initialisation.

    Raises:
        ValueError: when the Q-Former of stage 1 has other sizes.
    """
    torch.manual_seed(seed)
    head = QFormer(replace(numbers.qformer, use_text=False))
    if stage1 is not None:
        inherit(head, stage1)
    projector = LinearProjector(head.config.hidden_size, language.hidden_size)
    return VLM(VPG(encoder, head), projector, language, image_token_id)


def inherit(head: QFormer, stage1: QFormer) -> None:
    """Copies the image half of a stage-1 Q-Former, every tensor of it, and nothing else.

    Stage 2 has no use for the text half: LAVIS deletes it (blip2_opt.py), which is why the paper
    says 188M for the Q-Former and 107M for what stage 2 trains.
    """
    source, target = stage1.state_dict(), head.state_dict()
    wrong = [k for k, v in target.items() if k not in source or source[k].shape != v.shape]
    if wrong:
        raise ValueError(
            f"The Q-Former of stage 1 does not fit: {len(wrong)} tensors such as {wrong[0]!r} are "
            "missing or have another shape. Use the same scale for both stages."
        )
    head.load_state_dict({key: source[key] for key in target})
