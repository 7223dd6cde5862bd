"""The abstractor by itself: its equations step by step, who reads whom, sizes, start, errors."""

import pytest
import torch
from torch.nn import functional as F

from course_lib.backbones.normed_vision import NormedVisionEncoder
from course_lib.backbones.vision import VisionEncoder
from course_lib.vpg.abstractor import Abstractor, AbstractorConfig, EndTokenProjector
from course_lib.vpg.abstractor_layer import GatedFeedForward
from tests.tiny_models import clip_vision, randomise

Q, WIDTH = 4, 12


def build(**changes) -> Abstractor:
    sizes = {
        "hidden_size": WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 20,
        "num_query_tokens": Q,
    }
    return randomise(Abstractor(AbstractorConfig(**{**sizes, **changes})), 1).double()


def features(images: int = 3, tokens: int = 6) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return 2 * torch.randn(images, tokens, WIDTH, generator=generator, dtype=torch.float64)


def one_layer_by_hand(layer, queries, image):
    """One image, one head after the other, in the letters of the released code's equations."""
    q, v = layer.query_norm(queries), layer.image_norm(image)
    read = torch.cat([q, v])
    attention, mixed = layer.attention, []
    width = WIDTH // attention.num_heads
    for head in range(attention.num_heads):
        rows = slice(head * width, (head + 1) * width)
        query, key, value = (
            F.linear(states, linear.weight[rows], linear.bias[rows])
            for states, linear in (
                (q, attention.q_proj),
                (read, attention.k_proj),
                (read, attention.v_proj),
            )
        )
        mixed.append((query @ key.T / width**0.5).softmax(dim=-1) @ value)
    u = q + attention.out_proj(torch.cat(mixed, dim=-1))
    n, ffn = layer.ffn_norm(u), layer.ffn
    return u + ffn.down_proj(ffn.norm(F.silu(ffn.gate_proj(n)) * ffn.up_proj(n)))


@torch.no_grad()
def test_every_layer_is_its_equations():
    model, image = build(), features()
    for row, output in zip(image, model(image), strict=True):
        hidden = model.query_tokens[0]
        for layer in model.layers:
            hidden = one_layer_by_hand(layer, hidden, row)
        torch.testing.assert_close(output, hidden)


@torch.no_grad()
def test_queries_read_queries_and_every_token_but_no_other_image():
    model, image = build(), features()
    before = model(image)
    for token in range(image.shape[1]):
        other = image.clone()
        other[1, token] = -other[1, token]
        moved = (model(other) - before).abs().amax(dim=-1) > 1e-9
        assert moved[1].all() and not moved[0].any() and not moved[2].any()
    model.query_tokens[0, 0] += torch.arange(float(WIDTH))
    assert ((model(image) - before).abs().amax(dim=-1) > 1e-9).all()


@torch.no_grad()
def test_tokens_have_no_order_of_their_own():
    model, image = build(), features()
    torch.testing.assert_close(model(image.flip(1)), model(image))


@torch.no_grad()
def test_the_raw_query_never_passes_a_layer():
    """The residual starts behind the norm, so scaling all queries changes next to nothing."""
    model, image = build(layer_norm_eps=1e-12), features()
    before = model(image)
    model.query_tokens.mul_(7.0)
    torch.testing.assert_close(model(image), before)


@torch.no_grad()
def test_weights_are_those_of_the_layer():
    model, image = build(), features()
    layer, queries = model.layers[0], model.query_tokens.expand(3, -1, -1)
    weights = layer.weights(queries, image)
    assert weights.shape == (3, 3, Q, Q + 6)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 3, Q, dtype=torch.float64))
    normed, read = layer.normed(queries, image)
    value = layer.attention.project_kv(read)[1]
    mixed = layer.attention.out_proj((weights @ value).transpose(1, 2).flatten(2))
    hidden = normed + mixed
    torch.testing.assert_close(layer(queries, image), hidden + layer.ffn(layer.ffn_norm(hidden)))


def test_the_norm_inside_the_ffn_has_its_own_epsilon():
    model = Abstractor(AbstractorConfig(num_hidden_layers=1))
    layer = model.layers[0]
    norms = (layer.query_norm, layer.image_norm, layer.ffn_norm, layer.ffn.norm)
    assert [norm.eps for norm in norms] == [1e-5, 1e-5, 1e-5, 1e-6]
    tiny = 1e-3 * torch.randn(2, 8)
    torch.manual_seed(0)
    ffns = [GatedFeedForward(8, 16, eps) for eps in (1e-6, 1e-5)]
    ffns[1].load_state_dict(ffns[0].state_dict())
    assert (ffns[0](tiny) - ffns[1](tiny)).abs().max() > 1e-3


def test_initial_values():
    torch.manual_seed(0)
    model = Abstractor(AbstractorConfig(num_hidden_layers=1))
    assert model.query_tokens.shape == (1, 64, 1024)
    assert model.query_tokens.std().item() == pytest.approx(0.02, rel=0.05)
    assert model.layers[0].ffn.down_proj.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not model.layers[0].attention.q_proj.bias.any()
    projector = EndTokenProjector(1024, 512)
    assert projector.end_token.std().item() == pytest.approx(0.02, rel=0.2)


def test_queries_of_zero_are_all_one_query():
    """So they start in the released code, with far larger gradients."""
    torch.manual_seed(0)
    model, image = Abstractor(build().config).double().eval(), features()
    norms = []
    for start in (torch.zeros_like(model.query_tokens), model.query_tokens.detach().clone()):
        model.query_tokens.data.copy_(start)
        outputs = model(image)
        norms.append(torch.autograd.grad(outputs.square().sum(), model.query_tokens)[0].norm())
        if not start.any():
            torch.testing.assert_close(outputs, outputs[:, :1].expand_as(outputs))
    assert norms[0] > 5 * norms[1] > 0


@torch.no_grad()
def test_the_end_token_stands_behind_every_image():
    projector = randomise(EndTokenProjector(WIDTH, 5), 3)
    visual = torch.randn(2, Q, WIDTH)
    out = projector(visual)
    assert out.shape == (2, Q + 1, 5)
    torch.testing.assert_close(out[:, :Q], visual @ projector.weight.T + projector.bias)
    assert torch.equal(out[:, Q], projector.end_token[0].expand(2, -1))
    assert projector(visual[:0]).shape == (0, Q + 1, 5)


def test_counts_of_the_released_weights():
    with torch.device("meta"):
        head, projector = Abstractor(AbstractorConfig()), EndTokenProjector(1024, 4096)
        wide = Abstractor(AbstractorConfig(intermediate_size=4096))
    count = sum(p.numel() for module in (head, projector) for p in module.parameters())
    assert count == 81_473_536
    assert sum(p.numel() for p in head.layers[0].parameters()) == 12_867_584
    assert projector(head(torch.empty(2, 257, 1024, device="meta"))).shape == (2, 65, 4096)
    other = sum(p.numel() for module in (wide.layers, projector) for p in module.parameters())
    assert other == 105_031_680


@torch.no_grad()
def test_the_encoder_norms_every_token_of_its_last_block():
    clip = clip_vision(seed=4)
    pixels = torch.randn(2, 3, 16, 16)
    encoder, plain = NormedVisionEncoder(clip), VisionEncoder(clip, layer=-1)
    theirs = clip(pixels)
    torch.testing.assert_close(encoder(pixels), clip.post_layernorm(theirs.last_hidden_state))
    torch.testing.assert_close(encoder(pixels)[:, 0], theirs.pooler_output)
    assert (encoder(pixels) - plain(pixels)).abs().max() > 0.1
    assert encoder.num_tokens == 5 and encoder.hidden_size == 16
    assert encoder.fingerprint() != plain.fingerprint()


def test_errors():
    with pytest.raises(ValueError, match=r"\(3, 6, 11\).*tokens, 12"):
        build()(features()[..., :11])
    with pytest.raises(ValueError, match=r"\(6, 12\)"):
        build()(features()[0])
    with pytest.raises(ValueError, match=r"12.*5 equal heads"):
        build(num_attention_heads=5)
