"""Flamingo <-> Idefics in transformers, and stored outputs of OpenFlamingo; gates are not zero."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from transformers import IdeficsConfig, IdeficsForVisionText2Text, LlamaForCausalLM
from transformers.models.idefics import processing_idefics as processing
from transformers.models.idefics.modeling_idefics import IdeficsGatedCrossAttentionLayer
from transformers.models.idefics.perceiver import IdeficsPerceiverResampler

from course_lib.fusion.cross_attention import GatedCrossAttention
from course_lib.fusion.gated_layers import GatedLayers
from course_lib.fusion.shown_images import image_index, readable_images
from course_lib.interop.idefics import (
    GATED_NAMES,
    RESAMPLER_NAMES,
    copy_renamed,
    gated_config,
    idefics_from_hf,
    resampler_config,
)
from course_lib.interop.open_flamingo import load_open_flamingo
from course_lib.teach.released_flamingo import CASES, released_flamingo
from course_lib.vpg.resampler import PerceiverResampler
from tests.tiny_models import (
    IMAGE_TOKEN,
    VOCABULARY,
    idefics_perceiver,
    largest_difference,
    randomise,
)

# The gated layers of Idefics take mean and softmax in float32 in any case.
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}


def copied(theirs, ours, names):
    """Copies every tensor, none left out and none left over."""
    copy_renamed(theirs, ours, names)
    return ours.eval()


def random_tensor(seed, *shape):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def idefics_config(seed, qk_norm=False, vector=False, attention="eager"):
    width = (24, 32, 40)[seed % 3]
    config = IdeficsConfig(
        vocab_size=VOCABULARY,
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=4,
        num_attention_heads=4,
        cross_layer_interval=2,
        qk_layer_norms=qk_norm,
        alpha_type="vector" if vector else "float",
        use_resampler=True,
        vision_config={"embed_dim": 20, "intermediate_size": 40, "num_attention_heads": 2},
        perceiver_config=idefics_perceiver(qk_norm),
    )
    config._attn_implementation = attention
    return config


def our_resampler(qk_norm=False, **changes):
    return PerceiverResampler(replace(resampler_config(idefics_config(1, qk_norm)), **changes))


def our_config(theirs, **changes):
    return replace(gated_config(theirs), **changes)


def idefics_resampler(seed, qk_norm):
    sizes = {"embed_dim": 20, "depth": 2, "n_heads": 3, "head_dim": 6, "n_latents": 3}
    return randomise(IdeficsPerceiverResampler(idefics_config(seed, qk_norm), **sizes), seed)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("qk_norm", [False, True])
@pytest.mark.parametrize("seed", (1, 2, 3))
@torch.no_grad()
def test_resampler_of_idefics(seed, qk_norm, dtype, agree):
    theirs = idefics_resampler(seed, qk_norm).to(dtype)
    ours = copied(theirs, our_resampler(qk_norm), RESAMPLER_NAMES)
    features = random_tensor(seed, 4, 7, 20).to(dtype)
    agree(ours(features), theirs(features), TOLERANCE[dtype])


def gated_inputs(seed, width):
    """Returns states, visual tokens of 3 images a text, and who reads which."""
    hidden = 0.5 * random_tensor(seed, 2, 9, width).float()
    visual = random_tensor(seed + 10, 2, 3, 5, 20).float()
    index = torch.tensor([[0, 0, 1, 1, 2, 3, 3, 3, 3], [1, 1, 1, 2, 2, 2, 2, 2, 2]])
    allowed = readable_images(index, 3, "last").repeat_interleave(5, -1)
    return hidden, visual, allowed


def idefics_gated(theirs, hidden, visual, allowed):
    low = torch.finfo(hidden.dtype).min
    mask = torch.where(allowed[:, None], torch.tensor(0.0, dtype=hidden.dtype), low)
    return theirs(
        hidden,
        image_hidden_states=visual.flatten(1, 2),
        image_attention_mask=mask,
        cross_attention_gate=allowed.any(-1).to(hidden.dtype),
    )


def ours_gated(ours, hidden, visual, allowed):
    return ours(hidden, ours.project_visual(visual.flatten(1, 2)), allowed[:, None])


@pytest.mark.parametrize("qk_norm", [False, True])
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("seed", (1, 2, 3))
def test_gated_layer_of_idefics_and_its_gradients(seed, attention, qk_norm, agree):
    config = idefics_config(seed, qk_norm, vector=seed == 2, attention=attention)
    theirs = randomise(IdeficsGatedCrossAttentionLayer(config, layer_idx=0), seed)
    ours = copied(theirs, GatedCrossAttention(our_config(config)), GATED_NAMES)
    hidden, visual, allowed = gated_inputs(seed, config.hidden_size)
    visual.requires_grad_()
    assert theirs.alpha_cross_attn.abs().max() > 0.05
    own = ours_gated(ours, hidden, visual, allowed)
    reference = idefics_gated(theirs, hidden, visual, allowed)
    agree(own.detach(), reference.detach(), 1e-5)
    weight = random_tensor(seed + 20, *own.shape).float()
    mine = torch.autograd.grad((own * weight).sum(), (visual, ours.attention_gate))
    expected = torch.autograd.grad((reference * weight).sum(), (visual, theirs.alpha_cross_attn))
    for gradient, their_gradient in zip(mine, expected, strict=True):
        agree(gradient, their_gradient.flatten().view(gradient.shape), 1e-5)


MUTATIONS = {
    "heads": {"num_attention_heads": 2, "head_dim": 12},
    "epsilon": {"norm_eps": 1e-3},
    "first heads": {"num_attention_heads": 8, "head_dim": 3},
}


@pytest.mark.parametrize("change", MUTATIONS.values(), ids=MUTATIONS)
@torch.no_grad()
def test_gated_mutations_are_seen(change):
    config = idefics_config(3)
    theirs = randomise(IdeficsGatedCrossAttentionLayer(config, layer_idx=0), 3)
    inputs = gated_inputs(3, config.hidden_size)
    ours = copied(theirs, GatedCrossAttention(our_config(config, **change)), GATED_NAMES)
    assert largest_difference(ours_gated(ours, *inputs), idefics_gated(theirs, *inputs)) > 1e-4


@torch.no_grad()
def test_mutations_of_gate_and_feed_forward_are_seen(monkeypatch):
    config = idefics_config(3)
    theirs = randomise(IdeficsGatedCrossAttentionLayer(config, layer_idx=0), 3)
    inputs = gated_inputs(3, config.hidden_size)
    reference = idefics_gated(theirs, *inputs)
    ours = copied(theirs, GatedCrossAttention(our_config(config)), GATED_NAMES)
    ours.feed_forward.activation = nn.functional.gelu
    assert largest_difference(ours_gated(ours, *inputs), reference) > 1e-4
    ours.feed_forward.activation = nn.functional.silu
    assert largest_difference(ours_gated(ours, *inputs), reference) < 1e-5
    hidden, visual, allowed = inputs
    shifted = torch.cat([torch.zeros_like(allowed[:, :1]), allowed[:, :-1]], dim=1)
    assert largest_difference(ours_gated(ours, hidden, visual, shifted), reference) > 1e-3
    monkeypatch.setattr(torch.Tensor, "tanh", lambda gate: gate)
    assert largest_difference(ours_gated(ours, *inputs), reference) > 1e-4


@pytest.mark.parametrize(
    "change", [{"num_attention_heads": 2, "head_dim": 9}, {"layer_norm_eps": 1e-3}]
)
@torch.no_grad()
def test_resampler_mutations_are_seen(change):
    theirs, features = idefics_resampler(1, False), random_tensor(1, 4, 7, 20).float()
    ours = copied(theirs, our_resampler(**change), RESAMPLER_NAMES)
    assert largest_difference(ours(features), theirs(features)) > 1e-4


def processor_mask(ids):
    """Returns the (B, T, I) mask that Idefics' processor makes."""
    tokenizer = SimpleNamespace(convert_tokens_to_ids=lambda _: IMAGE_TOKEN, eos_token_id=2)
    numbers, _ = processing.image_attention_mask_for_packed_input_ids(ids, tokenizer, "pt")
    images = int((ids == IMAGE_TOKEN).sum(1).max())
    return processing.incremental_to_binary_attention_mask(numbers, "pt", num_classes=images)


DOCUMENTS = ["..I..I..", "I......I", "...II...", "........"]


def words(documents):
    locations = torch.tensor([[letter == "I" for letter in text] for text in documents])
    ids = torch.arange(locations.numel()).view(locations.shape) % 80 + 5
    return ids.masked_fill(locations, IMAGE_TOKEN), locations


def test_the_processor_of_idefics_lets_tokens_read_the_same_images():
    ids, locations = words(DOCUMENTS)
    own = readable_images(image_index(locations), 2, "last")
    assert torch.equal(own, processor_mask(ids).bool())
    packed = ids.clone()
    packed[0, 3] = 2  # a document ends: Idefics forgets its image, ours goes on with it
    assert not torch.equal(own, processor_mask(packed).bool())


@torch.no_grad()
def test_whole_idefics_is_llama_with_gated_layers(agree):
    """Logits of LLaMA with our layers hooked in, our resampler, our masks."""
    config = idefics_config(1, qk_norm=True)
    theirs = randomise(IdeficsForVisionText2Text(config), 1)
    ours = idefics_from_hf(theirs, IMAGE_TOKEN)
    llama, resampler, layers = ours.language.model, ours.vpg.head, ours.gated
    assert type(llama) is LlamaForCausalLM
    ids, locations = words(DOCUMENTS)
    features = random_tensor(5, 4, 2, 7, 20).float()
    expected = theirs(
        input_ids=ids,
        image_encoder_embeddings=features,
        image_attention_mask=processor_mask(ids),
    ).logits
    shown = torch.cat([row[:count] for row, count in zip(features, locations.sum(1), strict=True)])
    with layers.install(llama), layers.show(resampler(shown), locations):
        agree(llama(ids).logits, expected, 1e-5)
    with layers.install(llama), layers.show(resampler(shown.flip(0)), locations):
        assert largest_difference(llama(ids).logits, expected) > 1e-3
    assert largest_difference(llama(ids).logits, expected) > 1e-3


def open_flamingo(case, resampler_changes=None, gated_changes=None):
    """Reads the two stored modules of a case as one checkpoint, each with its data."""
    stored = released_flamingo(case)
    resampler = PerceiverResampler(replace(stored.resampler, **resampler_changes or {}))
    layers = GatedLayers(replace(stored.gated, **gated_changes or {}), 1)
    load_open_flamingo(stored.tensors, resampler, layers)
    resampled, read = SimpleNamespace(**stored.resampled), SimpleNamespace(**stored.read)
    return resampler.eval(), resampled, layers.eval(), read


def resample(resampler, stored):
    batch, images = stored.input.shape[:2]
    return resampler(stored.input.flatten(0, 1)).unflatten(0, (batch, images))


def run_gated(layers, stored, locations=None):
    locations = stored.media_locations if locations is None else locations
    layers.show(stored.media.flatten(0, 1), locations)
    return layers.run(0, stored.input)


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_resampler_of_open_flamingo(case, agree):
    resampler, stored, _, _ = open_flamingo(case)
    agree(resample(resampler, stored), stored.output, 1e-5)


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_gated_layer_of_open_flamingo(case, agree):
    """Where a token reads an image; in the mode "all" the others are the next test's."""
    _, _, layers, stored = open_flamingo(case)
    assert layers.gate_values().min() > 0.05
    sees = image_index(stored.media_locations) > 0
    assert int((~sees).sum()) == 2
    if case == "image":
        sees |= True
    agree(run_gated(layers, stored)[sees], stored.output[sees], 1e-5)


@torch.no_grad()
def test_open_flamingo_with_all_images_shows_text_before_the_first_the_mean_of_every_one(agree):
    """Its softmax over nothing is uniform, images to come included; ours reads nothing there."""
    _, _, layers, stored = open_flamingo("video")
    blind = image_index(stored.media_locations) == 0
    own = run_gated(layers, stored)
    layer = layers.layers[0]
    assert torch.equal(own[blind], layer(stored.input)[blind])
    assert largest_difference(own[blind], stored.output[blind]) > 1e-2
    value = layer.project_visual(stored.media.flatten(1, 2))[1]
    mean = layer.attention.out_proj(value.mean(dim=2).flatten(1))[:, None]
    states = stored.input + layer.attention_gate.tanh() * mean
    states = states + layer.feed_forward_gate.tanh() * layer.feed_forward(states)
    agree(states[blind], stored.output[blind], 1e-5)


RESAMPLER_CHANGES = {
    "heads": {"num_attention_heads": 2, "head_dim": 16},
    "squared ReLU": {"activation": "squared_relu"},
    "epsilon": {"layer_norm_eps": 1e-3},
}


@pytest.mark.parametrize("change", RESAMPLER_CHANGES.values(), ids=RESAMPLER_CHANGES)
@torch.no_grad()
def test_mutations_of_the_resampler_of_open_flamingo(change):
    resampler, stored, _, _ = open_flamingo("image", resampler_changes=change)
    assert largest_difference(resample(resampler, stored), stored.output) > 1e-4


@torch.no_grad()
def test_mutations_of_time_and_residual_of_open_flamingo():
    resampler, stored, _, _ = open_flamingo("video")
    resampler.time_embeddings.copy_(resampler.time_embeddings.roll(1, 0))
    assert largest_difference(resample(resampler, stored), stored.output) > 1e-3
    resampler, stored, _, _ = open_flamingo("image")
    for layer in resampler.layers:  # the residual takes the normed latents
        layer.forward = lambda x, f, layer=layer: (
            type(layer).forward(layer, x, f) - x + layer.latents_norm(x)
        )
    assert largest_difference(resample(resampler, stored), stored.output) > 1e-3


GATED_CHANGES = {
    "heads": {"num_attention_heads": 8, "head_dim": 4},
    "squared ReLU": {"activation": "squared_relu"},
    "epsilon": {"norm_eps": 1e-3},
    "all images": {"reads": "all"},
}


@pytest.mark.parametrize("change", GATED_CHANGES.values(), ids=GATED_CHANGES)
@torch.no_grad()
def test_mutations_of_the_gated_layer_of_open_flamingo(change):
    _, _, layers, stored = open_flamingo("image", gated_changes=change)
    assert largest_difference(run_gated(layers, stored), stored.output) > 1e-4


@torch.no_grad()
def test_a_tag_reads_its_own_image_in_open_flamingo():
    """Wrong in a way that runs: the tag still reads the image before it."""
    _, _, layers, stored = open_flamingo("image")
    late = stored.media_locations.roll(1, 1)
    assert largest_difference(run_gated(layers, stored, late), stored.output) > 1e-3
