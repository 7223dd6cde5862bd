"""The short ways run gated layers where a block would: numbers and words are the long way's."""

import pytest
import torch
from torch import nn

from course_lib.backbones import language as module
from course_lib.backbones import llama, opt
from course_lib.backbones.decoding import CausalStepper, greedy
from course_lib.backbones.language import LanguageModel
from course_lib.fusion.cross_attention import CrossAttentionConfig
from course_lib.fusion.gated_layers import GatedLayers, before_block
from course_lib.gated_vlm import GatedVLM
from course_lib.vlm import VPG
from tests.tiny_models import language_model, randomise, text_batch

WAYS = {"llama": llama.SHORT_WAY, "opt": opt.SHORT_WAY}
TAG, E, Q = 90, 12, 3
PLACES = {"every block": {}, "the last block alone": {"every": 2, "first": 1}}


def model_of(kind, **places):
    """Builds a tiny Flamingo with open gates, whose visual tokens come from the cache."""
    language = LanguageModel(language_model(kind, 2))
    config = CrossAttentionConfig(32, E, 2, 6, 24, **places)
    layers = randomise(GatedLayers(config, 2), 4)
    language.requires_grad_(False)
    return GatedVLM(VPG(None, nn.Identity()), layers, language, TAG)


def batch_of(side="right", labels_from=0):
    """Draws four texts with two, one, no and one image."""
    batch = text_batch(1, 4, 12, side)
    ids, mask = batch["input_ids"].clone(), batch["attention_mask"]
    ids[ids == TAG] = TAG + 1
    for row, column in ((0, 1), (0, 6), (1, 8), (3, 3 if side == "right" else 10)):
        ids[row, column] = TAG
    assert int(((ids == TAG) & mask.bool()).sum()) == 4
    labels = ids.masked_fill(mask == 0, -100)
    labels[:, :labels_from] = -100
    visual = torch.randn(4, Q, E, generator=torch.Generator().manual_seed(7)).requires_grad_()
    return {"input_ids": ids, "attention_mask": mask, "labels": labels, "image_features": visual}


def found(model, batch):
    """Returns the loss and the gradients of the images and of all gated layers."""
    loss = model(batch)
    named = dict(model.gated.named_parameters())
    gradients = torch.autograd.grad(loss, [batch["image_features"], *named.values()])
    return loss, dict(zip(["images", *named], gradients, strict=True))


@pytest.fixture
def long_way(monkeypatch):
    """Runs something without any short way."""

    def run(work):
        with monkeypatch.context() as patch:
            patch.setattr(module, "_short_way_of", lambda _: None)
            return work()

    return run


@pytest.mark.parametrize("labels_from", (0, 9))
@pytest.mark.parametrize("places", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("kind", WAYS)
def test_loss_and_gradients(kind, places, labels_from, long_way):
    model, batch = model_of(kind, **places), batch_of(labels_from=labels_from)
    with model.shown(batch):
        embeds = model.inputs_embeds(batch)
        assert model.language._short_way(embeds, batch["attention_mask"]) is WAYS[kind]
    loss, own = found(model, batch)
    expected, theirs = long_way(lambda: found(model, batch))
    blind = model.language.loss(embeds, batch["attention_mask"], batch["labels"])
    assert abs(loss - expected) < 1e-5 and abs(loss - blind) > 1e-3
    for name, gradient in theirs.items():
        assert gradient.abs().max() > 1e-6, name
        assert (own[name] - gradient).norm() < 1e-5 * gradient.norm(), name


@pytest.mark.parametrize("side", ("right", "left"))
@pytest.mark.parametrize("places", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("kind", WAYS)
@torch.no_grad()
def test_logits_of_every_step(kind, places, side):
    """Steps that follow each other read the place they stand at, in front of every block."""
    model, batch = model_of(kind, **places), batch_of(side)
    if side == "right":
        batch["attention_mask"] = torch.ones_like(batch["attention_mask"])
    words = torch.randint(5, 90, (4, 5), generator=torch.Generator().manual_seed(3))
    with model.shown(batch):
        prompt = model.language.model, model.inputs_embeds(batch), batch["attention_mask"]
        steppers = WAYS[kind].stepper(*prompt, 6), CausalStepper(*prompt)
        own, other = (
            torch.stack([s.first(), *(s.step(words[:, i]) for i in range(5))]) for s in steppers
        )
    assert (own - other).abs().max() < 1e-5
    bare = WAYS[kind].stepper(*prompt, 6)
    assert (torch.stack([bare.first()]) - other[:1]).abs().max() > 1e-2


@pytest.mark.parametrize("kind", WAYS)
@torch.no_grad()
def test_words_are_those_of_the_long_way(kind, long_way):
    model, batch = model_of(kind), batch_of("left")
    written = model.generate(batch, 12, eos_token_id=())
    assert written == long_way(lambda: model.generate(batch, 12, eos_token_id=()))
    with model.shown(batch):
        inputs = model.language.model, model.inputs_embeds(batch), batch["attention_mask"]
        assert greedy(CausalStepper(*inputs), 12, ()) == written
    other = {**batch, "image_features": batch["image_features"].flip(0)}
    assert model.generate(other, 12, eos_token_id=()) != written


@torch.no_grad()
def test_another_hook_beside_a_gated_layer_takes_the_long_way():
    model, batch = model_of("llama"), batch_of()
    blocks, mask = model.language.model.get_decoder().layers, batch["attention_mask"]
    seen = []
    with model.shown(batch):
        embeds = model.inputs_embeds(batch)
        handle = blocks[0].register_forward_pre_hook(lambda *_: seen.append(1))
        assert model.language._short_way(embeds, mask) is None
        model.language.loss(embeds, mask, batch["labels"])
        handle.remove()
        assert seen and model.language._short_way(embeds, mask) is llama.SHORT_WAY


@torch.no_grad()
def test_a_block_without_a_layer_gets_what_came():
    model, batch = model_of("llama", every=2), batch_of()
    first, second = model.language.model.get_decoder().layers
    hidden = torch.randn(4, 12, 32)
    with model.shown(batch):
        assert before_block(second, hidden) is hidden
        assert torch.equal(before_block(first, hidden), model.gated.run(0, hidden))
        late, early = before_block(first, hidden[:, 5:], 5), before_block(first, hidden)[:, 5:]
        assert (late - early).abs().max() < 1e-6
    assert before_block(first, hidden) is hidden
