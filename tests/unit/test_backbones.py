"""Encoders stop where they should; language models score, write, and refuse."""

import pytest
import torch
from transformers import Blip2VisionModel, CLIPConfig, CLIPModel

from course_lib.backbones import LanguageModel, VisionEncoder, load_language, load_vision
from tests.tiny_models import (
    clip_vision,
    language_model,
    random_sizes,
    randomise,
    text_batch,
    vision_config,
)

PIXELS = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def blip2_vision():
    return randomise(Blip2VisionModel(vision_config(random_sizes(0))), 0)


@pytest.mark.parametrize("build", [clip_vision, blip2_vision])
@torch.no_grad()
def test_layers_are_those_of_transformers(build):
    model = build()
    states = model(PIXELS, output_hidden_states=True).hidden_states
    for layer in (-1, -2, 0, 1):
        torch.testing.assert_close(VisionEncoder(model, layer)(PIXELS), states[layer])
    patches = VisionEncoder(model, -2, drop_cls=True)
    torch.testing.assert_close(patches(PIXELS), states[-2][:, 1:])
    assert patches.num_tokens == 4
    assert VisionEncoder(model, -2).num_tokens == 5
    with pytest.raises(ValueError, match="layer=9"):
        VisionEncoder(model, 9)


@torch.no_grad()
def test_blocks_that_are_not_needed_do_not_run():
    model, ran = clip_vision(), []
    for index, block in enumerate(model.encoder.layers):
        block.register_forward_hook(lambda *_, i=index: ran.append(i))
    VisionEncoder(model, -2)(PIXELS)
    assert ran == [0, 1]


def test_fingerprint_changes_with_everything_that_decides_the_features():
    model = clip_vision()
    first = VisionEncoder(model, -2).fingerprint()
    assert first == VisionEncoder(clip_vision(), -2).fingerprint()
    others = [VisionEncoder(model, -1), VisionEncoder(model, -2, drop_cls=True)]
    prints = {first} | {other.fingerprint() for other in others}
    with torch.no_grad():
        model.encoder.layers[0].mlp.fc1.bias[0] += 1e-3
    prints.add(VisionEncoder(model, -2).fingerprint())
    model.config.hidden_act = "gelu"
    prints.add(VisionEncoder(model, -2).fingerprint())
    assert len(prints) == 5


def test_images_of_another_size_and_other_models_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 3, 8, 8\).*16"):
        VisionEncoder(clip_vision())(PIXELS[..., :8, :8])
    with pytest.raises(ValueError, match="Linear is no image encoder"):
        VisionEncoder(torch.nn.Linear(1, 1))


def test_encoders_load_from_directories(tmp_path):
    model = clip_vision()
    model.half().save_pretrained(tmp_path)
    loaded = load_vision(tmp_path, layer=-2)
    assert next(loaded.parameters()).dtype == torch.float32
    assert not loaded.training
    torch.testing.assert_close(loaded(PIXELS), VisionEncoder(model.float(), -2)(PIXELS))
    with pytest.raises(ValueError, match="no language model"):
        load_language(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"weights of .* cannot be read"):
        load_vision(tmp_path)
    with pytest.raises(ValueError, match="neither a readable model directory"):
        load_vision(tmp_path / "nowhere")


@torch.no_grad()
def test_the_image_half_of_a_whole_clip_directory_loads(tmp_path):
    vision = clip_vision()
    text = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 20}
    config = CLIPConfig(vision_config=vision.config.to_dict(), text_config=text)
    clip = randomise(CLIPModel(config), 1)
    clip.save_pretrained(tmp_path)
    expected = VisionEncoder(clip.vision_model, -2)(PIXELS)
    torch.testing.assert_close(load_vision(tmp_path)(PIXELS), expected)


@pytest.mark.parametrize("kind", ["opt", "llama", "t5"])
@torch.no_grad()
def test_language_models_load_and_know_themselves(kind, tmp_path):
    model = language_model(kind)
    model.save_pretrained(tmp_path)
    loaded = load_language(tmp_path)
    assert (loaded.hidden_size, loaded.vocab_size) == (32, 97)
    assert loaded.max_positions == (None if kind == "t5" else 40)
    assert loaded.is_encoder_decoder == (kind == "t5")
    assert loaded.eos_token_ids == {1 if kind == "t5" else 2}
    ids = torch.randint(5, 90, (2, 6))
    torch.testing.assert_close(loaded.embed(ids), model.get_input_embeddings()(ids))
    with pytest.raises(ValueError, match="image encoder"):
        load_vision(tmp_path)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("kind", ["opt", "llama", "t5"])
def test_loss_is_that_of_transformers(kind, side):
    model = language_model(kind, seed=2).double()
    batch = text_batch(0, 3, 8, side)
    embeds = model.get_input_embeddings()(batch["input_ids"]).detach().requires_grad_()
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    labels[0, :4] = -100
    inputs = {"attention_mask": batch["attention_mask"], "labels": labels}
    ours = LanguageModel(model).loss(embeds, **inputs)
    theirs = model(inputs_embeds=embeds, **inputs).loss
    # transformers sums the loss of decoder-only models in float32, and Llama's norms too.
    assert abs(ours - theirs) < 1e-5
    own, other = (torch.autograd.grad(loss, embeds)[0] for loss in (ours, theirs))
    assert (own - other).norm() < 1e-5 * other.norm()


def test_opt_with_dropout_or_norms_at_the_end_takes_the_long_way():
    model = language_model("opt")
    ours, batch = LanguageModel(model), text_batch(0, 3, 8)
    embeds = ours.embed(batch["input_ids"])
    assert ours._short_way(embeds, batch["attention_mask"])
    assert not ours._short_way(embeds, batch["attention_mask"].flip(1))
    model.config.dropout = 0.1
    assert not ours.train()._short_way(embeds, batch["attention_mask"])
    assert ours.eval()._short_way(embeds, batch["attention_mask"])
    model.config.do_layer_norm_before = False
    assert not ours._short_way(embeds, batch["attention_mask"])


@torch.no_grad()
def test_the_context_is_a_limit():
    ours = LanguageModel(language_model("opt"))
    long = torch.randn(1, 41, 32)
    with pytest.raises(ValueError, match=r"41 positions.*at most 40"):
        ours.generate_greedy(long, torch.ones(1, 41), 3)
    with pytest.raises(ValueError, match=r"41 positions.*at most 40"):
        ours.loss(long, torch.ones(1, 41).long(), torch.ones(1, 41).long())
    mask = torch.ones(1, 41).long()
    mask[0, 0] = 0
    assert len(ours.generate_greedy(long, mask, 9, eos_token_id=())[0]) == 1
    assert len(ours.generate_greedy(long[:, :38], mask[:, 1:39], 9, eos_token_id=())[0]) == 3


@torch.no_grad()
def test_prompts_padded_on_the_right_are_refused():
    ours = LanguageModel(language_model("opt"))
    with pytest.raises(ValueError, match="Row 1 of the prompt ends with padding"):
        ours.generate_greedy(torch.randn(2, 3, 32), torch.tensor([[1, 1, 1], [1, 1, 0]]), 3)


@torch.no_grad()
def test_rows_end_one_by_one():
    ours = LanguageModel(language_model("opt", seed=5))
    embeds, mask = torch.randn(3, 4, 32), torch.ones(3, 4).long()
    free = ours.generate_greedy(embeds, mask, 8, eos_token_id=())
    assert [len(row) for row in free] == [8, 8, 8]
    eos = free[0][2]
    stopped = ours.generate_greedy(embeds, mask, 8, eos_token_id=[eos, 95])
    assert stopped == [row[: row.index(eos)] if eos in row else row for row in free]
    assert ours.generate_greedy(embeds, mask, 0, eos_token_id=eos) == [[], [], []]
