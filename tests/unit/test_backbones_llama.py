"""LLaMA's short way gives what transformers gives, and is taken by an unchanged LLaMA alone."""

import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from course_lib.backbones import LanguageModel, llama, opt
from course_lib.backbones.decoding import CausalStepper, greedy
from course_lib.backbones.llama import LlamaStepper, is_usual_llama, rotate, states_at
from course_lib.backbones.opt import is_usual_opt
from tests.tiny_models import language_model, largest_difference, randomise, text_batch

HEADS = {"one key head a query head": 4, "grouped": 2, "one for all": 1}


def build(key_heads=2, seed=0, dtype=torch.float32, **settings):
    config = LlamaConfig(
        vocab_size=97,
        hidden_size=32,
        intermediate_size=44,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=key_heads,
        max_position_embeddings=64,
        pad_token_id=1,
        bos_token_id=2,
        eos_token_id=2,
        **settings,
    )
    return randomise(LlamaForCausalLM(config), seed).to(dtype)


def batch_for(model, rows, length, labels_from, side="right", seed=0):
    """Draws embeddings that want a gradient, a mask, and labels at some places."""
    batch = text_batch(seed, rows, length, side)
    embeds = model.get_input_embeddings()(batch["input_ids"]).detach().requires_grad_()
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    labels[:, :labels_from] = -100
    return embeds, {"attention_mask": batch["attention_mask"], "labels": labels}


def gradients(model, loss, embeds):
    """Returns the gradients of the embeddings and of every parameter but the table of words."""
    named = {n: p for n, p in model.named_parameters() if "embed_tokens" not in n}
    found = torch.autograd.grad(loss, [embeds, *named.values()])
    return dict(zip(["inputs_embeds", *named], found, strict=True))


def check_loss_and_gradients(model, embeds, inputs):
    ours = LanguageModel(model).loss(embeds, **inputs)
    own = gradients(model, ours, embeds)
    theirs = model(inputs_embeds=embeds, **inputs).loss
    expected = gradients(model, theirs, embeds)
    assert abs(ours - theirs) < 1e-5
    for name, gradient in expected.items():
        assert gradient.abs().max() > 1e-5, name
        assert (own[name] - gradient).norm() < 1e-5 * gradient.norm(), name
    return own


@pytest.mark.parametrize("labels_from", (0, 5))
@pytest.mark.parametrize(("rows", "length"), [(1, 3), (1, 9), (3, 8), (4, 33)])
@pytest.mark.parametrize("key_heads", HEADS.values(), ids=HEADS)
def test_loss_and_all_gradients(key_heads, rows, length, labels_from):
    model = build(key_heads, seed=length)
    labels_from = min(labels_from, length - 1)
    embeds, inputs = batch_for(model, rows, length, labels_from)
    assert LanguageModel(model)._short_way(embeds, inputs["attention_mask"]) is llama.SHORT_WAY
    check_loss_and_gradients(model, embeds, inputs)


def test_padding_gets_no_gradient():
    model = build(4)
    embeds, inputs = batch_for(model, 3, 10, 2)
    own = check_loss_and_gradients(model, embeds, inputs)["inputs_embeds"]
    assert (own[inputs["attention_mask"] == 0] == 0).all()
    assert own[:, 0].abs().min(dim=1).values.gt(0).all()


def test_padding_on_the_left_takes_the_long_way():
    model = build(2)
    embeds, inputs = batch_for(model, 3, 8, 0, "left")
    assert LanguageModel(model)._short_way(embeds, inputs["attention_mask"]) is None
    check_loss_and_gradients(model, embeds, inputs)


def test_a_frozen_model_passes_the_gradient_on():
    model = build(2).requires_grad_(False)
    embeds, inputs = batch_for(model, 3, 12, 6)
    losses = LanguageModel(model).loss(embeds, **inputs), model(inputs_embeds=embeds, **inputs).loss
    own, expected = (torch.autograd.grad(loss, embeds)[0] for loss in losses)
    assert (own - expected).norm() < 1e-5 * expected.norm()


@pytest.mark.parametrize("dtype", (torch.bfloat16, torch.float16))
def test_half_precision(dtype):
    exact = build(2)
    embeds, inputs = batch_for(exact, 3, 12, 4)
    expected = exact(inputs_embeds=embeds, **inputs).loss
    half = build(2, dtype=dtype)
    theirs = half(inputs_embeds=embeds.to(dtype), **inputs).loss
    ours = LanguageModel(half).loss(embeds.to(dtype), **inputs)
    assert ours.dtype == torch.float32
    assert abs(ours - expected) < 2 * abs(theirs - expected) + 0.02


def test_mixed_precision_keeps_the_stream_in_float32():
    model = build(2)
    embeds, inputs = batch_for(model, 3, 12, 4)
    places = torch.tensor([5, 20])
    with torch.autocast("cpu", torch.bfloat16):
        ours = LanguageModel(model).loss(embeds, **inputs)
        theirs = model(inputs_embeds=embeds, **inputs).loss
        assert states_at(model, embeds, places).dtype == torch.float32
    assert abs(ours - theirs) < 0.05
    ours.backward()
    assert embeds.grad.isfinite().all()


def masks(rows, length):
    mask = torch.ones(rows, length, dtype=torch.long)
    left = mask.clone()
    for row in range(rows):
        left[row, : 2 * row] = 0
    return {"none": mask, "left": left}


@pytest.mark.parametrize("padding", ("none", "left"))
@pytest.mark.parametrize("rows", (1, 4))
@pytest.mark.parametrize("key_heads", HEADS.values(), ids=HEADS)
@torch.no_grad()
def test_words_are_those_of_generate(key_heads, rows, padding):
    model = build(key_heads, seed=3)
    mask = masks(rows, 9)[padding]
    embeds = torch.randn(rows, 9, 32, generator=torch.Generator().manual_seed(rows))
    model.generation_config.eos_token_id = None
    expected = model.generate(
        inputs_embeds=embeds, attention_mask=mask, max_new_tokens=15, do_sample=False
    ).tolist()
    assert LanguageModel(model).generate_greedy(embeds, mask, 15, eos_token_id=()) == expected
    assert greedy(CausalStepper(model, embeds, mask), 15, ()) == expected
    assert len({word for row in expected for word in row}) > 2


@pytest.mark.parametrize("padding", ("none", "left"))
@torch.no_grad()
def test_logits_of_every_step(padding):
    model = build(2, seed=4)
    mask = masks(4, 9)[padding]
    embeds, words = torch.randn(4, 9, 32), torch.randint(5, 90, (4, 6))
    steppers = LlamaStepper(model, embeds, mask, 7), CausalStepper(model, embeds, mask)
    own, other = (
        torch.stack([s.first(), *(s.step(words[:, i]) for i in range(6))]) for s in steppers
    )
    assert largest_difference(own, other) < 1e-5
    # Where each text begins decides about its positions: they are those of the text alone.
    row, begin = 3, int((mask[3] == 0).sum())
    alone = LlamaStepper(model, embeds[row:, begin:], mask[row:, begin:], 7)
    assert largest_difference(own[0, row], alone.first()[0]) < 1e-5
    assert largest_difference(own[1, row], alone.step(words[row:, 0])[0]) < 1e-5


@torch.no_grad()
def test_what_stands_under_padding_changes_no_word():
    model = build(2, seed=5)
    mask = masks(3, 8)["left"]
    embeds = torch.randn(3, 8, 32)
    first = LlamaStepper(model, embeds, mask, 3).first()
    other = embeds.masked_fill(mask[..., None] == 0, 50.0)
    assert largest_difference(LlamaStepper(model, other, mask, 3).first(), first) < 1e-6


@torch.no_grad()
def test_rotation_of_one_pair_by_hand():
    states = torch.zeros(1, 1, 1, 4)
    states[..., 1], states[..., 3] = 1.0, 2.0  # pair 1 of K = 4
    angle = torch.tensor([0.3, 0.5])
    cos, sin = angle.cos().repeat(2), torch.cat([-angle.sin(), angle.sin()])
    c, s = angle[1].cos(), angle[1].sin()
    expected = torch.stack([torch.tensor(0.0), c - 2 * s, torch.tensor(0.0), 2 * c + s])
    torch.testing.assert_close(rotate(states, cos, sin).flatten(), expected)


def _hook(model):
    model.model.layers[-1].register_forward_pre_hook(lambda *_: None)


def _hook_in_attention(model):
    model.model.layers[0].self_attn.q_proj.register_forward_hook(lambda *_: None)


def _backward_hook(model):
    model.model.norm.register_full_backward_hook(lambda *_: None)


class _Adapted(nn.Linear):
    """What an adapter looks like: a Linear of another make."""


def _adapter(model):
    model.model.layers[1].mlp.down_proj = _Adapted(44, 32, bias=False)


def _other_norm(model):
    model.model.norm = nn.LayerNorm(32)


def _other_activation(model):
    model.model.layers[0].mlp.act_fn = nn.GELU()


def _forward_put_over(model):
    block = model.model.layers[0]
    block.forward = block.forward


def _checkpointing(model):
    model.model.layers[0].gradient_checkpointing = True


def _eager(model):
    model.set_attn_implementation("eager")


def _parametrised(model):
    nn.utils.parametrize.register_parametrization(
        model.model.layers[0].mlp.up_proj, "weight", nn.Identity()
    )


CHANGES = (
    _hook,
    _hook_in_attention,
    _backward_hook,
    _adapter,
    _other_norm,
    _other_activation,
    _forward_put_over,
    _checkpointing,
    _eager,
    _parametrised,
)


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_llama_takes_the_long_way(change):
    model = build(2)
    assert is_usual_llama(model)
    change(model)
    assert not is_usual_llama(model)


@pytest.mark.parametrize(
    "settings",
    [
        {"attention_bias": True},
        {"hidden_act": "gelu"},
        {"rope_parameters": {"rope_type": "linear", "rope_theta": 10_000.0, "factor": 2.0}},
    ],
    ids=("bias", "gelu", "stretched rotations"),
)
def test_an_unusual_llama_is_still_that_of_transformers(settings):
    model = build(2, **settings)
    assert not is_usual_llama(model)
    embeds, inputs = batch_for(model, 3, 8, 0)
    check_loss_and_gradients(model, embeds, inputs)


def test_dropout_takes_the_long_way_in_training_alone():
    model = build(2, attention_dropout=0.1)
    ours, mask = LanguageModel(model), torch.ones(1, 4)
    assert ours.train()._short_way(torch.zeros(1, 4, 32), mask) is None
    assert ours.eval()._short_way(torch.zeros(1, 4, 32), mask) is llama.SHORT_WAY


@pytest.mark.parametrize(("kind", "fits"), [("opt", is_usual_opt), ("llama", is_usual_llama)])
def test_a_hook_is_called_in_training_and_decoding(kind, fits):
    """A short way would leave it out; gated layers alone are known to it, as hooks of a class."""
    model = language_model(kind)
    ours, batch = LanguageModel(model), text_batch(0, 2, 6)
    embeds, mask = ours.embed(batch["input_ids"]).detach(), torch.ones(2, 6).long()
    before = ours.loss(embeds, mask, batch["input_ids"]), ours.generate_greedy(embeds, mask, 4, ())
    blocks = model.get_decoder().layers
    handle = blocks[-1].register_forward_pre_hook(lambda _, args: (args[0].flip(-1), *args[1:]))
    assert not fits(model)
    after = ours.loss(embeds, mask, batch["input_ids"]), ours.generate_greedy(embeds, mask, 4, ())
    assert abs(after[0] - before[0]) > 1e-2 and after[1] != before[1]
    handle.remove()
    assert fits(model)
    assert ours.loss(embeds, mask, batch["input_ids"]) == before[0]


def test_each_model_finds_its_own_short_way():
    mask, embeds = torch.ones(1, 3), torch.zeros(1, 3, 32)
    for kind, way in (("opt", opt.SHORT_WAY), ("llama", llama.SHORT_WAY), ("t5", None)):
        assert LanguageModel(language_model(kind))._short_way(embeds, mask) is way


def _wrong_angles(monkeypatch):
    monkeypatch.setattr(llama, "rotate", lambda states, cos, sin: states * cos - states * sin)


def _no_shift_of_the_last_queries(monkeypatch):
    true = llama._mix
    monkeypatch.setattr(
        llama,
        "_mix",
        lambda layer, hidden, angles, start=0: true(
            layer, hidden, [part.roll(-start, 0) for part in angles], start
        ),
    )


def _no_stream_around_the_feed_forward(monkeypatch):
    monkeypatch.setattr(
        llama,
        "_feed_forward",
        lambda layer, hidden: layer.mlp(layer.post_attention_layernorm(hidden)),
    )


@pytest.mark.parametrize(
    "mutate", (_wrong_angles, _no_shift_of_the_last_queries, _no_stream_around_the_feed_forward)
)
def test_mutations_are_seen(mutate, monkeypatch):
    model = build(2)
    embeds, inputs = batch_for(model, 3, 12, 5)
    check_loss_and_gradients(model, embeds, inputs)
    mutate(monkeypatch)
    with pytest.raises(AssertionError):
        check_loss_and_gradients(model, embeds, inputs)
