"""The whole model <-> Blip2ForConditionalGeneration with OPT, T5 and Llama; splice; greedy."""

import pytest
import torch
from transformers import Blip2ForConditionalGeneration

from course_lib.backbones.decoding import CausalStepper, Seq2SeqStepper, greedy
from course_lib.backbones.language import LanguageModel
from course_lib.backbones.opt import OPTStepper
from course_lib.fusion import splice
from course_lib.interop import from_hf, to_hf
from course_lib.interop.names import qformer_names
from tests.tiny_models import (
    IMAGE_TOKEN,
    blip2,
    language_model,
    largest_difference,
    random_sizes,
    randomise,
    text_batch,
)

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}
KINDS = ("opt", "t5", "llama")
BIT_EQUAL = 1e-45  # below the smallest number that float32 can differ by


def batch_for(kind, seed, dtype, side="right"):
    queries = random_sizes(seed)["queries"]
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randn(3, 3, 16, 16, generator=generator, dtype=torch.float64)
    batch = text_batch(seed, rows=3, length=9, side=side)
    places = torch.full((3, queries), IMAGE_TOKEN)
    ids = torch.cat([places, batch["input_ids"]], dim=1)
    mask = torch.cat([torch.ones_like(places), batch["attention_mask"]], dim=1)
    labels = ids.masked_fill((mask == 0) | (ids == IMAGE_TOKEN), -100)
    labels[:, : queries + 2] = -100
    if kind == "t5":
        labels = text_batch(seed + 1, rows=3, length=5)["input_ids"]
        labels[1, 3:] = -100
    return {
        "pixel_values": 2 * pixels.to(dtype),
        "input_ids": ids,
        "attention_mask": mask,
        "labels": labels,
    }


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("seed", (1, 2, 3))
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_logits_and_loss(kind, seed, dtype, agree):
    hf = blip2(kind, seed).to(dtype)
    ours, batch = from_hf(hf), batch_for(kind, seed, dtype)
    expected = hf(**batch)
    # Llama computes its norms and rotations in float32 in any case.
    tolerance = max(TOLERANCE[dtype], 1e-6 if kind == "llama" else 0)
    agree(ours.logits(batch), expected.logits, tolerance)
    # transformers computes the loss of decoder-only models in float32.
    agree(ours(batch), expected.loss, max(TOLERANCE[dtype], 2e-6))
    rolled = {**batch, "pixel_values": batch["pixel_values"].roll(1, 0)}
    assert largest_difference(ours.logits(rolled), expected.logits) > 1e-2


@pytest.mark.parametrize("kind", KINDS)
def test_gradients(kind):
    hf = blip2(kind, 2).double()
    ours, batch = from_hf(hf), batch_for(kind, 2, torch.float64)
    named = dict(hf.named_parameters())
    pairs = {f"projector.{k}": f"language_projection.{k}" for k in ("weight", "bias")}
    head = qformer_names(list(ours.vpg.head.state_dict()), "hf")
    pairs |= {f"vpg.head.{k}": v for k, v in head.items()}
    own = dict(ours.named_parameters())
    ours(batch).backward()
    mine = {k: own[k].grad.clone() for k in pairs}
    hf.zero_grad()
    hf(**batch).loss.backward()
    error = sum((mine[k] - named[v].grad).square().sum() for k, v in pairs.items()).sqrt()
    size = sum(named[v].grad.square().sum() for v in pairs.values()).sqrt()
    assert size > 1e-2
    assert error / size < 1e-5


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_there_and_back(kind):
    hf = blip2(kind, 4)
    ours = from_hf(hf)
    ours.projector.weight.mul_(1.5)
    ours.vpg.head.ln_vision.weight.mul_(1.5)
    back, batch = to_hf(ours), batch_for(kind, 4, torch.float32)
    assert back.state_dict().keys() == hf.state_dict().keys()
    assert largest_difference(back(**batch).logits, ours.logits(batch)) < 1e-5
    assert largest_difference(hf(**batch).logits, ours.logits(batch)) > 1e-3


@torch.no_grad()
def test_splice_is_prefix_concatenation_and_transformers_scatter(agree):
    hf = blip2("opt", 1)
    ours, batch = from_hf(hf), batch_for("opt", 1, torch.float32)
    visual = ours.visual_tokens(batch)
    words = ours.language.embed(batch["input_ids"][:, visual.shape[1] :])
    prefix = torch.cat([visual, words], dim=1)
    agree(ours.inputs_embeds(batch), prefix, BIT_EQUAL)
    mask = torch.zeros(3, 14, dtype=torch.bool)
    mask[:, 2:5], mask[0, 9], mask[2, 13] = True, True, True
    embeds, tokens = torch.randn(3, 14, 8), torch.randn(11, 8)
    expected = embeds.masked_scatter(mask[..., None], tokens)
    agree(splice(embeds, tokens, mask), expected, BIT_EQUAL)


def reference(model, embeds, mask, count, eos=None):
    model.generation_config.eos_token_id = eos
    model.generation_config.pad_token_id = 1
    ids = model.generate(
        inputs_embeds=embeds,
        attention_mask=mask,
        max_new_tokens=count,
        do_sample=False,
    )
    rows = (ids[:, 1:] if model.config.is_encoder_decoder else ids).tolist()
    return [row[: row.index(eos)] if eos in row else row for row in rows]


@pytest.mark.parametrize("rows", (1, 4))
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_greedy_equals_generate(kind, rows):
    model = language_model(kind, seed=3).double()
    ours = LanguageModel(model)
    embeds = torch.randn(rows, 8, 32, dtype=torch.float64)
    for padding in ("none", "left"):
        mask = torch.ones(rows, 8, dtype=torch.long)
        for row in range(rows if padding == "left" else 0):
            mask[row, : 2 * row] = 0
        free = reference(model, embeds, mask, 12)
        assert ours.generate_greedy(embeds, mask, 12, eos_token_id=()) == free
        if kind == "opt":
            slow = CausalStepper(model, embeds, mask)
            assert greedy(slow, 12, ()) == free
        eos = free[-1][4]
        stopped = reference(model, embeds, mask, 12, eos)
        assert ours.generate_greedy(embeds, mask, 12, eos_token_id=eos) == stopped
        assert len(stopped[-1]) <= 4


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_logits_while_decoding_equal_one_long_forward(kind, agree):
    model = language_model(kind, seed=4).double()
    embeds, words = torch.randn(3, 7, 32, dtype=torch.float64), torch.randint(5, 90, (3, 6))
    mask = torch.ones(3, 7, dtype=torch.long)
    mask[1, :2], mask[2, :5] = 0, 0
    if kind == "t5":
        start = torch.cat([torch.zeros_like(words[:, :1]), words], dim=1)
        inputs = {"inputs_embeds": embeds, "attention_mask": mask, "decoder_input_ids": start}
        steppers, expected = [Seq2SeqStepper(model, embeds, mask)], model(**inputs).logits
    else:
        steppers = [CausalStepper(model, embeds, mask)]
        steppers += [OPTStepper(model, embeds, mask, 6)] if kind == "opt" else []
        full = torch.cat([embeds, model.get_input_embeddings()(words)], dim=1)
        full_mask = torch.cat([mask, torch.ones_like(words)], dim=1)
        expected = model(inputs_embeds=full, attention_mask=full_mask).logits[:, 6:]
    tolerance = 1e-6 if kind == "llama" else 1e-12
    for stepper in steppers:
        logits = [stepper.first(), *(stepper.step(words[:, i]) for i in range(6))]
        agree(torch.stack(logits, dim=1), expected, tolerance)


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_greedy_of_the_whole_model_equals_generate(kind):
    hf = blip2(kind, 3).double()
    batch = batch_for(kind, 3, torch.float64, side="left")
    del batch["labels"]
    hf.language_model.generation_config.eos_token_id = None
    skipped = 1 if kind == "t5" else batch["input_ids"].shape[1]
    expected = hf.generate(**batch, max_new_tokens=10, do_sample=False)[:, skipped:].tolist()
    assert from_hf(hf).generate(batch, 10, eos_token_id=()) == expected
    assert len({token for row in expected for token in row}) > 2


@torch.no_grad()
def test_a_text_half_that_stage_2_never_runs_is_left_out():
    config = blip2("opt", 1).config
    config.qformer_config.use_qformer_text_input = True
    hf = randomise(Blip2ForConditionalGeneration(config), 1)
    ours, batch = from_hf(hf), batch_for("opt", 1, torch.float32)
    assert not ours.vpg.head.config.use_text
    assert largest_difference(ours.logits(batch), hf(**batch).logits) < 1e-5


def queries_permuted(ours):
    ours.vpg.head.query_tokens.data = ours.vpg.head.query_tokens.data.flip(1)


def encoder_norm_forgotten(ours):
    ours.vpg.head.ln_vision.reset_parameters()


def one_block_fewer(ours):
    ours.vpg.encoder._depth -= 1


def projector_without_bias(ours):
    ours.projector.bias.data.zero_()


@pytest.mark.parametrize(
    "mutate",
    [
        queries_permuted,
        encoder_norm_forgotten,
        one_block_fewer,
        projector_without_bias,
    ],
)
@torch.no_grad()
def test_mutations_are_seen(mutate):
    hf = blip2("opt", 1).double()
    ours, batch = from_hf(hf), batch_for("opt", 1, torch.float64)
    mutate(ours)
    assert largest_difference(ours.logits(batch), hf(**batch).logits) > 1e-3
