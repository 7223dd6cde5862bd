"""Packed rows: every row is somewhere, none sees another, and the loss is that of rows apart."""

import random

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_lib.backbones.language import LanguageModel
from course_lib.data.conversation_batch import Row, rows_batch
from course_lib.data.packing import filled, isolation, pack_rows, packed_batch
from course_lib.losses.lm import IGNORE
from course_lib.packed_vlm import PackedVLM
from course_lib.training.throughput import count_items
from course_lib.vlm import VLM, VPG
from tests.tiny_models import IMAGE_TOKEN, language_model, text_config

KINDS = ("llama", "opt")
Q, E, PAD = 3, 5, 1


def rows_of(lengths, images=(), seed=0):
    """Rows of random words; about half of them are labelled, the first one always."""
    draw = random.Random(seed)
    rows = []
    for number, length in enumerate(lengths):
        ids = [draw.randrange(3, IMAGE_TOKEN) for _ in range(length)]
        labels = [word if place == 0 or draw.random() < 0.5 else IGNORE
                  for place, word in enumerate(ids)]  # fmt: skip
        shown = images[number] if number < len(images) else 0
        for image in range(shown):
            start = 2 + image * (Q + 1)
            ids[start : start + Q] = [IMAGE_TOKEN] * Q
            labels[start : start + Q] = [IGNORE] * Q
        rows.append(Row(ids, labels, tuple(f"{number}-{image}" for image in range(shown))))
    return rows


def model_of(kind, attention="sdpa"):
    model = language_model(kind)
    model.set_attn_implementation(attention)
    return model


def second_moves(model, **how):
    """Returns how far the logits of the second document move when the first is another."""
    first, second = [3, 4, 5, 6, 7], [8, 9, 10, 11]
    other = [20, 21, 22, 23, 24]
    with torch.no_grad():
        logits = [
            model(input_ids=torch.tensor([words + second]), **how).logits[0, len(first) :]
            for words in (first, other)
        ]
    return float((logits[0] - logits[1]).abs().max())


RESTARTING = torch.tensor([[0, 1, 2, 3, 4, 0, 1, 2, 3]])
DOCUMENTS = torch.tensor([[1] * 5 + [2] * 4])


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", KINDS)
def test_documents_leak_by_default_and_not_through_our_mask(kind, attention):
    model = model_of(kind, attention)
    ones = torch.ones_like(RESTARTING)
    assert second_moves(model) > 0.01
    assert second_moves(model, attention_mask=ones) > 0.01
    assert second_moves(model, attention_mask=ones, position_ids=RESTARTING) > 0.01
    # Positions that restart, without a mask: the cache that is on by default lets all through.
    assert second_moves(model, position_ids=RESTARTING) > 0.01
    left = second_moves(model, position_ids=RESTARTING, use_cache=False)
    assert (left > 0.01) if kind == "opt" else (left == 0.0)
    ours = {"attention_mask": isolation(DOCUMENTS), "position_ids": RESTARTING}
    assert second_moves(model, **ours) == 0.0
    assert second_moves(model, **ours, use_cache=False) == 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_logits_and_loss_of_packs_are_those_of_the_rows_apart(kind):
    model = model_of(kind)
    rows = rows_of([9, 4, 6, 3, 11, 5])
    packs = pack_rows(rows, 16)
    batch = packed_batch(packs, PAD)
    with torch.no_grad():
        given = {"attention_mask": isolation(batch["documents"]), "use_cache": False}
        given["position_ids"] = batch["position_ids"]
        packed = model(input_ids=batch["input_ids"], labels=batch["labels"], **given)
        apart = rows_batch(rows, PAD)
        whole = model(**apart)
        assert packed.loss.item() == pytest.approx(whole.loss.item(), abs=1e-5)
        for index, pack in enumerate(packs):
            start = 0
            for row in pack:
                alone = model(input_ids=torch.tensor([row.ids])).logits[0]
                found = packed.logits[index, start : start + len(row.ids)]
                assert (found - alone).abs().max() < 1e-5
                start += len(row.ids)
    # The mean over all labelled words, computed by hand from rows alone.
    losses = [
        F.cross_entropy(
            model(input_ids=torch.tensor([row.ids])).logits[0, :-1],
            torch.tensor(row.labels[1:]),
            reduction="sum",
        )
        for row in rows
    ]
    words = sum(label != IGNORE for row in rows for label in row.labels[1:])
    assert packed.loss.item() == pytest.approx(sum(losses).item() / words, abs=1e-5)
    # With the leak it is another loss: the comparison sees a difference.
    leaking = model(input_ids=batch["input_ids"], labels=batch["labels"])
    assert abs(leaking.loss.item() - whole.loss.item()) > 1e-3


def vlm_of(kind, packed=True):
    torch.manual_seed(3)
    language = LanguageModel(language_model(kind))
    projector = nn.Linear(E, language.hidden_size)
    made = (VPG(None, nn.Identity()), projector, language, IMAGE_TOKEN)
    return PackedVLM(*made) if packed else VLM(*made)


def read_images(names):
    """Features that depend on the name alone."""
    made = []
    for name in names:
        row, image = map(int, name.split("-"))
        made.append(torch.randn(Q, E, generator=torch.Generator().manual_seed(10 * row + image)))
    return {"image_features": torch.stack(made)}


@pytest.mark.parametrize("kind", KINDS)
def test_images_travel_with_their_rows(kind):
    rows = rows_of([12, 7, 15, 6, 9], images=[1, 0, 2, 1, 0])
    packs = pack_rows(rows, 24)
    batch = packed_batch(packs, PAD, read_images)
    names = [name for pack in packs for row in pack for name in row.images]
    assert names == ["2-0", "2-1", "0-0", "3-0"]  # the longest row first
    model, plain = vlm_of(kind), vlm_of(kind, packed=False)
    plain.load_state_dict(model.state_dict())
    apart = rows_batch(rows, PAD, read_images)
    losses = [model(batch), plain(apart)]
    assert losses[0].item() == pytest.approx(losses[1].item(), abs=1e-5)
    gradients = [torch.autograd.grad(loss, m.projector.weight)[0]
                 for loss, m in zip(losses, (model, plain), strict=True)]  # fmt: skip
    assert (gradients[0] - gradients[1]).norm() < 1e-5 * gradients[1].norm()
    assert torch.equal(model(apart), losses[1])  # what is not packed goes the usual way
    # Another image moves its own document's logits and no other's.
    before = model.logits(batch)
    changed = {**batch, "image_features": batch["image_features"].clone()}
    changed["image_features"][names.index("0-0")] += 1
    moved = (model.logits(changed) - before).abs().amax(dim=-1)
    own = [
        (p, d) for p, pack in enumerate(packs) for d, row in enumerate(pack, 1) if row is rows[0]
    ]
    (pack, document) = own[0]
    inside = torch.zeros_like(batch["documents"], dtype=torch.bool)
    inside[pack] = batch["documents"][pack] == document
    assert moved[~inside].max() == 0.0 and moved[inside].max() > 0.01
    assert count_items(batch) == (4, sum(len(row.ids) for row in rows))


def test_text_alone_gives_the_projector_a_gradient_of_zero():
    model = vlm_of("llama")
    model(packed_batch(pack_rows(rows_of([5, 4]), 9), PAD)).backward()
    assert torch.equal(model.projector.weight.grad, torch.zeros_like(model.projector.weight))


def test_a_pack_may_be_longer_than_the_context_and_a_document_may_not():
    model = vlm_of("opt")
    limit = model.language.max_positions
    rows = rows_of([limit, limit // 2, limit // 2])
    packs = pack_rows(rows, 2 * limit)
    assert len(packs) == 1
    with torch.no_grad():
        packed = model(packed_batch(packs, PAD)).item()
        assert packed == pytest.approx(model(rows_batch(rows, PAD)).item(), abs=1e-5)
    too_long = packed_batch([rows_of([limit + 1])], PAD)
    with pytest.raises(ValueError, match=f"has {limit + 1} positions, the language model takes"):
        model(too_long)


def test_a_t5_takes_no_packs():
    with pytest.raises(ValueError, match="decoder-only"):
        vlm_of("t5")(packed_batch([rows_of([4])], PAD))


def test_the_batch_by_hand():
    rows = [Row([5, 6, 7], [5, IGNORE, 7], ()), Row([8, 9], [8, 9], ()), Row([4], [4], ())]
    batch = packed_batch([rows[:2], rows[2:]], PAD)
    assert batch["input_ids"].tolist() == [[5, 6, 7, 8, 9], [4, 1, 1, 1, 1]]
    assert batch["labels"].tolist() == [[-100, -100, 7, -100, 9], [-100] * 5]
    assert batch["documents"].tolist() == [[1, 1, 1, 2, 2], [1, 0, 0, 0, 0]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 0, 1], [0, 0, 0, 0, 0]]
    assert batch["attention_mask"].tolist() == [[1] * 5, [1, 0, 0, 0, 0]]
    sees = isolation(batch["documents"]) == 0
    assert sees.shape == (2, 1, 5, 5)
    assert sees[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [0, 0, 0, 1, 0],
        [0, 0, 0, 1, 1],
    ]
    assert sees.any(dim=-1).all()  # padding included: no empty row for the softmax
    assert isolation(batch["documents"], torch.bfloat16).dtype is torch.bfloat16


@pytest.mark.parametrize("seed", range(4))
def test_first_fit_is_that_of_the_slow_way(seed):
    draw = random.Random(seed)
    rows = rows_of([draw.randint(1, 40) for _ in range(draw.randint(1, 90))])
    slow = []
    for row in sorted(rows, key=lambda row: -len(row.ids)):
        fits = (pack for pack in slow if sum(len(r.ids) for r in pack) + len(row.ids) <= 50)
        pack = next(fits, None)
        if pack is None:
            slow.append([row])
        else:
            pack.append(row)
    packs = pack_rows(rows, 50)
    assert packs == slow
    assert sorted(id(row) for pack in packs for row in pack) == sorted(map(id, rows))


def test_packs_of_instructions_are_nearly_full_and_quickly_made():
    draw = random.Random(0)
    # Many short, few long: the shape of instruction data.
    lengths = [min(2048, int(draw.lognormvariate(5.4, 0.8)) + 1) for _ in range(20_000)]
    rows = [Row([0] * length, [], ()) for length in lengths]
    packs = pack_rows(rows, 2048)
    assert filled(packs, 2048) > 0.98
    batches = [lengths[start : start + 16] for start in range(0, len(lengths), 16)]
    padded = sum(lengths) / sum(16 * max(batch) for batch in batches)
    assert padded < 0.5
    assert filled([], 2048) == 0.0 and pack_rows([], 8) == []


@pytest.mark.parametrize("length", [0, 9])
def test_a_row_that_fits_no_pack_is_named(length):
    rows = [*rows_of([4, 8]), Row([5] * length, [5] * length, ())]
    with pytest.raises(ValueError, match=rf"Row 2 \(from 0\) has {length} positions.* 1 to 8"):
        pack_rows(rows, 8)


def test_images_without_a_reader_and_no_packs_are_refused():
    with pytest.raises(ValueError, match="pass read_images"):
        packed_batch([rows_of([9], images=[1])], PAD)
    with pytest.raises(ValueError, match="no conversation"):
        packed_batch([], PAD)


def test_the_configurations_are_those_of_real_classes():
    assert [type(language_model(kind)).__name__ for kind in KINDS] == [
        "LlamaForCausalLM",
        "OPTForCausalLM",
    ]
    assert text_config("llama").use_cache and text_config("opt").use_cache
