"""LoRA <-> peft on the same weights: outputs, gradients, merging, files in both directions."""

import copy
import json
import re

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file

from course_lib.interop.peft_lora import load_peft_lora, save_peft_lora
from course_lib.lora import add_lora, lora_layers, lora_state_dict, merge_lora
from tests.tiny_models import language_model, largest_difference, text_batch

TARGETS = ["q_proj", "v_proj"]
KINDS = {"llama": TARGETS, "opt": TARGETS, "t5": ["q", "v"]}


def theirs(kind: str = "llama", seed: int = 1, **settings):
    """A model that peft wrapped, A and B random."""
    base = language_model(kind, seed, scale=1.0)
    settings = {"r": 4, "lora_alpha": 6, "lora_dropout": 0.0, **settings}
    settings.setdefault("target_modules", KINDS[kind])
    model = peft.get_peft_model(base, peft.LoraConfig(**settings)).eval()
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data = 0.3 * torch.randn(parameter.shape, generator=generator)
    return model


def ours(hf, kind: str = "llama", seed: int = 1, **settings):
    """The same base with our LoRA, and A and B of theirs."""
    model = language_model(kind, seed, scale=1.0)
    names = add_lora(model, KINDS[kind], **{"r": 4, "alpha": 6, "dropout": 0.0, **settings})
    for name in names:
        layer = model.get_submodule(name)
        other = hf.get_submodule(f"base_model.model.{name}")
        layer.lora_A.data.copy_(other.lora_A["default"].weight)
        layer.lora_B.data.copy_(other.lora_B["default"].weight)
    return model.eval()


def inputs(kind: str = "llama") -> dict:
    batch = text_batch(2, rows=3, length=8)
    return {**batch, "labels": batch["input_ids"]}


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_outputs(kind, agree):
    hf = theirs(kind)
    model, batch = ours(hf, kind), inputs(kind)
    expected = hf(**batch).logits
    agree(model(**batch).logits, expected, 1e-6)
    with hf.disable_adapter():
        assert largest_difference(hf(**batch).logits, expected) > 1e-2


def test_gradients(agree):
    hf = theirs()
    model, batch = ours(hf), inputs()
    hf(**batch).loss.backward()
    model(**batch).loss.backward()
    for name, layer in lora_layers(model).items():
        other = hf.get_submodule(f"base_model.model.{name}")
        for mine, reference in (
            (layer.lora_A.grad, other.lora_A["default"].weight.grad),
            (layer.lora_B.grad, other.lora_B["default"].weight.grad),
        ):
            assert reference.abs().max() > 1e-4
            agree(mine / reference.abs().max(), reference / reference.abs().max(), 1e-6)
        assert layer.weight.grad is None and other.base_layer.weight.grad is None
    trains = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert trains == hf.get_nb_trainable_parameters()[0]


@torch.no_grad()
def test_dropout_falls_on_the_same_inputs():
    hf = theirs(lora_dropout=0.4)
    model, batch = ours(hf, dropout=0.4), inputs()
    still = model(**batch).logits
    outputs = []
    for each in (model, hf):
        each.train()
        torch.manual_seed(7)
        outputs.append(each(**batch).logits)
    assert largest_difference(*outputs) < 1e-6
    assert largest_difference(outputs[0], still) > 1e-3


@torch.no_grad()
def test_merged_weights(agree):
    hf = theirs()
    model = ours(hf)
    merge_lora(model)
    merged = hf.merge_and_unload().state_dict()
    for name in lora_layers(model):
        agree(model.state_dict()[f"{name}.weight"], merged[f"{name}.weight"], 1e-6)


@torch.no_grad()
def test_starts_like_peft_but_for_the_draw():
    model = language_model("llama")
    hf = peft.get_peft_model(model, peft.LoraConfig(r=8, target_modules=TARGETS))
    other = language_model("llama")
    for name in add_lora(other, TARGETS, r=8):
        mine, peer = other.get_submodule(name), hf.get_submodule(f"base_model.model.{name}")
        bound = mine.in_features**-0.5
        for matrix in (mine.lora_A, peer.lora_A["default"].weight):
            assert 0.9 * bound < matrix.abs().max() <= bound
        assert not mine.lora_B.any() and not peer.lora_B["default"].weight.any()


def _no_scale(layer):
    layer.alpha = layer.r


def _scale_by_root(layer):
    layer.alpha = layer.alpha * layer.r**0.5


def _a_and_b_mixed_up(layer):
    layer.lora_A.data = layer.lora_A.data.flip(0)


def _counted_twice(layer):
    layer.merge()
    layer.merged = False


@pytest.mark.parametrize("mutate", (_no_scale, _scale_by_root, _a_and_b_mixed_up, _counted_twice))
@torch.no_grad()
def test_mutations_are_seen(mutate):
    hf = theirs()
    model, batch = ours(hf), inputs()
    for layer in lora_layers(model).values():
        mutate(layer)
    assert largest_difference(model(**batch).logits, hf(**batch).logits) > 1e-3


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_ours_opens_in_peft(kind, tmp_path, agree):
    model = ours(theirs(kind), kind)
    save_peft_lora(model, tmp_path, base_model="some/base")
    config = peft.PeftConfig.from_pretrained(tmp_path)
    assert set(config.target_modules) == set(KINDS[kind])
    assert (config.r, config.lora_alpha, config.base_model_name_or_path) == (4, 6, "some/base")
    base = language_model(kind, 1, scale=1.0)
    opened = peft.PeftModel.from_pretrained(base, tmp_path).eval()
    assert opened.active_peft_config.task_type == ("SEQ_2_SEQ_LM" if kind == "t5" else "CAUSAL_LM")
    agree(opened(**inputs(kind)).logits, model(**inputs(kind)).logits, 1e-6)


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_theirs_opens_here(kind, tmp_path, agree):
    hf = theirs(kind, lora_dropout=0.25)
    hf.save_pretrained(tmp_path)
    model = language_model(kind, 1, scale=1.0)
    names = load_peft_lora(model, tmp_path)
    agree(model.eval()(**inputs(kind)).logits, hf(**inputs(kind)).logits, 1e-6)
    layer = model.get_submodule(names[0])
    assert (layer.r, layer.alpha, layer.lora_dropout.p) == (4, 6, 0.25)
    assert {n for n, p in model.named_parameters() if p.requires_grad} == set(
        lora_state_dict(model)
    )


@torch.no_grad()
def test_files_are_peft_s_own(tmp_path):
    hf = theirs()
    hf.save_pretrained(tmp_path / "theirs")
    save_peft_lora(ours(hf), tmp_path / "ours")
    name = "adapter_model.safetensors"
    mine, reference = load_file(tmp_path / "ours" / name), load_file(tmp_path / "theirs" / name)
    assert mine.keys() == reference.keys()
    assert all(torch.equal(mine[key], value) for key, value in reference.items())
    own = json.loads((tmp_path / "ours/adapter_config.json").read_text())
    full = json.loads((tmp_path / "theirs/adapter_config.json").read_text())
    loose = {"target_modules", "task_type", "base_model_name_or_path"}
    assert all(full[key] == value for key, value in own.items() if key not in loose)


@torch.no_grad()
def test_a_lora_on_some_layers_only(tmp_path):
    model = language_model("llama", 1, scale=1.0)
    add_lora(model, ["layers.1.self_attn.q_proj"], r=2, dropout=0.0)
    model.get_submodule("model.layers.1.self_attn.q_proj").lora_B.normal_()
    save_peft_lora(model, tmp_path)
    opened = peft.PeftModel.from_pretrained(language_model("llama", 1, scale=1.0), tmp_path)
    assert largest_difference(opened(**inputs()).logits, model(**inputs()).logits) < 1e-6
    again = language_model("llama", 1, scale=1.0)
    assert load_peft_lora(again, tmp_path) == ["model.layers.1.self_attn.q_proj"]


@torch.no_grad()
def test_a_lora_of_the_official_mplug_owl(tmp_path):
    """There peft wraps the whole model, and the language model lies below `language_model`."""

    class Whole(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.language_model = language_model("llama", 1, scale=1.0)

        def forward(self, **batch):
            return self.language_model(**batch)

    pattern = r".*language_model.*\.(q_proj|v_proj)"
    hf = peft.get_peft_model(Whole(), peft.LoraConfig(r=4, target_modules=pattern)).eval()
    for name, parameter in hf.named_parameters():
        if "lora_B" in name:
            parameter.normal_()
    hf.save_pretrained(tmp_path / "theirs")
    model = language_model("llama", 1, scale=1.0)
    with pytest.raises(ValueError, match=r"unknown: language_model\.model\.layers\.0"):
        load_peft_lora(model, tmp_path / "theirs")
    assert len(load_peft_lora(model, tmp_path / "theirs", within="language_model")) == 4
    expected = hf(**inputs()).logits
    assert largest_difference(model(**inputs()).logits, expected) < 1e-6
    save_peft_lora(model, tmp_path / "ours", within="language_model")
    opened = peft.PeftModel.from_pretrained(Whole(), tmp_path / "ours").eval()
    assert largest_difference(opened(**inputs()).logits, expected) < 1e-6


def untouched(model, tmp_path, words):
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match=words):
        load_peft_lora(model, tmp_path)
    assert before.keys() == model.state_dict().keys()
    assert all(p.requires_grad for p in model.parameters())


def test_a_lora_of_another_base_is_refused(tmp_path):
    theirs().save_pretrained(tmp_path)
    wide = language_model("llama", 1, width=48)
    untouched(wide, tmp_path, r"layers\.0\.self_attn\.q_proj\.lora_A .*\(4, 32\).*\(4, 48\)")
    untouched(language_model("opt"), tmp_path, r"unknown: model\.layers\.0\.self_attn\.q_proj")
    short = language_model("llama")
    del short.model.layers[1]
    untouched(short, tmp_path, r"unknown: model\.layers\.1\.self_attn\.q_proj")
    model = language_model("llama")
    add_lora(model, TARGETS)
    with pytest.raises(ValueError, match="can take no LoRA"):
        load_peft_lora(model, tmp_path)


@pytest.mark.parametrize(
    "settings",
    [
        {"use_rslora": True},
        {"use_dora": True},
        {"bias": "lora_only"},
        {"modules_to_save": ["lm_head"]},
        {"rank_pattern": {"q_proj": 2}},
        {"init_lora_weights": "pissa"},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_other_kinds_of_lora_are_refused(settings, tmp_path):
    theirs(**settings).save_pretrained(tmp_path)
    name, value = next(iter(settings.items()))
    words = re.escape(f"asks for {name}={value!r}, which")
    untouched(language_model("llama"), tmp_path, words)


def test_files_that_are_no_lora(tmp_path):
    model = language_model("llama")
    untouched(model, tmp_path, "adapter_config.json is not there")
    (tmp_path / "adapter_config.json").write_text("{")
    untouched(model, tmp_path, "adapter_config.json is damaged")
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "IA3"}')
    untouched(model, tmp_path, "'IA3'")
    theirs().save_pretrained(tmp_path)
    file = tmp_path / "adapter_model.safetensors"
    tensors = {name: value.clone() for name, value in load_file(file).items()}
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    untouched(model, tmp_path, "damaged or cut short")
    first = next(name for name in tensors if "lora_A" in name)
    save_file({k: v for k, v in tensors.items() if k != first}, file)
    untouched(model, tmp_path, r"missing: model\.layers\.\d\.self_attn\..*lora_A")
    save_file({**tensors, "base_model.model.lm_head.weight": torch.zeros(2, 2)}, file)
    untouched(model, tmp_path, r"unknown: base_model\.model\.lm_head")
    file.unlink()
    untouched(model, tmp_path, "adapter_model.safetensors is not there")


def test_loras_of_two_kinds_are_not_saved(tmp_path):
    model = language_model("llama")
    with pytest.raises(ValueError, match="has no LoRA"):
        save_peft_lora(model, tmp_path)
    add_lora(model, ["q_proj"], r=2)
    add_lora(model, ["v_proj"], r=4)
    with pytest.raises(ValueError, match=r"differ in \(r, alpha, dropout\)"):
        save_peft_lora(model, tmp_path)
