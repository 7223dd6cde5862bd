"""The VLM: images against places, cached features, text alone, saving, generation."""

import pytest
import torch
from torch import nn

from course_lib.backbones import LanguageModel, VisionEncoder
from course_lib.projector import LinearProjector
from course_lib.vlm import VLM, VPG
from course_lib.vpg import QFormer, QFormerConfig
from tests.tiny_models import clip_vision, language_model

Q, IMAGE = 3, 96
CONFIG = QFormerConfig(
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=24,
    encoder_hidden_size=16,
    num_query_tokens=Q,
    dropout=0.2,
    use_text=False,
)


def build(kind="opt", image_token=IMAGE):
    torch.manual_seed(0)
    vpg = VPG(VisionEncoder(clip_vision()), QFormer(CONFIG))
    model = VLM(vpg, LinearProjector(16, 32), LanguageModel(language_model(kind, 0)), image_token)
    return model.eval()


def batch_of(rows=2, images=2, text=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(5, 90, (rows, Q + text), generator=generator)
    ids[:, 1 : 1 + Q] = IMAGE
    labels = ids.masked_fill(ids == IMAGE, -100)
    pixels = torch.randn(images, 3, 16, 16, generator=generator)
    mask = torch.ones_like(ids)
    return {"pixel_values": pixels, "input_ids": ids, "attention_mask": mask, "labels": labels}


def without_images(batch):
    return {k: v for k, v in batch.items() if k != "pixel_values"}


@pytest.mark.parametrize("kind", ["opt", "llama", "t5"])
def test_a_batch_gives_a_scalar_and_gradients_for_the_trained_parts(kind):
    model = build(kind)
    model.requires_grad_(False)
    model.vpg.head.requires_grad_(True)
    model.projector.requires_grad_(True)
    loss = model(batch_of())
    assert loss.shape == ()
    loss.backward()
    for name, parameter in model.named_parameters():
        root = name.startswith(("vpg.head", "projector"))
        assert (parameter.grad is not None) == root, name
    roots = {
        ".".join(n.split(".")[: 2 if n.startswith("vpg") else 1])
        for n, _ in model.named_parameters()
    }
    assert roots == {"vpg.encoder", "vpg.head", "projector", "language"}


@torch.no_grad()
def test_cached_features_give_the_same_loss_bit_for_bit():
    model, batch = build(), batch_of()
    features = model.vpg.encoder(batch["pixel_values"])
    cached = {**without_images(batch), "image_features": features}
    assert torch.equal(model(cached), model(batch))
    half = {**without_images(batch), "image_features": features.half()}
    torch.testing.assert_close(model(half), model(batch), rtol=1e-2, atol=1e-2)
    model.vpg.encoder = None
    assert torch.isfinite(model(cached))
    with pytest.raises(ValueError, match="no encoder"):
        model(batch)


@torch.no_grad()
def test_several_images_in_one_row_and_none_in_another():
    model, batch = build(), batch_of(text=8)
    ids = batch["input_ids"]
    ids[0, 1 + Q : 1 + 2 * Q] = IMAGE
    ids[1, 1 : 1 + Q] = 7
    embeds = model.inputs_embeds(batch)
    visual = model.visual_tokens(batch)
    assert torch.equal(embeds[0, 1 : 1 + 2 * Q], visual.flatten(0, 1))
    assert torch.equal(embeds[1], model.language.embed(ids[1]))


@pytest.mark.parametrize(
    ("images", "words"),
    [(1, "1 image,.*2 images"), (3, "3 images.*2 images"), (0, "0 images.*6 visual tokens")],
)
def test_images_and_places_have_to_fit(images, words):
    with pytest.raises(ValueError, match=words):
        build()(batch_of(images=images))


def test_images_without_any_place_are_refused():
    batch = batch_of()
    batch["input_ids"][batch["input_ids"] == IMAGE] = 7
    with pytest.raises(ValueError, match=r"2 images.*0 images"):
        build()(batch)


def test_pixels_and_features_together_are_refused():
    batch = {**batch_of(), "image_features": torch.randn(2, 5, 16)}
    with pytest.raises(ValueError, match="both"):
        build()(batch)
    with pytest.raises(ValueError, match="neither"):
        build().vpg()


def test_text_alone_is_the_language_model_and_leaves_zero_gradients():
    model, batch = build(), without_images(batch_of())
    batch["input_ids"] = batch["input_ids"].masked_fill(batch["input_ids"] == IMAGE, 7)
    model.requires_grad_(False)
    model.projector.requires_grad_(True)
    loss = model(batch)
    expected = model.language.model(**batch).loss
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)
    loss.backward()
    assert model.projector.weight.grad.abs().sum() == 0
    assert model.generate(batch, 3) == model.generate({**batch, "pixel_values": None}, 3)


@torch.no_grad()
def test_the_placeholder_may_lie_beyond_the_vocabulary():
    model, batch = build(image_token=1000), batch_of()
    expected = build()(batch)
    batch["input_ids"] = batch["input_ids"].masked_fill(batch["input_ids"] == IMAGE, 1000)
    assert torch.equal(model(batch), expected)


def test_patches_themselves_can_be_the_visual_tokens():
    encoder = VisionEncoder(clip_vision(), drop_cls=True)
    vpg = VPG(encoder, nn.Identity())
    assert vpg(torch.randn(2, 3, 16, 16)).shape == (2, 4, 16)


def test_generation_is_in_eval_mode_and_gives_every_module_its_mode_back():
    model, batch = build(), batch_of()
    expected = model.generate(batch, 6)
    model.vpg.head.train()
    modes = [module.training for module in model.modules()]
    assert model.generate(batch, 6) == expected
    assert [module.training for module in model.modules()] == modes
    assert len(expected) == 2


def test_parts_are_saved_alone_and_read_strictly(tmp_path):
    model = build()
    path = model.save_trainable(tmp_path / "run", ("vpg.head", "projector"))
    assert path.name == "model.safetensors"
    other = build()
    with torch.no_grad():
        for parameter in [*other.vpg.head.parameters(), *other.projector.parameters()]:
            parameter.add_(1)
        other.language.model.lm_head.weight.mul_(2)
    kept = other.language.model.lm_head.weight.clone()
    other.load_trainable(tmp_path / "run")
    assert torch.equal(other.vpg.head.query_tokens, model.vpg.head.query_tokens)
    assert torch.equal(other.projector.bias, model.projector.bias)
    assert torch.equal(other.language.model.lm_head.weight, kept)
    with pytest.raises(ValueError, match=r"'vpg\.haed' names no parameter"):
        model.save_trainable(tmp_path, ("vpg.haed",))
    smaller = build()
    smaller.projector = LinearProjector(16, 31)
    with pytest.raises(ValueError, match=r"\(32,\) there and \(31,\)"):
        smaller.load_trainable(tmp_path / "run")
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ValueError, match="damaged or cut short"):
        other.load_trainable(tmp_path / "run")
    with pytest.raises(ValueError, match="is not there"):
        other.load_trainable(tmp_path / "nowhere")
