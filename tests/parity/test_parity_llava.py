"""LLaVA <-> LlavaForConditionalGeneration: logits, loss, gradients, greedy, checkpoint names."""

import pytest
import torch
from torch import nn

from course_lib.interop import (
    current_names,
    llava_from_hf,
    llava_to_hf,
    projector_from_original,
    projector_to_original,
)
from course_lib.projector import LinearProjector, MLPProjector
from course_lib.recipes import llava as recipe
from tests.tiny_models import (
    IMAGE_TOKEN,
    clip_vision,
    largest_difference,
    llava,
    randomise,
    text_batch,
)

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}
PATCHES = 4
IMAGES = {"one a row": (1, 1, 1), "one to three a row": (2, 1, 3)}


def batch_for(seed, dtype, images, side="right"):
    """Rows of text with their images at different places, filled up on one side."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randn(sum(images), 3, 16, 16, generator=generator, dtype=torch.float64)
    words = text_batch(seed, rows=len(images), length=8)
    rows = []
    for index, count in enumerate(images):
        real = words["input_ids"][index][words["attention_mask"][index].bool()].tolist()
        for image in range(count):
            place = 1 + 6 * image if 1 + 6 * image < len(real) else len(real)
            real[place:place] = [IMAGE_TOKEN] * PATCHES
        rows.append(real)
    longest = max(map(len, rows))
    ids, mask = torch.ones(len(rows), longest, dtype=torch.long), torch.zeros(len(rows), longest)
    for index, row in enumerate(rows):
        place = slice(0, len(row)) if side == "right" else slice(longest - len(row), None)
        ids[index, place], mask[index, place] = torch.tensor(row), 1
    labels = ids.masked_fill((mask == 0) | (ids == IMAGE_TOKEN), -100)
    labels[:, :2] = -100
    pixel_values = 2 * pixels.to(dtype)
    return {
        "pixel_values": pixel_values,
        "input_ids": ids,
        "attention_mask": mask.long(),
        "labels": labels,
    }


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("seed", (1, 2, 3))
@pytest.mark.parametrize("images", IMAGES.values(), ids=IMAGES)
@torch.no_grad()
def test_logits_and_loss(images, seed, dtype, agree):
    hf = llava(seed).to(dtype)
    ours, batch = llava_from_hf(hf), batch_for(seed, dtype, images)
    expected = hf(**batch)
    real = batch["attention_mask"].bool()
    # LLaMA computes its norms and rotations in float32 in any case.
    agree(ours.logits(batch)[real], expected.logits[real], max(TOLERANCE[dtype], 1e-6))
    agree(ours(batch), expected.loss, max(TOLERANCE[dtype], 2e-6))
    rolled = {**batch, "pixel_values": batch["pixel_values"].roll(1, 0)}
    assert largest_difference(ours.logits(rolled)[real], expected.logits[real]) > 1e-2


@pytest.mark.parametrize("images", IMAGES.values(), ids=IMAGES)
def test_gradients(images):
    hf = llava(2).double()
    ours, batch = llava_from_hf(hf), batch_for(2, torch.float64, images)
    ours(batch).backward()
    mine = [p.grad.clone() for p in (ours.projector.up.weight, ours.projector.down.bias)]
    language = hf.model.language_model.layers[0].self_attn.q_proj.weight
    mine.append(language.grad.clone())
    hf.zero_grad()
    hf(**batch).loss.backward()
    theirs = hf.model.multi_modal_projector
    expected = [theirs.linear_1.weight.grad, theirs.linear_2.bias.grad, language.grad]
    for own, reference in zip(mine, expected, strict=True):
        assert reference.abs().max() > 1e-4
        assert largest_difference(own, reference) < 1e-6


@torch.no_grad()
def test_there_and_back():
    hf = llava(4)
    ours = llava_from_hf(hf)
    ours.projector.up.weight.mul_(1.5)
    back = llava_to_hf(ours)
    hf.model.multi_modal_projector.linear_1.weight.mul_(1.5)
    state = hf.state_dict()
    assert all(torch.equal(state[key], value) for key, value in back.state_dict().items())
    with pytest.raises(ValueError, match=r"version='v1.5'"):
        llava_to_hf(recipe.build(None, 8, ours.language, IMAGE_TOKEN, "v1"))


@torch.no_grad()
def test_greedy_equals_generate():
    hf = llava(3).double()
    batch = batch_for(3, torch.float64, (1, 2, 1), side="left")
    del batch["labels"]
    hf.generation_config.eos_token_id = None
    hf.generation_config.pad_token_id = 1
    length = batch["input_ids"].shape[1]
    expected = hf.generate(**batch, max_new_tokens=10, do_sample=False)[:, length:].tolist()
    assert llava_from_hf(hf).generate(batch, 10, eos_token_id=()) == expected
    assert len({token for row in expected for token in row}) > 2


@torch.no_grad()
def test_v1_has_one_layer_and_reads_patches_of_the_second_last_layer():
    hf = llava(1)
    language = llava_from_hf(hf).language
    from course_lib.backbones.vision import VisionEncoder

    clip = clip_vision(seed=2)
    ours = recipe.build(VisionEncoder(clip, -2, drop_cls=True), 16, language, IMAGE_TOKEN, "v1")
    randomise(ours.projector, 5)
    pixels = torch.randn(2, 3, 16, 16)
    states = clip(pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
    expected = states @ ours.projector.weight.T + ours.projector.bias
    assert largest_difference(ours.visual_tokens({"pixel_values": pixels}), expected) < 1e-6
    with pytest.raises(ValueError, match="drop_cls=True"):
        recipe.build(VisionEncoder(clip, -2), 16, language, IMAGE_TOKEN)
    with pytest.raises(ValueError, match=r"v1\.5"):
        recipe.build(None, 16, language, IMAGE_TOKEN, "v1.6")


BLOCK, MLP = "layers.0.mlp.up_proj.weight", "encoder.layers.0.mlp.fc1.bias"
OLD = {  # a name on disk → today's
    f"language_model.model.{BLOCK}": f"model.language_model.{BLOCK}",
    "language_model.lm_head.weight": "lm_head.weight",
    "multi_modal_projector.linear_1.bias": "model.multi_modal_projector.linear_1.bias",
    f"vision_tower.vision_model.{MLP}": f"model.vision_tower.{MLP}",
    "model.vision_tower.vision_model.pre_layrnorm.bias": "model.vision_tower.pre_layrnorm.bias",
    "model.language_model.norm.weight": "model.language_model.norm.weight",
}


def test_names_of_every_version_become_todays():
    found = current_names({name: torch.zeros(1) for name in OLD})
    assert list(found) == list(OLD.values())
    todays = llava(1).state_dict()
    assert list(current_names(todays)) == list(todays)
    assert {name for name in OLD.values() if "norm" not in name or "pre" in name} <= set(todays)


@pytest.mark.parametrize("build", (LinearProjector, MLPProjector))
@pytest.mark.parametrize("prefix", ("model.", ""))
def test_official_projectors_are_read_and_written(build, prefix):
    projector = randomise(build(6, 10), 1).half()
    tensors = projector_to_original(projector)
    assert set(tensors) <= {
        f"model.mm_projector.{name}"
        for name in ("weight", "bias", "0.weight", "0.bias", "2.weight", "2.bias")
    }
    given = {prefix + k.removeprefix("model."): v for k, v in tensors.items()}
    again = projector_from_original({**given, "model.embed_tokens.weight": torch.zeros(3)})
    assert type(again) is build and next(again.parameters()).dtype == torch.float16
    pairs = zip(projector.parameters(), again.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_other_projectors_are_named():
    with pytest.raises(ValueError, match=r"4\.weight"):
        projector_from_original({"mm_projector.4.weight": torch.zeros(2, 2)})
    with pytest.raises(ValueError, match="none"):
        projector_from_original({"lm_head.weight": torch.zeros(2, 2)})


@pytest.mark.parametrize(
    ("setting", "value"),
    [("vision_feature_select_strategy", "full"), ("projector_hidden_act", "gelu_new")],
)
def test_settings_that_ours_does_not_have_are_named(setting, value):
    hf = llava(1)
    setattr(hf.config, setting, value)
    with pytest.raises(ValueError, match=setting):
        llava_from_hf(hf)


def _tanh_gelu(ours):
    ours.projector.forward = lambda x: ours.projector.down(
        nn.functional.gelu(ours.projector.up(x), approximate="tanh")
    )


def _last_layer(ours):
    ours.vpg.encoder._depth += 1


def _patches_reversed(ours):
    ours.vpg.head = type("Flip", (nn.Module,), {"forward": lambda self, x: x.flip(1)})()


@pytest.mark.parametrize("mutate", (_tanh_gelu, _last_layer, _patches_reversed))
@torch.no_grad()
def test_mutations_are_seen(mutate):
    hf = llava(2).double()
    ours, batch = llava_from_hf(hf), batch_for(2, torch.float64, (1, 1, 1))
    expected = hf(**batch).logits
    assert largest_difference(ours.logits(batch), expected) < 1e-6
    mutate(ours)
    assert largest_difference(ours.logits(batch), expected) > 1e-5
