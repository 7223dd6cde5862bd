"""The perceiver resampler by itself: what it reads, time, sizes, and bad input."""

from dataclasses import replace

import pytest
import torch

from course_lib.vpg.flamingo_blocks import FreeWidthAttention, PreNormFeedForward
from course_lib.vpg.resampler import PerceiverResampler, ResamplerConfig
from tests.tiny_models import randomise

E, Q, N = 12, 3, 7
TINY = ResamplerConfig(
    hidden_size=E,
    num_latents=Q,
    num_hidden_layers=2,
    num_attention_heads=2,
    head_dim=5,
    intermediate_size=20,
    max_frames=4,
)


def build(seed=0, **changes):
    return randomise(PerceiverResampler(replace(TINY, **changes)), seed).double()


def features(*shape, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, E, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("patches", [1, N, 50])
@torch.no_grad()
def test_any_number_of_patches_and_frames_gives_as_many_latents(patches):
    model = build()
    assert model(features(2, patches)).shape == (2, Q, E)
    assert model(features(2, 3, patches)).shape == (2, Q, E)
    assert model(features(2, 9, patches)).shape == (2, Q, E)
    assert model(features(0, patches)).shape == (0, Q, E)


@torch.no_grad()
def test_an_image_is_a_video_of_one_frame():
    model, images = build(), features(2, N)
    torch.testing.assert_close(model(images), model(images[:, None]))
    without = build(max_frames=0)
    torch.testing.assert_close(without(images), without(images[:, None]))
    shifted = images + model.time_embeddings[0]
    for name, value in without.state_dict().items():
        value.copy_(model.state_dict()[name])
    torch.testing.assert_close(model(images), without(shifted))


@torch.no_grad()
def test_the_order_of_patches_is_nothing_and_the_order_of_frames_is_read():
    model, videos = build(), features(2, 3, N)
    torch.testing.assert_close(model(videos.flip(2)), model(videos))
    assert (model(videos.flip(1)) - model(videos)).abs().max() > 1e-2
    model.time_embeddings.zero_()
    torch.testing.assert_close(model(videos.flip(1)), model(videos))


@torch.no_grad()
def test_images_are_read_one_by_one():
    model, images = build(), features(3, N)
    other = images.clone()
    other[1] += features(N, seed=2)
    moved = (model(other) - model(images)).abs().amax(dim=(1, 2)) > 1e-6
    assert moved.tolist() == [False, True, False]


@torch.no_grad()
def test_latents_are_among_what_is_read():
    """Keys and values of [features; x]: with the features' values at zero, x still reads x."""
    model, images = build(num_hidden_layers=1), features(1, N)
    layer = model.layers[0]
    latents = model.latents[None]
    normed = layer.latents_norm(latents)
    read = torch.cat([layer.features_norm(images + model.time_embeddings[0]), normed], dim=1)
    weights = layer.attention.weights(normed, read)
    assert weights.shape == (1, 2, Q, N + Q)
    assert (weights[..., N:].sum(-1) > 0.01).all()
    value = layer.attention.project_kv(read)[1]
    mixed = layer.attention.out_proj((weights @ value).transpose(1, 2).flatten(2))
    expected = latents + mixed
    torch.testing.assert_close(model(images), expected + layer.feed_forward(expected))
    # Wrong in a way that runs: plain cross-attention, which reads the features alone.
    plain = latents + layer.attention(normed, read[:, :N])
    assert (plain + layer.feed_forward(plain) - model(images)).abs().max() > 1e-2


def test_the_residual_takes_the_latents_as_they_are():
    model = build(num_hidden_layers=1)
    with torch.no_grad():
        model.layers[0].attention.out_proj.weight.zero_()
        model.layers[0].feed_forward.down.weight.zero_()
        assert torch.equal(model(features(2, N)), model.latents.expand(2, -1, -1))


def test_time_is_stretched_for_more_frames_than_were_learned():
    model = build()
    learned = model.time_embeddings.detach()
    assert torch.equal(model.times(2), learned[:2])
    assert torch.equal(model.times(4), learned)
    seven = model.times(7)
    torch.testing.assert_close(seven[::2], learned)
    torch.testing.assert_close(seven[1], (learned[0] + learned[1]) / 2)
    assert model.times(30).shape == (30, E)
    model.times(9).sum().backward()
    assert (model.time_embeddings.grad.abs() > 0).all()


def test_gradients_reach_everything():
    model, videos = build(), features(2, 3, N)
    model(videos).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 1e-9, name
    assert (model.time_embeddings.grad[3] == 0).all()


@torch.no_grad()
def test_norms_of_queries_and_keys_work_head_by_head():
    torch.manual_seed(0)
    attention = FreeWidthAttention(8, 6, 2, 3, torch.nn.LayerNorm)
    hidden, states = torch.randn(2, 4, 8), torch.randn(2, 5, 6)
    key, value = attention.project_kv(states)
    torch.testing.assert_close(key.mean(-1), torch.zeros(2, 2, 5), atol=1e-6, rtol=0)
    assert value.mean(-1).abs().max() > 1e-3
    before = attention(hidden, states)
    attention.k_proj.weight[:3] *= 5  # one head's keys, larger: its norm takes that back
    attention.q_proj.weight[3:] *= 3
    torch.testing.assert_close(attention(hidden, states), before, atol=1e-3, rtol=0)
    attention.k_proj.head_norm = attention.q_proj.head_norm = None
    assert (attention(hidden, states) - before).abs().max() > 1e-2


@torch.no_grad()
def test_activations():
    norm = torch.nn.Identity
    hidden = torch.tensor([[[-2.0, 3.0]]])
    expected = {
        "squared_relu": [0.0, 9.0],
        "relu": [0.0, 3.0],
        "gelu": torch.nn.functional.gelu(hidden[0, 0]).tolist(),
        "swiglu": (torch.nn.functional.silu(hidden) * hidden)[0, 0].tolist(),
    }
    for name, values in expected.items():
        block = PreNormFeedForward(2, 2, name, lambda width: norm())
        for linear in (block.up, block.down, block.gate):
            if linear is not None:
                linear.weight.copy_(torch.eye(2))
        assert block(hidden)[0, 0].tolist() == pytest.approx(values), name


def count(config):
    with torch.device("meta"):
        return sum(p.numel() for p in PerceiverResampler(config).parameters())


def test_parameters_counted():
    """170M from the paper's sizes, which prints 194M; 63.0M in OpenFlamingo."""
    width, inner = 1536, 16 * 96
    layer = 4 * width * inner + 2 * 4 * width * width + 3 * 2 * width
    assert count(ResamplerConfig()) == 6 * layer + (64 + 8) * width
    assert round(count(ResamplerConfig()) / 1e6) == 170
    layer = 4 * 1024 * 512 + 8 * 1024 * 1024 + 3 * 2 * 1024
    assert count(ResamplerConfig.open_flamingo()) == 6 * layer + 64 * 1024 + 2 * 1024
    assert round(count(ResamplerConfig.open_flamingo()) / 1e5) == 630


def test_errors():
    with pytest.raises(ValueError, match=r"\(2, 7, 11\).*12"):
        build()(features(2, N)[..., :11])
    with pytest.raises(ValueError, match=r"\(7, 12\)"):
        build()(features(N))
    with pytest.raises(ValueError, match=r"3 frames.*max_frames=0"):
        build(max_frames=0)(features(1, 3, N))
    with pytest.raises(ValueError, match="0 frames"):
        build()(features(1, 0, N))
    with pytest.raises(ValueError, match=r"'tanh'.*'squared_relu'"):
        PerceiverResampler(replace(TINY, activation="tanh"))
