"""Every recipe as small as it goes, with the parts of one step, for tests on several processes.

The first part has images in two of its three rows, the second none, and more labelled words: a
mean of the two means would be another loss, and the second process trains no image at all.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import nn
from transformers import LlamaForCausalLM

from course_lib.backbones.language import LanguageModel
from course_lib.backbones.vision import VisionEncoder
from course_lib.recipes import blip2, flamingo, llava, minigpt4, mplug_owl, vpgtrans
from course_lib.recipes.blip2_stage1 import QFormerPretraining
from course_lib.training.stages import Stage
from course_lib.vlm import VPG
from course_lib.vpg.qformer import QFormer
from tests.tiny_minigpt4 import tiny_vpg
from tests.tiny_models import clip_vision, randomise, text_config
from tests.tiny_owl import tiny_owl
from tests.tiny_runs import LANGUAGES, tiny_encoder

PLACE = 7  # the word that keeps a place, in all but mPLUG-Owl's vocabulary
CLASSES = {**LANGUAGES, "llama": LlamaForCausalLM}


@dataclass(frozen=True)
class Case:
    """A recipe in one of its stages.

    Args:
        build: the model, the same every time.
        trainable: what the stage trains.
        places: of an image in the text; 1 for Flamingo's tag; 0 where there is no such text.
        decoder: True where labels are another text (T5).
        place: the word that keeps a place.
    """

    build: Callable[[], nn.Module]
    trainable: tuple[str, ...]
    places: int
    decoder: bool = False
    place: int = PLACE

    def stage(self, **changes) -> Stage:
        settings = {"steps": 4, "batch_size": 5, "learning_rate": 1e-3, "grad_clip": 1.0}
        return Stage("tiny", self.trainable, **(settings | changes))

    def part(self, index: int) -> dict[str, torch.Tensor]:
        """Draws part 0 or 1 of step index // 2."""
        if not self.places:
            return pairs(index)
        chance = torch.Generator().manual_seed(index)
        text = text_alone if index % 2 else with_images
        return text(self, chance)


def with_images(case: Case, chance: torch.Generator) -> dict[str, torch.Tensor]:
    """Draws three rows, the last two with an image each; the second is padded on the right."""
    batch = _rows(case, chance, rows=3, length=case.places + 6, answer=2)
    batch["input_ids"][1:, 1 : 1 + case.places] = case.place
    if not case.decoder:
        batch["attention_mask"][1, -1:] = 0
        batch["labels"][1, -1:] = -100
    return {**batch, "pixel_values": torch.randn(2, 3, 48, 48, generator=chance)}


def text_alone(case: Case, chance: torch.Generator) -> dict[str, torch.Tensor]:
    """Draws two rows of another length and with more labelled words."""
    return _rows(case, chance, rows=2, length=case.places + 8, answer=6)


def _rows(case: Case, chance: torch.Generator, rows: int, length: int, answer: int) -> dict:
    ids = torch.randint(10, 90, (rows, length), generator=chance)
    labels = ids.clone()
    labels[:, : length - answer] = -100
    if case.decoder:
        labels = torch.randint(10, 90, (rows, answer), generator=chance)
    return {"input_ids": ids, "labels": labels, "attention_mask": torch.ones_like(ids)}


def pairs(index: int) -> dict[str, torch.Tensor]:
    """Draws three pairs of image and text, longer ones in every second part."""
    chance = torch.Generator().manual_seed(index)
    ids = torch.randint(5, 30, (3, 5 + 3 * (index % 2)), generator=chance)
    ids[:, 0] = 1
    mask = torch.ones_like(ids)
    mask[0, -2:] = 0
    pixels = torch.randn(3, 3, 16, 16, generator=chance)
    return {"pixel_values": pixels, "input_ids": ids, "attention_mask": mask}


def stage1() -> QFormerPretraining:
    """Builds BLIP-2's first stage, without dropout, which draws anew for every row."""
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}
    config = replace(
        blip2.scale("toy").qformer,
        **sizes,
        num_hidden_layers=2,
        encoder_hidden_size=16,
        num_query_tokens=3,
        vocab_size=30,
        max_position_embeddings=12,
        dropout=0.0,
        use_text=True,
    )
    vpg = VPG(VisionEncoder(clip_vision()), QFormer(config))
    model = randomise(QFormerPretraining(vpg, 4, shared_size=8), 5)
    with torch.no_grad():
        model.heads.temperature.fill_(0.5)
    return model


def _language(kind: str) -> LanguageModel:
    config = text_config(kind)
    config.max_position_embeddings = 64
    model = randomise(CLASSES[kind](config), 2, scale=1.0 if kind == "t5" else 1.5)
    return LanguageModel(model).requires_grad_(False)


def stage2(kind: str) -> nn.Module:
    """Builds BLIP-2's second stage on a language model of a kind."""
    numbers = blip2.scale("toy")
    head = replace(tiny_vpg().head.config, dropout=0.0, use_text=False)
    model = blip2.build_stage2(
        replace(numbers, qformer=head), tiny_encoder(), _language(kind), PLACE
    )
    return _random_bridge(model)


def _random_bridge(model: nn.Module) -> nn.Module:
    randomise(model.vpg.head, 3)
    randomise(model.projector, 4)
    return model


def llava_model() -> nn.Module:
    encoder = tiny_encoder(drop_cls=True)
    model = llava.build(encoder, encoder.hidden_size, _language("llama"), PLACE)
    return _random_bridge(model)


def minigpt4_model() -> nn.Module:
    model = minigpt4.build(tiny_vpg(dropout=0.0), _language("llama"), PLACE)
    randomise(model.projector, 4)
    return model


def owl(lora: bool) -> nn.Module:
    model = tiny_owl().model
    randomise(model.projector, 4)
    if lora:
        mplug_owl.give_lora(model, mplug_owl.LoRA(dropout=0.0))
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name.endswith("lora_B"):  # zero, and A would have no gradient
                    parameter.normal_(std=0.2, generator=torch.Generator().manual_seed(1))
    return model


def transferred() -> nn.Module:
    source = stage2("opt")
    numbers = replace(vpgtrans.scale("toy"), qformer=source.vpg.head.config)
    return vpgtrans.build(numbers, source, source.vpg.encoder, _language("llama"), PLACE)


def flamingo_model() -> nn.Module:
    found = flamingo.scale("toy")
    small = {"num_attention_heads": 2, "head_dim": 6, "intermediate_size": 24}
    numbers = replace(
        found,
        resampler=replace(found.resampler, hidden_size=16, num_latents=3, **small),
        gated=replace(found.gated, hidden_size=32, visual_size=16, every=1, **small),
    )
    model = flamingo.build(numbers, tiny_encoder(drop_cls=True), _language("llama"), PLACE)
    randomise(model.vpg.head, 3)
    randomise(model.gated, 4)
    return model


def _owl_place() -> int:
    return tiny_owl().model.image_token_id


BRIDGE = ("vpg.head", "projector")
QUERIES = 4
CASES = {
    "blip2 stage 1": Case(stage1, ("vpg.head", "heads"), 0),
    "blip2 stage 2, opt": Case(lambda: stage2("opt"), BRIDGE, QUERIES),
    "blip2 stage 2, t5": Case(lambda: stage2("t5"), BRIDGE, QUERIES, decoder=True),
    "llava stage 1": Case(llava_model, llava.STAGE1_TRAINABLE, 36),
    "llava stage 2": Case(llava_model, llava.STAGE2_TRAINABLE, 36),
    "minigpt4": Case(minigpt4_model, minigpt4.TRAINABLE, QUERIES),
    "mplug_owl stage 1": Case(
        lambda: owl(False), ("vpg", "projector"), QUERIES, place=_owl_place()
    ),
    "mplug_owl stage 2": Case(
        lambda: owl(True), mplug_owl.STAGE2_TRAINABLE, QUERIES, place=_owl_place()
    ),
    "vpgtrans": Case(transferred, vpgtrans.STAGE2_TRAINABLE, QUERIES),
    "flamingo": Case(flamingo_model, flamingo.TRAINABLE, 1),
}
