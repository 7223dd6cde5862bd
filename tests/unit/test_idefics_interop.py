"""Idefics as a Flamingo of ours: the same loss and words from pixels, whatever it is built of."""

import pytest
import torch
from transformers import IdeficsConfig, IdeficsForVisionText2Text

from course_lib.interop import idefics_batch, idefics_from_hf
from course_lib.interop.idefics import GATED_NAMES, copy_renamed
from tests.tiny_models import (
    IMAGE_TOKEN,
    VOCABULARY,
    idefics_perceiver,
    largest_difference,
    randomise,
)

SETTINGS = {
    "one number a gate": {},
    "vectors, norms by head, every second block": {
        "alpha_type": "vector",
        "qk_layer_norms": True,
        "cross_layer_interval": 2,
    },
    "other rotations and epsilon": {
        "rope_parameters": {"rope_type": "default", "rope_theta": 500.0},
        "rms_norm_eps": 1e-3,
    },
}


def idefics(seed=0, **settings):
    config = IdeficsConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=44,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=64,
        **{"use_resampler": True, **settings},
        vision_config={
            "embed_dim": 20,
            "intermediate_size": 24,
            "num_attention_heads": 2,
            "num_hidden_layers": 2,
            "image_size": 16,
            "patch_size": 8,
        },
        perceiver_config=idefics_perceiver(settings.get("qk_layer_norms", False)),
    )
    return randomise(IdeficsForVisionText2Text(config), seed)


def batches(rows=3):
    """Returns a batch of documents with two images each, as ours and as theirs."""
    generator = torch.Generator().manual_seed(rows)
    ids = torch.randint(5, IMAGE_TOKEN, (rows, 11), generator=generator)
    ids[:, 2], ids[:, 6] = IMAGE_TOKEN, IMAGE_TOKEN
    pixels = torch.randn(2 * rows, 3, 16, 16, generator=generator)
    ours = {"input_ids": ids, "pixel_values": pixels, "attention_mask": torch.ones_like(ids)}
    return ours, idefics_batch(ours, IMAGE_TOKEN)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@torch.no_grad()
def test_loss_logits_and_words(settings):
    reference = idefics(**settings)
    model = idefics_from_hf(reference, IMAGE_TOKEN)
    assert not model.training
    ours, theirs = batches()
    labels = {"labels": ours["input_ids"].masked_fill(ours["input_ids"] == IMAGE_TOKEN, -100)}
    assert largest_difference(model.logits(ours), reference(**theirs).logits) < 1e-4
    assert abs(model(ours | labels) - reference(**theirs, **labels).loss) < 1e-5
    reference.generation_config.eos_token_id = None
    expected = reference.generate(**theirs, max_new_tokens=8, do_sample=False)[:, 11:].tolist()
    assert model.generate(ours, 8, eos_token_id=()) == expected
    assert len({word for row in expected for word in row}) > 2
    swapped = {**ours, "pixel_values": ours["pixel_values"].flip(0)}
    assert abs(model(swapped | labels) - model(ours | labels)) > 1e-3


def test_weights_are_copies():
    reference = idefics()
    model = idefics_from_hf(reference, IMAGE_TOKEN)
    theirs = {p.data_ptr() for p in reference.parameters()}
    assert not theirs & {p.data_ptr() for p in model.parameters()}
    norm = reference.model.vision_model.post_layernorm  # for a pooled output that nobody reads
    left_out = sum(p.numel() for p in norm.parameters())
    count = [sum(p.numel() for p in m.parameters()) for m in (model, reference)]
    assert count[0] in (count[1], count[1] - left_out)


@pytest.mark.parametrize(
    "settings",
    [{"use_resampler": False}, {"additional_vocab_size": 2}, {"hidden_act": "gelu"}],
    ids=lambda settings: next(iter(settings)),
)
def test_what_ours_does_not_have_is_refused(settings):
    name, value = next(iter(settings.items()))
    with pytest.raises(ValueError, match=f"{name}={value!r}"):
        idefics_from_hf(idefics(**settings), IMAGE_TOKEN)


def test_a_tag_beyond_the_table_and_a_part_that_does_not_fit_are_refused():
    reference = idefics()
    with pytest.raises(ValueError, match=f"id {VOCABULARY}, the language model knows"):
        idefics_from_hf(reference, VOCABULARY)
    other = idefics_from_hf(idefics(qk_layer_norms=True), IMAGE_TOKEN)
    layer = reference.model.gated_cross_attn_layers[0]
    with pytest.raises(ValueError, match=r"missing: attention\.k_proj\.head_norm\.weight"):
        copy_renamed(layer, other.gated.layers[0], GATED_NAMES)
