"""Stage 1: the three losses, their parts, hard negatives, and that they can be learned."""

import pytest
import torch
from torch.nn import functional as F

from course_lib.backbones import VisionEncoder
from course_lib.recipes.blip2_stage1 import LOSSES, QFormerPretraining
from course_lib.vlm import VPG
from course_lib.vpg import QFormer, QFormerConfig, make_mask
from tests.tiny_models import clip_vision, randomise

CLS, DEC, Q = 1, 4, 3


def build(losses=LOSSES, use_text=True, seed=0):
    config = QFormerConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        encoder_hidden_size=16,
        num_query_tokens=Q,
        vocab_size=30,
        max_position_embeddings=12,
        dropout=0.0,
        use_text=use_text,
    )
    torch.manual_seed(seed)
    vpg = VPG(VisionEncoder(clip_vision()), QFormer(config))
    return QFormerPretraining(vpg, DEC, shared_size=8, losses=losses)


def batch_of(pairs=4):
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, 30, (pairs, 6), generator=generator)
    ids[:, 0] = CLS
    mask = torch.ones_like(ids)
    mask[0, 4:] = 0
    pixels = torch.randn(pairs, 3, 16, 16, generator=generator)
    return {"pixel_values": pixels, "input_ids": ids, "attention_mask": mask}


@pytest.mark.parametrize("losses", [LOSSES, ("itc",), ("itm",), ("itg",), ("itc", "itm")])
def test_the_sum_of_the_chosen_losses(losses):
    loss, parts = build(losses)(batch_of())
    assert set(parts) == set(losses)
    torch.testing.assert_close(loss, sum(parts.values()))


def test_every_trained_parameter_gets_a_gradient():
    model = build()
    model.vpg.encoder.requires_grad_(False)
    model(batch_of())[0].backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == name.startswith("vpg.encoder"), name


@torch.no_grad()
def test_losses_from_their_definitions():
    model, batch = randomise(build(), 3), batch_of()
    model.heads.temperature.fill_(0.5)
    ids, mask = batch["input_ids"], batch["attention_mask"]
    model.generator = torch.Generator().manual_seed(5)
    _, parts = model(batch)
    sim, own = model.similarity(batch) / 0.5, torch.arange(4)
    itc = (F.cross_entropy(sim, own, label_smoothing=0.1)) / 2
    itc += F.cross_entropy(sim.T, own, label_smoothing=0.1) / 2
    torch.testing.assert_close(parts["itc"], itc)
    features = model.vpg.encoder(batch["pixel_values"])
    written = torch.cat([torch.full((4, 1), DEC), ids[:, 1:]], dim=1)
    joint = model.qformer(features, written, self_attention_mask=make_mask("itg", Q, mask))
    labels = ids.masked_fill(mask == 0, -100)[:, 1:].flatten()
    logits = model.lm_head(joint[:, Q:-1].flatten(0, 1))
    itg = F.cross_entropy(logits, labels, label_smoothing=0.1)
    torch.testing.assert_close(parts["itg"], itg)


@torch.no_grad()
def test_matching_sees_right_pairs_first_and_wrong_ones_after():
    model, batch, seen = build(), batch_of(), []
    original = model._match
    model._match = lambda *inputs: seen.append(inputs) or original(*inputs)
    model(batch)
    features, ids, mask = seen[0]
    assert len(features) == len(ids) == len(mask) == 12
    own = model.vpg.encoder(batch["pixel_values"])
    assert torch.equal(features[:4], own)
    assert torch.equal(features[8:], own)
    assert torch.equal(ids[4:8], batch["input_ids"])
    assert not any(torch.equal(features[4 + i], own[i]) for i in range(4))
    assert not any(torch.equal(ids[8 + i], batch["input_ids"][i]) for i in range(4))


def test_a_generator_makes_the_negatives_repeatable():
    model, batch = randomise(build(("itm",)), 1), batch_of()
    values = []
    for _ in range(2):
        model.generator = torch.Generator().manual_seed(3)
        values.append(model(batch)[0].item())
    assert values[0] == values[1]


def test_the_sum_falls_when_trained():
    model, batch = build(), batch_of()
    features = 3 * torch.randn(4, 5, 16, generator=torch.Generator().manual_seed(1))
    batch = {**batch, "image_features": features}
    del batch["pixel_values"]
    optimizer = torch.optim.AdamW([*model.qformer.parameters(), *model.heads.parameters()], 1e-2)
    model.generator = torch.Generator().manual_seed(0)
    first = model(batch)[0].item()
    for _ in range(40):
        loss, _ = model(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.6 * first


@torch.no_grad()
def test_scores_for_retrieval():
    model, batch = build(), batch_of()
    more_texts = {**batch, "pixel_values": batch["pixel_values"][:2]}
    assert model.similarity(more_texts).shape == (2, 4)
    assert model.similarity(batch).abs().max() <= 1
    assert model.itm_logits(batch).shape == (4, 2)
    features = model.vpg.encoder(batch["pixel_values"])
    cached = {**batch, "image_features": features}
    del cached["pixel_values"]
    assert torch.equal(model.similarity(cached), model.similarity(batch))


def test_errors():
    with pytest.raises(ValueError, match="use_text=True"):
        build(use_text=False)
    with pytest.raises(ValueError, match="'itx'"):
        build(("itc", "itx"))
    model, batch = build(), batch_of()
    with pytest.raises(ValueError, match="2 images and 4 texts"):
        model({**batch, "pixel_values": batch["pixel_values"][:2]})
    with pytest.raises(ValueError, match="batch of 1"):
        model({key: value[:1] for key, value in batch.items()})
    with pytest.raises(ValueError, match="pad on the right"):
        model({**batch, "attention_mask": batch["attention_mask"].flip(1)})
