"""The Q-Former by itself: who reads whom, proven by perturbation; shapes; errors."""

import pytest
import torch

from course_lib.projector import LinearProjector, MLPProjector
from course_lib.vpg import MultiHeadAttention, QFormer, QFormerConfig, attention_weights, make_mask

Q, T = 4, 5


def build(**changes):
    torch.manual_seed(0)
    sizes = {
        "hidden_size": 16,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "encoder_hidden_size": 12,
        "num_query_tokens": Q,
        "vocab_size": 30,
        "max_position_embeddings": 10,
        "dropout": 0.0,
    }
    model = QFormer(QFormerConfig(**{**sizes, **changes}))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return model.double()


def inputs():
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(3, 6, 12, generator=generator, dtype=torch.float64)
    ids = torch.randint(1, 30, (3, T), generator=generator)
    mask = torch.ones(3, T, dtype=torch.long)
    mask[1, 3:] = 0
    return features, ids, mask


def test_shapes():
    model, (features, ids, mask) = build(), inputs()
    assert model(features).shape == (3, Q, 16)
    assert model(input_ids=ids).shape == (3, T, 16)
    assert model(features, ids, mask).shape == (3, Q + T, 16)
    assert model.decode_text(ids, model.encode_image(features)[1]).shape == (3, T, 16)


@torch.no_grad()
def test_one_pass_under_the_mask_equals_the_passes_of_lavis():
    model, (features, ids, mask) = build(), inputs()
    queries, cache = model.encode_image(features)
    itc = model(features, ids, self_attention_mask=make_mask("itc", Q, mask))
    itg = model(features, ids, self_attention_mask=make_mask("itg", Q, mask))
    torch.testing.assert_close(itc[:, :Q], queries)
    torch.testing.assert_close(itc[:, Q:], model(input_ids=ids, attention_mask=mask))
    torch.testing.assert_close(itg[:, :Q], queries)
    torch.testing.assert_close(itg[:, Q:], model.decode_text(ids, cache, mask))
    itm = model(features, ids, self_attention_mask=make_mask("itm", Q, mask))
    torch.testing.assert_close(itm, model(features, ids, mask))
    assert (itm - itg).abs().max() > 1e-3


@torch.no_grad()
@pytest.mark.parametrize("wanted", [1, Q, Q + 2, Q + T])
def test_positions_that_nobody_reads_change_nothing(wanted):
    model, (features, ids, mask) = build(), inputs()
    whole = model(features, ids, mask)
    torch.testing.assert_close(model(features, ids, mask, num_outputs=wanted), whole[:, :wanted])
    text = model(input_ids=ids, attention_mask=mask)
    few = model(input_ids=ids, attention_mask=mask, num_outputs=1)
    torch.testing.assert_close(few, text[:, :1])


# For each mask: which of (queries, text before t, text from t) change with image, text at t.
EXPECTED = {
    "itc": {"image": (True, False, False), "text": (False, True, True)},
    "itg": {"image": (True, True, True), "text": (False, False, True)},
    "itm": {"image": (True, True, True), "text": (True, True, True)},
}


@pytest.mark.parametrize("mode", EXPECTED)
@torch.no_grad()
def test_masks_by_perturbation(mode):
    model, (features, ids, _) = build(), inputs()
    allowed, place = make_mask(mode, Q, torch.ones_like(ids)), 2
    before = model(features, ids, self_attention_mask=allowed)
    other_ids = ids.clone()
    other_ids[:, place] = (ids[:, place] + 1) % 30
    changes = {"image": (features.flip(1) * 2, ids), "text": (features, other_ids)}
    for what, case in changes.items():
        moved = (model(*case, self_attention_mask=allowed) - before).abs().amax(dim=(0, 2)) > 1e-9
        parts = (moved[:Q], moved[Q : Q + place], moved[Q + place :])
        assert tuple(bool(part.any()) for part in parts) == EXPECTED[mode][what]
        assert all(bool(part.all()) or not bool(part.any()) for part in parts)


def test_padding_is_never_read_and_rows_of_nothing_read_themselves():
    mask = torch.tensor([[1, 1, 0], [0, 0, 0]])
    for mode in EXPECTED:
        allowed = make_mask(mode, 2, mask)
        assert not allowed[0, :4, 4].any()
        assert allowed.any(dim=-1).all()
    with pytest.raises(ValueError, match="'itx'"):
        make_mask("itx", 2, mask)


def test_queries_alone_are_computed_once_until_they_look_without_a_difference():
    model, (features, _, _) = build(), inputs()
    model.eval()
    rows = torch.cat([model(features[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(model(features), rows)
    model(features).square().sum().backward()
    together = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    rows = torch.cat([model(features[i : i + 1]) for i in range(3)])
    rows.square().sum().backward()
    torch.testing.assert_close(together, [p.grad for p in model.parameters() if p.grad is not None])


def test_dropout_differs_between_rows():
    model, (features, _, _) = build(dropout=0.5), inputs()
    model.train()
    same = features[:1].expand(3, -1, -1)
    out = model(same)
    assert not torch.allclose(out[0], out[1])
    model.eval()
    torch.testing.assert_close(model(same)[0], model(same)[1])


def test_initial_values():
    model = QFormer(QFormerConfig(num_hidden_layers=2, vocab_size=100))
    assert model.query_tokens.std().item() == pytest.approx(0.02, rel=0.05)
    assert model.query_tokens.shape == (1, 32, 768)
    layer = model.layers[0]
    assert not torch.equal(layer.query_ffn.up.weight, layer.text_ffn.up.weight)
    model.init_queries_ffn_from_text()
    assert torch.equal(layer.query_ffn.up.weight, layer.text_ffn.up.weight)
    assert layer.cross_attention is not None
    assert model.layers[1].cross_attention is None


def test_the_paper_counts_the_same_parameters():
    """BLIP-2, table 2: 107M trained with OPT-2.7B, 187M (188M in the text) in stage 1."""
    with torch.device("meta"):
        stage2 = QFormer(QFormerConfig(use_text=False))
        stage1 = QFormer(QFormerConfig())
        projector = LinearProjector(768, 2560)
    count = sum(p.numel() for module in (stage2, projector) for p in module.parameters())
    norm = 2 * 1408
    assert count == 105_137_664 + 32 * 768 + norm + 768 * 2560 + 2560
    assert round(count / 1e6) == 107
    assert sum(p.numel() for p in stage1.parameters()) / 1e6 == pytest.approx(185.7, abs=0.1)


def test_errors():
    features, ids, _ = inputs()
    with pytest.raises(ValueError, match="neither"):
        build()()
    with pytest.raises(ValueError, match=r"\(3, 6, 11\).*12"):
        build()(features[..., :11])
    with pytest.raises(ValueError, match=r"11 tokens.*at most 10"):
        build()(input_ids=torch.ones(1, 11, dtype=torch.long))
    with pytest.raises(ValueError, match="use_text"):
        build(use_text=False)(features, ids)
    with pytest.raises(ValueError, match="use_text"):
        build(use_text=False).init_queries_ffn_from_text()
    with pytest.raises(ValueError, match=r"10.*3 equal heads"):
        MultiHeadAttention(10, 10, 3)


@torch.no_grad()
def test_attention_weights_are_those_of_the_fused_kernel():
    torch.manual_seed(0)
    attention = MultiHeadAttention(8, 6, 2).double()
    hidden = torch.randn(2, 3, 8, dtype=torch.float64)
    states = torch.randn(2, 5, 6, dtype=torch.float64)
    mask = torch.rand(2, 1, 3, 5) > 0.3
    mask[..., 0] = True
    weights = attention.weights(hidden, states, mask)
    assert torch.equal(weights > 0, mask.expand(-1, 2, -1, -1))
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, 3, dtype=torch.float64))
    value = attention.project_kv(states)[1]
    mixed = attention.out_proj((weights @ value).transpose(1, 2).flatten(2))
    torch.testing.assert_close(attention(hidden, states, mask), mixed)
    key = torch.zeros(1, 1, 4, 2)
    torch.testing.assert_close(attention_weights(key, key), torch.full((1, 1, 4, 4), 0.25))


def test_projectors():
    visual = torch.randn(2, 3, 8)
    assert LinearProjector(8, 5)(visual).shape == (2, 3, 5)
    assert MLPProjector(8, 5)(visual).shape == (2, 3, 5)
