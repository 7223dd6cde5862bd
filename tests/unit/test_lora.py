"""LoRA by itself: start, scale, merging, targets, stages, its own tensors, bad input."""

import copy

import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from course_lib.lora import (
    LoRALinear,
    add_lora,
    load_lora_state_dict,
    lora_layers,
    lora_state_dict,
    merge_lora,
    unmerge_lora,
)
from course_lib.projector import LinearProjector
from course_lib.training.stages import Stage, apply_stage, frozen_fingerprint
from course_lib.vpg.abstractor import EndTokenProjector
from tests.tiny_models import language_model, largest_difference, text_batch

TARGETS = ("q_proj", "v_proj")


def trained(model: nn.Module, seed: int = 1) -> nn.Module:
    """Gives B values, as training would."""
    generator = torch.Generator().manual_seed(seed)
    for layer in lora_layers(model).values():
        layer.lora_B.data = 0.3 * torch.randn(layer.lora_B.shape, generator=generator)
    return model


def llama(**settings) -> nn.Module:
    torch.manual_seed(0)
    model = language_model("llama", seed=1)
    add_lora(model, TARGETS, **{"r": 4, "alpha": 8, "dropout": 0.0, **settings})
    return model


def logits(model: nn.Module) -> torch.Tensor:
    return model(**text_batch(1, rows=2, length=7)).logits


def layer(**settings) -> LoRALinear:
    torch.manual_seed(0)
    return LoRALinear(nn.Linear(6, 5), **{"r": 2, "alpha": 3.0, "dropout": 0.0, **settings})


@torch.no_grad()
def test_one_output_by_hand():
    lora = layer()
    lora.lora_B.normal_()
    x = torch.randn(6)
    expected = lora.bias.clone()
    for out in range(5):
        expected[out] += sum(lora.weight[out, i] * x[i] for i in range(6))
        for rank in range(2):
            inner = sum(lora.lora_A[rank, i] * x[i] for i in range(6))
            expected[out] += 3.0 / 2 * lora.lora_B[out, rank] * inner
    torch.testing.assert_close(lora(x), expected)
    torch.testing.assert_close(lora(x.expand(4, 3, -1)), expected.expand(4, 3, -1))
    assert torch.linalg.matrix_rank(lora.delta()) == 2


def test_a_fresh_lora_changes_nothing_and_only_b_moves_first():
    plain = language_model("llama", seed=1)
    model = llama()
    assert torch.equal(logits(model), logits(plain))
    logits(model).square().mean().backward()
    for lora in lora_layers(model).values():
        assert lora.lora_B.grad.abs().max() > 0 and not lora.lora_A.grad.any()


def test_initial_values_and_scale():
    torch.manual_seed(3)
    lora = LoRALinear(nn.Linear(400, 50), r=8, alpha=32)
    torch.manual_seed(3)
    nn.Linear(400, 50)
    expected = nn.init.kaiming_uniform_(torch.empty(8, 400), a=5**0.5)
    assert torch.equal(lora.lora_A, expected) and not lora.lora_B.any()
    assert lora.lora_A.abs().max() <= 400**-0.5 and lora.lora_A.abs().max() > 0.99 * 400**-0.5
    assert lora.scale == 4.0 and LoRALinear(nn.Linear(4, 4), r=16, alpha=32).scale == 2.0


@torch.no_grad()
def test_merge_and_unmerge_are_exact():
    model = trained(llama())
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    states = torch.randn(3, 32)
    apart = {name: lora(states) for name, lora in lora_layers(model).items()}
    merge_lora(model)
    for name, lora in lora_layers(model).items():
        assert (lora.weight - weights[f"{name}.weight"]).abs().max() > 0.1
        assert largest_difference(lora(states), apart[name]) < 1e-6
    unmerge_lora(model)
    for name, value in model.state_dict().items():
        assert (value - weights[name]).abs().max() < 1e-6, name


@torch.no_grad()
def test_a_merged_model_says_the_same():
    model = trained(llama()).double()
    apart = logits(model)
    merge_lora(model)
    assert largest_difference(logits(model), apart) < 1e-6
    lora_layers(model)["model.layers.0.self_attn.v_proj"].unmerge()
    assert largest_difference(logits(model), apart) < 1e-6
    lora_layers(model)["model.layers.0.self_attn.v_proj"].merged = True
    assert largest_difference(logits(model), apart) > 1e-2


def test_merging_twice_is_an_error():
    model = llama()
    with pytest.raises(ValueError, match="not merged"):
        unmerge_lora(model)
    merge_lora(model)
    with pytest.raises(ValueError, match="merged already"):
        merge_lora(model)
    with pytest.raises(ValueError, match="unmerge it"):
        load_lora_state_dict(model, lora_state_dict(model))


def test_7b_trains_4_194_304_parameters():
    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig())
        names = add_lora(model, TARGETS, r=8)
    count = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert len(names) == 64 and count == 4_194_304
    assert count == sum(t.numel() for t in lora_state_dict(model).values())
    frozen = sum(p.numel() for p in model.parameters() if not p.requires_grad)
    assert frozen == 6_738_415_616


def test_only_what_the_list_names_gets_a_lora():
    model = language_model("llama", seed=1)
    names = add_lora(model, ["layers.1.self_attn.o_proj", "gate_proj"], r=2)
    expected = [f"model.layers.{i}.mlp.gate_proj" for i in range(2)]
    assert sorted(names) == sorted([*expected, "model.layers.1.self_attn.o_proj"])
    trains = {name for name, p in model.named_parameters() if p.requires_grad}
    assert trains == {f"{name}.lora_{ab}" for name in names for ab in "AB"}
    assert list(lora_layers(model)) == names
    assert add_lora(language_model("llama"), "q_proj") == [
        f"model.layers.{i}.self_attn.q_proj" for i in range(2)
    ]


def test_a_second_lora_leaves_the_first_one_alone():
    model = llama()
    add_lora(model, ["k_proj"], r=2)
    trains = {name.split(".")[-2] for name, p in model.named_parameters() if p.requires_grad}
    assert trains == {"q_proj", "k_proj", "v_proj"}
    with pytest.raises(ValueError, match="q_proj is a LoRALinear, which can take no LoRA"):
        add_lora(model, ["q_proj"])


@pytest.mark.parametrize("targets", (("query",), ("q_proj", "v_prj"), (), ("proj",)))
def test_targets_that_match_nothing(targets):
    model = language_model("llama")
    before = [(name, p.requires_grad) for name, p in model.named_parameters()]
    with pytest.raises(ValueError, match=r"down_proj, gate_proj, k_proj, lm_head, o_proj") as error:
        add_lora(model, targets)
    assert "'q_proj'" not in str(error.value)
    assert [(name, p.requires_grad) for name, p in model.named_parameters()] == before


def test_layers_that_can_take_none():
    model = nn.ModuleDict(
        {
            "end": EndTokenProjector(4, 4),
            "plain": LinearProjector(4, 4),
            "mha": nn.MultiheadAttention(4, 2),
            "norm": nn.LayerNorm(4),
        }
    )
    for name in ("end", "out_proj", "norm"):
        with pytest.raises(ValueError, match="can take no LoRA"):
            add_lora(model, [name])
    with pytest.raises(ValueError, match=r"linear layers \(plain\)"):
        add_lora(model, ["nothing"])
    with pytest.raises(ValueError, match="it has none"):
        add_lora(nn.LayerNorm(3), ["q_proj"])
    assert add_lora(model, ["plain"]) == ["plain"]
    opt = language_model("opt")
    with pytest.raises(ValueError, match=r"lm_head\.weight is tied"):
        add_lora(opt, ["lm_head"])


@pytest.mark.parametrize("bad", ({"r": 0}, {"alpha": 0}, {"dropout": 1.0}, {"dropout": -0.1}))
def test_settings_that_cannot_be_meant(bad):
    model = language_model("llama")
    with pytest.raises(ValueError, match=f"{next(iter(bad))}={next(iter(bad.values()))}"):
        add_lora(model, TARGETS, **bad)
    assert all(p.requires_grad for p in model.parameters())
    with pytest.raises(ValueError, match="has no LoRA"):
        merge_lora(model)


def test_a_module_under_two_names_gets_one_lora():
    shared = nn.Linear(3, 3)
    model = nn.ModuleDict({"a": nn.Sequential(shared), "b": nn.Sequential(shared)})
    assert add_lora(model, ["0"]) == ["a.0", "b.0"]
    assert model["a"][0] is model["b"][0] and len(lora_layers(model)) == 1


def test_a_stage_trains_the_lora_alone():
    model = llama(dropout=0.5)
    stage = Stage("stage2", ("model.layers.*.self_attn.*.lora_*",), 3, 2, 1e-2)
    names = apply_stage(model, stage)
    assert names == [f"{k}.lora_{ab}" for k in lora_layers(model) for ab in "AB"]
    torch.manual_seed(0)
    assert not torch.equal(logits(trained(model)), logits(model))  # the dropout is on
    before, start = frozen_fingerprint(model, stage), copy.deepcopy(lora_state_dict(model))
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(3):
        optimizer.zero_grad()
        logits(model).square().mean().backward()
        optimizer.step()
    assert frozen_fingerprint(model, stage) == before
    assert not any(torch.equal(start[k], v) for k, v in lora_state_dict(model).items())
    model.eval()
    assert torch.equal(logits(model), logits(model))


def test_its_own_tensors_go_to_another_model():
    model, other = trained(llama()), llama()
    tensors = lora_state_dict(model)
    assert len(tensors) == 2 * 2 * 2 and all("lora_" in name for name in tensors)
    assert not torch.equal(logits(model), logits(other))
    load_lora_state_dict(other, {name: value.clone() for name, value in tensors.items()})
    assert torch.equal(logits(model), logits(other))
    with pytest.raises(ValueError, match=r"r, on the same base") as error:
        load_lora_state_dict(llama(r=2), tensors)
    assert "(4, 32)" in str(error.value) and "(2, 32)" in str(error.value)
    name = next(iter(tensors))
    with pytest.raises(ValueError, match=f"1 tensors .*{name}"):
        load_lora_state_dict(other, {k: v for k, v in tensors.items() if k != name})
    with pytest.raises(ValueError, match="has no LoRA"):
        load_lora_state_dict(language_model("llama"), tensors)


@torch.no_grad()
def test_half_precision_keeps_a_lora_of_float32():
    lora = LoRALinear(nn.Linear(6, 5, bias=False).bfloat16(), dropout=0.0)
    lora.lora_B.normal_()
    x = torch.randn(3, 6)
    assert lora.lora_A.dtype == torch.float32 and lora.bias is None
    out = lora(x.bfloat16())
    assert out.dtype == torch.bfloat16
    exact = x.bfloat16().float() @ (lora.weight.float() + lora.delta()).T
    assert (out - exact).abs().max() < 0.02 * exact.abs().max()
    assert "r=8, alpha=32.0, merged=False" in repr(lora)


def test_modes_of_the_layer_are_kept():
    assert not LoRALinear(nn.Linear(2, 2).eval()).lora_dropout.training
    assert LoRALinear(nn.Linear(2, 2)).lora_dropout.training
