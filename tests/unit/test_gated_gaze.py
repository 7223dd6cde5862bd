"""Where a Flamingo's words look: the weights are those that its layers used."""

import pytest
import torch

from course_lib.teach.gated_gaze import gated_gaze, on_patches, resampler_gaze, through_latents
from tests.unit.test_gated_vlm import PATCHES, batch_of, pictures, shot, tiny

Q, HEADS, HEAD_DIM = 3, 2, 6


def held_values(attention):
    """Returns a dict that keeps what the attention mixes: its values and the result."""
    held = {}

    def keep_result(_module, args):
        held["mixed"] = args[0]

    def keep_values(_module, _args, values):
        held["values"] = values

    attention.out_proj.register_forward_pre_hook(keep_result)
    attention.v_proj.register_forward_hook(keep_values)
    return held


@pytest.mark.parametrize("layer", [0, 1, -1])
def test_the_weights_are_those_that_the_layer_used(layer):
    model = tiny(closed=False)
    batch = batch_of(
        "llama", [shot("red"), shot("blue", "0"), shot("red", "1")], [shot("red", "0")]
    )
    weights = gated_gaze(model, batch, layer)
    length = batch["input_ids"].shape[1]
    assert weights.shape == (2, HEADS, length, 2, Q)
    attention = model.gated.layers[layer].attention
    held = held_values(attention)
    with torch.no_grad():
        model.logits(batch)
    value = held["values"].unflatten(-1, (HEADS, HEAD_DIM)).transpose(1, 2)  # (images, H, Q, K)
    number = (batch["input_ids"] == model.image_token_id).cumsum(1)
    first = [0, 2]  # where the images of each text begin
    for text, words in enumerate(number.tolist()):
        for place, image in enumerate(words):
            row = weights[text, :, place]
            if not image:
                assert not row.any()
                continue
            assert not row[:, [i for i in range(2) if i != image - 1]].any()
            mixed = row[:, image - 1, None] @ value[first[text] + image - 1]
            torch.testing.assert_close(mixed.flatten(), held["mixed"][text, place])
            torch.testing.assert_close(row.sum((1, 2)), torch.ones(HEADS))


def test_looking_leaves_the_model_alone():
    model = tiny(closed=False).train()
    batch = batch_of("llama", [shot("red", "0")])
    gated_gaze(model, batch)
    assert model.training
    assert not any(m._forward_pre_hooks or m._forward_hooks for m in model.modules())
    with pytest.raises(ValueError, match="no gated layer 2: the model has 2, 0 to 1"):
        gated_gaze(model, batch, 2)
    with pytest.raises(ValueError, match="no image to look at"):
        gated_gaze(model, batch_of("llama", [shot("red")]))
    assert not any(m._forward_pre_hooks for m in model.modules())


@pytest.mark.parametrize("layer", [0, 1, -1])
def test_latents_read_patches_and_one_another(layer):
    resampler, features = tiny(closed=False).vpg.head, pictures(4)
    weights = resampler_gaze(resampler, features, layer)
    assert weights.shape == (4, HEADS, Q, PATCHES + Q)
    torch.testing.assert_close(weights.sum(-1), torch.ones(4, HEADS, Q))
    held = held_values(resampler.layers[layer].attention)
    with torch.no_grad():
        resampler(features)
    value = held["values"].unflatten(-1, (HEADS, HEAD_DIM)).transpose(1, 2)
    torch.testing.assert_close((weights @ value).transpose(1, 2).flatten(2), held["mixed"])
    patches = on_patches(weights)
    assert patches.shape == (4, HEADS, Q, PATCHES)
    torch.testing.assert_close(patches.sum(-1), torch.ones(4, HEADS, Q))
    torch.testing.assert_close(
        patches[0, 0, 0, 5] / patches[0, 0, 0, 7], weights[0, 0, 0, 5] / weights[0, 0, 0, 7]
    )


def test_what_a_resampler_cannot_show_is_named():
    resampler = tiny().vpg.head
    with pytest.raises(ValueError, match="no block of the resampler -3: the model has 2"):
        resampler_gaze(resampler, pictures(1), -3)
    with pytest.raises(ValueError, match=r"\(1, 2, 36, 16\): give those of images"):
        resampler_gaze(resampler, torch.ones(1, 2, 36, 16))


def test_words_look_through_latents():
    latents = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]])
    words = torch.tensor([[0.5, 0.5], [0.0, 0.0], [0.0, 1.0]])
    found = through_latents(words, latents)
    assert found.tolist() == [[0.5, 0.25, 0.25], [0.0, 0.0, 0.0], [0.0, 0.5, 0.5]]
    with pytest.raises(ValueError, match="Words read 3 latents, and the weights of 2"):
        through_latents(torch.ones(1, 3), latents)
