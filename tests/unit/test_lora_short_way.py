"""The short ways take a LoRA along: the same loss, gradients and words as transformers' own way."""

import pytest
import torch

from course_lib.backbones import LanguageModel, llama, opt
from course_lib.backbones.decoding import CausalStepper, greedy
from course_lib.lora import LoRALinear, add_lora, lora_layers, merge_lora
from tests.tiny_models import language_model, text_batch

WAYS = {"llama": llama.SHORT_WAY, "opt": opt.SHORT_WAY}


def host(kind, dropout=0.0):
    """Builds a tiny model whose LoRA changes what it says."""
    model = language_model(kind, seed=2)
    torch.manual_seed(0)
    add_lora(model, ("q_proj", "v_proj"), r=3, alpha=6.0, dropout=dropout)
    for layer in lora_layers(model).values():
        torch.nn.init.normal_(layer.lora_B, std=0.3)
    return model


def batch_of(model, rows=3, length=12):
    batch = text_batch(1, rows, length)
    embeds = model.get_input_embeddings()(batch["input_ids"]).detach().requires_grad_()
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    labels[:, :5] = -100
    return embeds, {"attention_mask": batch["attention_mask"], "labels": labels}


def gradients(loss, model, embeds):
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    found = torch.autograd.grad(loss, [embeds, *named.values()])
    return dict(zip(["embeds", *named], found, strict=True))


@pytest.mark.parametrize("kind", WAYS)
def test_loss_and_gradients_are_those_of_the_long_way(kind):
    model = host(kind)
    embeds, inputs = batch_of(model)
    ours = LanguageModel(model)
    assert ours._short_way(embeds, inputs["attention_mask"]) is WAYS[kind]
    loss = ours.loss(embeds, **inputs)
    expected = model(inputs_embeds=embeds, **inputs).loss
    without = language_model(kind, seed=2)(inputs_embeds=embeds, **inputs).loss
    assert abs(loss - expected) < 1e-5 and abs(loss - without) > 1e-2
    own, theirs = (gradients(value, model, embeds) for value in (loss, expected))
    assert len(own) == 1 + 2 * len(lora_layers(model))
    for name, gradient in theirs.items():
        assert gradient.abs().max() > 1e-6, name
        assert (own[name] - gradient).norm() < 1e-5 * gradient.norm(), name


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize("kind", WAYS)
@torch.no_grad()
def test_words_are_those_of_the_long_way(kind, merged):
    model = host(kind)
    if merged:
        merge_lora(model)
    mask = torch.ones(3, 9, dtype=torch.long)
    mask[1, :4] = 0
    embeds = torch.randn(3, 9, 32, generator=torch.Generator().manual_seed(3))
    expected = greedy(CausalStepper(model, embeds, mask), 10, ())
    assert LanguageModel(model).generate_greedy(embeds, mask, 10, eos_token_id=()) == expected
    plain = LanguageModel(language_model(kind, seed=2))
    assert plain.generate_greedy(embeds, mask, 10, eos_token_id=()) != expected


def test_its_dropout_works_on_the_short_way():
    model = host("llama", dropout=0.5)
    embeds, inputs = batch_of(model)
    ours = LanguageModel(model).eval()
    assert ours.loss(embeds, **inputs) == ours.loss(embeds, **inputs)
    for layer in lora_layers(model).values():
        layer.lora_dropout.train()  # as `apply_stage` sets the modes
    assert ours._short_way(embeds, inputs["attention_mask"]) is llama.SHORT_WAY
    assert ours.loss(embeds, **inputs) != ours.loss(embeds, **inputs)


class _Other(LoRALinear):
    """A LoRA of somebody else's."""


def _subclass(model):
    next(iter(lora_layers(model).values())).__class__ = _Other


def _hook(model):
    next(iter(lora_layers(model).values())).register_forward_hook(lambda *_: None)


def _dropout_elsewhere(model):
    model.model.layers[0].input_layernorm = torch.nn.Dropout(0.1)


@pytest.mark.parametrize("change", [_subclass, _hook, _dropout_elsewhere])
def test_what_is_no_plain_lora_takes_the_long_way(change):
    model = host("llama")
    assert llama.is_usual_llama(model)
    change(model)
    assert not llama.is_usual_llama(model)
