"""mPLUG-Owl on one screen: what it is built of, what each stage trains, its numbers at each scale.

An abstractor turns the normed tokens of a CLIP into Q queries, a linear layer with one learned end
token brings them to the language model's width, and they stand in the chat where the image was.
Stage 1 trains encoder, abstractor and linear layer on captions while the language model is frozen:
no other recipe here trains its encoder. Stage 2 freezes all of that and trains a LoRA on q_proj and
v_proj, on instructions with images and on text alone. Facts of the paper: arXiv 2304.14178,
sections 3.1, 3.2, 4.1 and its appendix; official: X-PLUG/mPLUG-Owl. Letters: Q queries, E width.

What decided at `toy`: an encoder that trains on 1,800 steps of captions (.97 of things right; .76
after 900). Stage 2 then answers .92 of the questions about one picture. Which of two pictures has
something is as hard in words as in pictures (.86 and .81): what stops it is the language model,
which was right in .08 before it was tuned and learns colours before kinds. A share of the text that
compares scenes in words, more questions about several pictures, and half of them about two, took
it from .72 to .81.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import torch
from torch import nn

from course_lib.backbones.language import LanguageModel
from course_lib.backbones.normed_vision import NormedVisionEncoder
from course_lib.data.chat_templates import ChatTemplate, chat_template
from course_lib.errors import unknown_name_error
from course_lib.lora import add_lora
from course_lib.training.stages import Stage, hash_tensors
from course_lib.training.tensor_files import saved_tensors
from course_lib.vlm import VLM, VPG
from course_lib.vpg.abstractor import Abstractor, AbstractorConfig, EndTokenProjector

NAME = "mplug_owl"
ENCODERS = ("trained", "frozen")  # what stage 1 may do with the image encoder
STAGE1_TRAINABLE = {"trained": ("vpg", "projector"), "frozen": ("vpg.head", "projector")}
STAGE2_TRAINABLE = ("language.model.model.layers.*.self_attn.*.lora_*",)
# AdamW's epsilon is 1e-6 in the paper; the loop here has 1e-8 for every recipe.
_stage1 = partial(Stage, "stage1", STAGE1_TRAINABLE["trained"], betas=(0.9, 0.98))
_stage2 = partial(Stage, "stage2", STAGE2_TRAINABLE, betas=(0.9, 0.999), weight_decay=1e-4)

# One line for the image, one for the question; a space ends the prompt and another begins the
# answer, since the released code tokenises prompt and answer apart. The sentence that opens it is
# the course's: released weights want the one of their README, byte for byte.
TEMPLATE = ChatTemplate(
    system=chat_template("llava_v1").system,
    first="\nHuman: ",
    human="\nHuman: ",
    assistant="\nAI: ",
    answer=" ",
    image=("", "\nHuman: "),
)


@dataclass(frozen=True)
class LoRA:
    """Which layers of the language model get a LoRA, and its sizes: those of the released code."""

    targets: tuple[str, ...] = ("q_proj", "v_proj")
    r: int = 8
    alpha: float = 32.0
    dropout: float = 0.05


@dataclass(frozen=True)
class Scale:
    """The numbers of mPLUG-Owl at one scale.

    Args:
        vision: zoo or Hub name of a CLIP; all its layers are read, through the final norm.
        language: zoo or Hub name of the language model.
        abstractor: its sizes; `hidden_size` is the encoder's width.
        stage1: trains encoder, abstractor and projector.
        stage2: trains the LoRA; half of a batch is text alone.
        template: of stage 2's conversations.
        lora: of stage 2.
        num_scenes: training images at `toy`; 0 where a real data set is read.
        num_clips: how many of them become a clip of two pictures.
    """

    vision: str
    language: str
    abstractor: AbstractorConfig
    stage1: Stage
    stage2: Stage
    template: ChatTemplate = TEMPLATE
    lora: LoRA = field(default_factory=LoRA)
    num_scenes: int = 0
    num_clips: int = 0


def _toy() -> Scale:
    """Sixteen queries: four pictures take 68 of the language model's 384 positions."""
    return Scale(
        vision="clip",
        language="llama-chat",
        abstractor=AbstractorConfig(
            hidden_size=128,
            num_hidden_layers=4,
            num_attention_heads=4,
            intermediate_size=352,
            num_query_tokens=16,
            dropout=0.0,
            init_std=0.05,
        ),
        stage1=_stage1(1_800, 32, 1e-3, warmup_steps=100),
        stage2=_stage2(1_500, 48, 2e-3, warmup_steps=50),
        template=chat_template("vicuna_v1"),  # what the zoo's LLaMA chats in
        num_scenes=12_000,
        num_clips=4_000,
    )


def _small() -> Scale:
    """One GPU of 16 GB; the numbers are ours, chosen to fit, and not the paper's."""
    sizes = AbstractorConfig(hidden_size=768, num_attention_heads=12, intermediate_size=2048)
    return Scale(
        vision="openai/clip-vit-base-patch16",
        language="TinyLlama/TinyLlama-1.1B-intermediate-step-1431k-3T",
        abstractor=sizes,
        stage1=_stage1(20_000, 64, 1e-4, warmup_steps=800),
        stage2=_stage2(4_000, 32, 1e-4, warmup_steps=100),
    )


def _a100() -> Scale:
    """The 7B model; batches are those of all GPUs and accumulated parts together.

    Stage 1 as section 4.1 words it: 50,000 steps at 1e-4, 2,000 of them warm-up, decay 0.1, 2.1
    million tokens a batch, which are the appendix's 4,096 pairs of 512 positions, padding included.
    The appendix itself has 2e-4, 375 steps of warm-up and decay 0.01. Stage 2: 128 rows of text and
    128 with images, 2e-5, 2,000 steps. The released script differs: batches of 32, a linear
    schedule. LLaMA is the raw one, neither Alpaca nor Vicuna.
    """
    return Scale(
        vision="openai/clip-vit-large-patch14",
        language="huggyllama/llama-7b",
        abstractor=AbstractorConfig(),
        stage1=_stage1(50_000, 4_096, 1e-4, warmup_steps=2_000, weight_decay=0.1),
        stage2=_stage2(2_000, 256, 2e-5, warmup_steps=50),
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
    encoder: NormedVisionEncoder,
    language: LanguageModel,
    image_token_id: int,
    seed: int = 0,
) -> VLM:
    """Builds mPLUG-Owl as stage 1 starts from it: no LoRA yet.

    Args:
        numbers: of a scale.
        encoder: all layers of a CLIP and its final norm on every token.
        language: a decoder-only model.
        image_token_id: the word that keeps the Q + 1 places of an image.
        seed: of abstractor and projector.

    Raises:
        ValueError: for another kind of encoder, or one of another width than the abstractor's.
    """
    width = numbers.abstractor.hidden_size
    if not isinstance(encoder, NormedVisionEncoder):
        raise ValueError(
            f"The abstractor reads normed tokens of the last layer, and {type(encoder).__name__} "
            "does not give them: use a NormedVisionEncoder."
        )
    if encoder.hidden_size != width:
        raise ValueError(
            f"The encoder's tokens are {encoder.hidden_size} wide and the abstractor's queries "
            f"{width}, which stand in one row of keys: set its hidden_size to the encoder's."
        )
    torch.manual_seed(seed)
    vpg = VPG(encoder, Abstractor(numbers.abstractor))
    projector = EndTokenProjector(width, language.hidden_size)
    return VLM(vpg, projector, language, image_token_id)


def give_lora(model: VLM, lora: LoRA, seed: int = 0) -> list[str]:
    """Puts stage 2's LoRA on the language model and freezes it otherwise; see `add_lora`.

    Returns:
        The names of the layers.
    """
    torch.manual_seed(seed)
    return add_lora(model.language, lora.targets, lora.r, lora.alpha, lora.dropout)


def places_of(numbers: Scale) -> int:
    """Returns how many positions an image takes: its queries and the end token."""
    return numbers.abstractor.num_query_tokens + 1


def on_cached_tokens(model: VLM) -> VLM:
    """Returns the model without encoder and abstractor, for batches of `CachedVPG`."""
    bare = VPG(None, nn.Identity())
    return VLM(bare, model.projector, model.language, model.image_token_id)


def base_fingerprint(model: VLM) -> str:
    """Hashes all weights but the LoRA's: a LoRA is of use on this base alone."""
    tensors = sorted(saved_tensors(model).items())
    return hash_tensors(pair for pair in tensors if "lora_" not in pair[0])
