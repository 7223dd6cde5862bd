"""MiniGPT-4 on one screen: what it is built of, what each stage trains, its numbers at each scale.

Image encoder and Q-Former come from BLIP-2 and stay as they are, so does the chat-tuned language
model: one linear layer between them is all that ever trains. Stage 1 trains it on many noisy pairs
without any prompt, stage 2 on a few thousand curated descriptions inside a chat. Since the whole
VPG is frozen, its Q visual tokens can be cached, and a step then costs the language model alone.
Facts of the paper: arXiv 2304.10592, section 3. Letters: Q visual tokens, H width of the Q-Former.

What decided at `toy`. First the chat: a frozen language model can be asked in its own alone.
Behind "###Human", which was Vicuna v0's, the toy LLaMA fails at .98 of descriptions of a scene in
words; in vicuna_v1 none fails. Second whose Q-Former is inherited: one that had spoken through OPT
leads to .80 of things right (stage 1 of 2,400 steps, stage 2 of 300), one that had spoken through
T5, as the paper's had, to .63. Little else: 1,000 steps of stage 1 at 2e-3 and 500 of stage 2 gave
.82, 300 of stage 2 gave .77, and 2,400 with 300 gave .82. Single runs, 100 held-out scenes; the
zoo's, on 200, gives .81.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import nn

from course_lib.backbones.language import LanguageModel
from course_lib.backbones.vision import VisionEncoder
from course_lib.cached_vpg import CachedVPG
from course_lib.data.chat_templates import ChatTemplate, chat_template
from course_lib.errors import unknown_name_error
from course_lib.projector import LinearProjector
from course_lib.recipes import blip2
from course_lib.training.stages import Stage
from course_lib.vlm import VLM, VPG
from course_lib.vpg.qformer import QFormer, QFormerConfig

NAME = "minigpt4"
TRAINABLE = ("projector",)  # of both stages
# The released configurations: AdamW's usual betas, decay 0.05, and no limit on the gradient.
_stage = partial(Stage, trainable=TRAINABLE, betas=(0.9, 0.999), grad_clip=None)

# Stage 1: start token, image, caption, newline; "plain" is LLaVA's name for the same.
STAGE1_TEMPLATE = chat_template("plain")
# Stage 2: ###Human: <Img><ImageHere></Img> {instruction} ###Assistant: {answer}###
# Prompt and answer are tokenised apart, and LLaMA's tokenizer puts a space before either: so one
# space ends the prompt, and another begins the answer.
STAGE2_TEMPLATE = ChatTemplate(
    system="",
    first="###Human: ",
    human="Human: ",
    assistant=" ###Assistant: ",
    answer=" ",
    stop="###",
    image=("<Img>", "</Img> "),
)
# What the toy LLaMA was tuned to, with the picture where a scene in words stood.
_TOY_TEMPLATE = chat_template("vicuna_v1")


@dataclass(frozen=True)
class Scale:
    """The numbers of MiniGPT-4 at one scale.

    Args:
        vision: zoo or Hub name of the frozen image encoder.
        layer: which of its layers is read; see `VisionEncoder`.
        blip2: zoo or Hub name of the BLIP-2 whose Q-Former is inherited.
        qformer: sizes of that Q-Former.
        language: zoo or Hub name of the chat-tuned language model.
        stage1: on pairs.
        stage2: on the curated set.
        template: of stage 2's conversations.
        num_scenes: training images of stage 1 at `toy`; 0 where a real data set is read.
        num_curated: descriptions that stage 2 reads.
    """

    vision: str
    layer: int
    blip2: str
    qformer: QFormerConfig
    language: str
    stage1: Stage
    stage2: Stage
    template: ChatTemplate = STAGE2_TEMPLATE
    num_scenes: int = 0
    num_curated: int = 3_500


def _toy() -> Scale:
    numbers = blip2.scale("toy")
    return Scale(
        vision=numbers.vision,
        layer=-2,
        blip2="blip2-opt",
        qformer=numbers.qformer,
        language="llama-chat",
        stage1=_stage("stage1", steps=1000, batch_size=64, learning_rate=2e-3, warmup_steps=20),
        stage2=_stage("stage2", steps=500, batch_size=12, learning_rate=3e-3, warmup_steps=20),
        template=_TOY_TEMPLATE,
        num_scenes=12_000,
        num_curated=400,
    )


def _small() -> Scale:
    """One GPU of 16 GB; the numbers are ours, chosen to fit, and not the paper's."""
    stage1 = _stage("stage1", steps=20_000, batch_size=64, learning_rate=1e-4, warmup_steps=1_000)
    return Scale(
        vision="Salesforce/blip2-flan-t5-xl",
        layer=-1,
        blip2="Salesforce/blip2-flan-t5-xl",
        qformer=QFormerConfig(use_text=False),
        language="TinyLlama/TinyLlama-1.1B-Chat-v1.0",
        stage1=replace(stage1, min_learning_rate=8e-5),
        stage2=_stage("stage2", steps=400, batch_size=12, learning_rate=3e-5, warmup_steps=100),
    )


def _a100() -> Scale:
    """The 7B model; batches are those of all 4 GPUs together (paper, sections 3.1 and 3.3).

    Steps and batches are the paper's: 20,000 of 256, then 400 of 12. Learning rates and warm-up are
    those of the released train_configs/minigpt4_stage{1_pretrain,2_finetune}.yaml, whose warm-up
    starts at 1e-6 instead of 0 and whose stage 2 has 1,000 steps. The image encoder is EVA-CLIP's
    ViT-g without its last block, so its last layer is read. "Vision-CAIR/vicuna" is the 13B model.
    """
    stage1 = _stage("stage1", steps=20_000, batch_size=256, learning_rate=1e-4, warmup_steps=5_000)
    stage2 = _stage("stage2", steps=400, batch_size=12, learning_rate=3e-5, warmup_steps=200)
    return Scale(
        vision="Salesforce/blip2-flan-t5-xxl",
        layer=-1,
        blip2="Salesforce/blip2-flan-t5-xxl",
        qformer=QFormerConfig(use_text=False),
        language="Vision-CAIR/vicuna-7b",
        stage1=replace(stage1, min_learning_rate=8e-5),
        stage2=replace(stage2, min_learning_rate=1e-5),
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


class FrozenVPG(CachedVPG):
    """BLIP-2's image encoder and Q-Former, frozen.

    What `ToyScenes` or a `FeatureCache` keeps of it are the Q visual tokens, (images, Q, H).

    Args:
        encoder: the frozen image encoder.
        qformer: of BLIP-2, after either stage; image half, queries and ln_vision are copied.

    Raises:
        ValueError: for an encoder of another width than the Q-Former reads.
    """

    def __init__(self, encoder: VisionEncoder, qformer: QFormer) -> None:
        width, wanted = encoder.hidden_size, qformer.config.encoder_hidden_size
        if width != wanted:
            raise ValueError(
                f"The encoder's features are {width} wide, the Q-Former reads {wanted}: take both "
                "from one BLIP-2."
            )
        head = QFormer(replace(qformer.config, use_text=False))
        blip2.inherit(head, qformer)
        super().__init__(encoder, head)
        self.hidden_size, self.num_tokens = head.config.hidden_size, head.config.num_query_tokens

    def features(
        self, pixel_values: torch.Tensor | None = None, image_features: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Returns patch features (images, N, E); see `VPG.features`.

        Raises:
            ValueError: also for visual tokens in the place of patch features.
        """
        found = super().features(pixel_values, image_features)
        if found.shape[1] != self.encoder.num_tokens:
            raise ValueError(
                f"image_features hold {found.shape[1]} rows an image, the encoder gives "
                f"{self.encoder.num_tokens}: cached visual tokens go into a model that was built "
                "with cached=True."
            )
        return found


def build(
    vpg: FrozenVPG,
    language: LanguageModel,
    image_token_id: int,
    cached: bool = False,
    seed: int = 0,
) -> VLM:
    """Builds MiniGPT-4: frozen VPG, one linear layer, frozen language model.

    Args:
        vpg: encoder and Q-Former of BLIP-2.
        language: a decoder-only, chat-tuned model.
        image_token_id: the word that keeps the places of the Q visual tokens.
        cached: True leaves the VPG out: `image_features` of a batch are then the visual tokens
            (images, Q, H) that it made before.
        seed: of the linear layer's initialisation.
    """
    torch.manual_seed(seed)
    projector = LinearProjector(vpg.hidden_size, language.hidden_size)
    return VLM(VPG(None, nn.Identity()) if cached else vpg, projector, language, image_token_id)
