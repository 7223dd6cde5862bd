"""What four functions of Flamingo do to an untrained one in front of the zoo's LLaMA."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from transformers import PreTrainedTokenizerBase

from course_lib.data.prompts import image_token_id, typed_ids
from course_lib.data.toy import ToyScenes
from course_lib.fusion.cross_attention import GatedCrossAttention
from course_lib.gated_vlm import GatedVLM
from course_lib.recipes import flamingo
from course_lib.world.language import canonical_caption
from course_lib.zoo.load import zoo_language, zoo_vision

OPEN = 0.5  # tanh of a gate that is open, for cases in which something has to be seen


@dataclass(frozen=True)
class Patient:
    """An untrained Flamingo, its gates closed, and two scenes in one document.

    Args:
        model: resampler and gated layers at random, encoder and LLaMA trained and frozen.
        tokenizer: LLaMA's.
        data: scenes and features.
        ids: (1, T), start token, then for two scenes a tag and the caption.
    """

    model: GatedVLM
    tokenizer: PreTrainedTokenizerBase
    data: ToyScenes
    ids: torch.Tensor

    @property
    def tags(self) -> torch.Tensor:
        """(T,) bool, True at the tag of an image."""
        return self.ids[0] == self.model.image_token_id


@cache
def patient() -> Patient:
    """Builds Flamingo at `toy` around the zoo's encoder and LLaMA."""
    encoder = zoo_vision("clip", drop_cls=True)
    language, tokenizer = zoo_language("llama")
    tag = image_token_id(tokenizer)
    model = flamingo.build(flamingo.scale("toy"), encoder, language, tag, seed=0).eval()
    data = ToyScenes(2, 5, "test", encoder)
    ids = [tokenizer.bos_token_id]
    for scene in data.scenes:
        ids += [tag, *typed_ids(tokenizer, canonical_caption(scene))]
    return Patient(model, tokenizer, data, torch.tensor([ids]))


def _layer() -> GatedCrossAttention:
    """Returns a copy of the first gated layer with its gates open."""
    layer = copy.deepcopy(patient().model.gated.layers[0])
    with torch.no_grad():
        for gate in (layer.attention_gate, layer.feed_forward_gate):
            gate.fill_(OPEN).atanh_()
    return layer


def _seen(visual: torch.Tensor, layer: GatedCrossAttention) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns keys and values of all images in a row, (1, H, I * Q, K)."""
    return tuple(part.transpose(0, 1).flatten(1, 2)[None] for part in layer.project_visual(visual))


@torch.no_grad()
def moved_words(may_read: Callable) -> dict[str, str]:
    """Perturbs each of the two images and tells which words of the document change.

    Args:
        may_read: (T,) tags -> (T, images) bool, True where a word may read an image.

    Returns:
        {"first image": one character a word, "second image": …}, `x` where a word moved.
    """
    ill, layer = patient(), _layer()
    visual = ill.model.vpg(image_features=ill.data.features)
    hidden = ill.model.language.embed(ill.ids)
    mask = may_read(ill.tags).repeat_interleave(visual.shape[1], dim=1)[None, None]
    before, found = layer(hidden, _seen(visual, layer), mask), {}
    for image, name in enumerate(("first image", "second image")):
        other = visual.clone()
        other[image] = visual[image].flip(-1)  # a shift of all numbers would be normed away
        gap = (layer(hidden, _seen(other, layer), mask) - before).abs().amax(dim=-1)[0]
        found[name] = "".join("x" if moved else "." for moved in gap > 1e-6)
    return found


@torch.no_grad()
def losses_at_start(gated: Callable) -> tuple[float, float]:
    """Returns LLaMA's loss on two captions: alone, and behind one gate that has its first value.

    Args:
        gated: (states (1, T, D), what cross-attention read, the gate's parameter) -> states.
    """
    ill, layer = patient(), _layer()
    language, ids = ill.model.language, ill.ids
    hidden = language.embed(ids)
    visual = ill.model.vpg(image_features=ill.data.features)
    mask = torch.ones(1, 1, ids.shape[1], visual.shape[0] * visual.shape[1], dtype=torch.bool)
    looked = layer.look(layer.norm(hidden), _seen(visual, layer), mask)
    alpha, labels = torch.zeros(1), ids.masked_fill(ids == ill.model.image_token_id, -100)
    states = (hidden, gated(hidden, looked, alpha))
    first, second = (float(language.loss(s, torch.ones_like(ids), labels)) for s in states)
    return first, second


def moved_parts(trains: Callable, steps: int = 3) -> dict[str, str]:
    """Trains a copy for some steps and tells of each part how many of its tensors changed.

    Args:
        trains: names of all parameters -> names of those that train.
        steps: of Adam on the document; at the first the gates are closed.
    """
    ill = patient()
    model = copy.deepcopy(ill.model)
    chosen = set(trains([name for name, _ in model.named_parameters()]))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in chosen)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    labels = ill.ids.masked_fill(ill.ids == model.image_token_id, -100)
    batch = {"image_features": ill.data.features, "input_ids": ill.ids, "labels": labels}
    for _ in range(steps):
        optimiser.zero_grad()
        model(batch).backward()
        optimiser.step()
    moved = {}
    for part in ("vpg.encoder", "vpg.head", "gated", "language"):
        own = [name for name in before if name.startswith(f"{part}.")]
        now = model.get_parameter
        changed = sum(not now(name).equal(before[name]) for name in own)
        moved[part] = f"{changed} of {len(own)}"
    return moved


@torch.no_grad()
def language_losses(next_word_loss: Callable) -> tuple[float, float]:
    """Returns LLaMA's loss on a caption by a function, and by the library.

    Args:
        next_word_loss: (logits (1, T, V), ids (1, T)) -> scalar.
    """
    language, ids = patient().model.language, caption_ids()
    embeds, ones = language.embed(ids), torch.ones_like(ids)
    loss = next_word_loss(language.logits(embeds, ones), ids)
    return float(loss), float(language.loss(embeds, ones, ids))


def caption_ids() -> torch.Tensor:
    """Returns the ids of one caption, (1, T)."""
    text, tokenizer = canonical_caption(patient().data.scenes[0]), patient().tokenizer
    return torch.tensor([[tokenizer.bos_token_id, *typed_ids(tokenizer, text)]])
