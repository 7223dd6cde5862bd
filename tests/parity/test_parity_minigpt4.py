"""MiniGPT-4 <-> transformers' BLIP-2 parts, one matrix, LlamaForCausalLM(inputs_embeds=…)."""

import re

import pytest
import torch
from torch.nn import functional as F
from transformers import LlamaForCausalLM

from course_lib.data.chat_ids import ChatTokenizer
from course_lib.data.chat_templates import chat_pieces, data_turn
from course_lib.data.prompts import image_token_id, pad_rows
from course_lib.interop.minigpt4 import (
    load_minigpt4,
    minigpt4_from_hf,
    minigpt4_tensors,
    projector_tensors,
)
from course_lib.recipes import minigpt4
from tests.llama_like import llama_like
from tests.tiny_models import blip2, largest_difference, randomise, text_config

TOKENIZER = llama_like("first")
PLACE = image_token_id(TOKENIZER)
TOLERANCE = {torch.float32: 1e-5, torch.float64: 2e-6}  # LLaMA's norms are float32 in any case
ASKED = ("describe the picture.", "what is at the top left?", "why?")
SAID = ("a red circle, and a blue square.", "a red circle.", "because it is round.")
PROMPT = "###Human: <Img><ImageHere></Img> {} ###Assistant: "
STAGES = {
    "stage 1": (minigpt4.STAGE1_TEMPLATE, None, "\n"),
    "stage 2": (
        minigpt4.STAGE2_TEMPLATE,
        "###Human: <Img><ImageHere></Img> {} ###Assistant: ",
        "###",
    ),
}


def parts(seed, dtype=torch.float32):
    """Makes BLIP-2, LLaMA, and a checkpoint of random weights in the released layout."""
    hf = blip2("opt", seed).to(dtype)
    config = text_config("llama", 32, 4, len(TOKENIZER))
    llama = randomise(LlamaForCausalLM(config), seed).to(dtype)
    generator = torch.Generator().manual_seed(seed)
    width = hf.config.qformer_config.hidden_size
    model = {
        "llama_proj.weight": torch.randn(32, width, generator=generator) / width**0.5,
        "llama_proj.bias": torch.randn(32, generator=generator) / 3,
        "llama_model.model.layers.0.self_attn.rotary_emb.inv_freq": torch.rand(4),
        "llama_model.model.layers.1.self_attn.rotary_emb.inv_freq": torch.rand(4),
        "Qformer.bert.embeddings.position_ids": torch.arange(512)[None],
    }
    checkpoint = {"model": model, "optimizer": {}, "config": {}, "scaler": None, "epoch": 3}
    return hf, llama, checkpoint


def images(count, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    return (2 * torch.randn(count, 3, 16, 16, generator=generator, dtype=torch.float64)).to(dtype)


def reference(hf, llama, checkpoint, pixels, prompt, end):
    """Does what mini_gpt4.py does, with transformers' modules: logits and loss, row by row."""
    seen = hf.vision_model(pixels).last_hidden_state
    queries = hf.query_tokens.expand(len(pixels), -1, -1)
    told = hf.qformer(query_embeds=queries, encoder_hidden_states=seen).last_hidden_state
    weight, bias = (checkpoint["model"][f"llama_proj.{k}"] for k in ("weight", "bias"))
    visual = F.linear(told, weight.to(told.dtype), bias.to(told.dtype))

    def ids(text):
        return TOKENIZER(text, add_special_tokens=False).input_ids

    embed, logits, losses, counts = llama.get_input_embeddings(), [], [], []
    for row in range(len(pixels)):
        around = ([], []) if prompt is None else prompt.format(ASKED[row]).split("<ImageHere>")
        before, behind = (ids(part) if part else [] for part in around)
        before, answer = [TOKENIZER.bos_token_id, *before], ids(SAID[row] + end)
        words = [embed(torch.tensor(part, dtype=torch.long)) for part in (before, behind, answer)]
        joined = torch.cat([words[0], visual[row], words[1], words[2]])[None]
        nothing = joined.shape[1] - len(answer)
        labels = torch.tensor([[-100] * nothing + answer])
        out = llama(inputs_embeds=joined, labels=labels)
        logits.append(out.logits[0])
        losses.append(out.loss * len(answer))
        counts.append(len(answer))
    return torch.cat(logits), sum(losses) / sum(counts)


def our_batch(pixels, template, queries):
    chat = ChatTokenizer(TOKENIZER, queries)
    rows = []
    for asked, said in zip(ASKED, SAID, strict=True):
        turns = [data_turn("human", f"<image> {asked}"), data_turn("gpt", said)]
        rows.append(chat(chat_pieces(template, turns)))
    return {
        "pixel_values": pixels,
        "input_ids": pad_rows([row.ids for row in rows], chat.pad_token_id),
        "attention_mask": pad_rows([[1] * len(row.ids) for row in rows], 0),
        "labels": pad_rows([row.labels for row in rows], -100),
    }


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("seed", (1, 2, 3))
@pytest.mark.parametrize("stage", STAGES)
@torch.no_grad()
def test_logits_and_loss(stage, seed, dtype, agree):
    template, prompt, end = STAGES[stage]
    hf, llama, checkpoint = parts(seed, dtype)
    pixels = images(3, dtype)
    logits, loss = reference(hf, llama, checkpoint, pixels, prompt, end)
    ours = minigpt4_from_hf(checkpoint, hf, llama, PLACE)
    batch = our_batch(pixels, template, hf.query_tokens.shape[1])
    real = batch["attention_mask"].bool()
    agree(ours.logits(batch)[real], logits, TOLERANCE[dtype])
    agree(ours(batch), loss, TOLERANCE[dtype])
    rolled = {**batch, "pixel_values": pixels.roll(1, 0)}
    assert largest_difference(ours.logits(rolled)[real], logits) > 1e-2


@torch.no_grad()
def test_visual_tokens_from_a_cache_agree_as_well(agree):
    template, prompt, end = STAGES["stage 2"]
    hf, llama, checkpoint = parts(2)
    pixels = images(3)
    logits, _ = reference(hf, llama, checkpoint, pixels, prompt, end)
    whole = minigpt4_from_hf(checkpoint, hf, llama, PLACE)
    light = minigpt4.build(whole.vpg, whole.language, PLACE, cached=True)
    load_minigpt4(checkpoint, light)
    batch = our_batch(pixels, template, hf.query_tokens.shape[1])
    batch["image_features"] = whole.vpg(batch.pop("pixel_values"))
    agree(light.logits(batch)[batch["attention_mask"].bool()], logits, 1e-5)


def _bias_forgotten(model):
    model.projector.bias.zero_()


def _queries_reversed(model):
    model.vpg.head.query_tokens.copy_(model.vpg.head.query_tokens.flip(1))


def _norm_left_out(model):
    model.vpg.head.ln_vision.weight.fill_(1.0)


def _layer_before(model):
    model.vpg.encoder._depth -= 1


@pytest.mark.parametrize(
    "mutate", (_bias_forgotten, _queries_reversed, _norm_left_out, _layer_before)
)
@torch.no_grad()
def test_mutations_are_seen(mutate):
    template, prompt, end = STAGES["stage 2"]
    hf, llama, checkpoint = parts(2, torch.float64)
    pixels = images(3, torch.float64)
    logits, _ = reference(hf, llama, checkpoint, pixels, prompt, end)
    ours = minigpt4_from_hf(checkpoint, hf, llama, PLACE)
    batch = our_batch(pixels, template, hf.query_tokens.shape[1])
    real = batch["attention_mask"].bool()
    assert largest_difference(ours.logits(batch)[real], logits) < 2e-6
    mutate(ours)
    assert largest_difference(ours.logits(batch)[real], logits) > 1e-4


# --- the checkpoint ------------------------------------------------------------------------------


def test_the_layer_is_read_from_the_whole_file_or_its_model_and_written_back():
    hf, llama, checkpoint = parts(1)
    model = checkpoint["model"]
    for given in (checkpoint, model, {k: v for k, v in model.items() if "proj" in k}):
        ours = minigpt4_from_hf(given, hf, llama, PLACE)
        back = minigpt4_tensors(ours)["model"]
        assert set(back) == {"llama_proj.weight", "llama_proj.bias"}
        assert all(torch.equal(back[name], model[name]) for name in back)
    half = {k: v.half() for k, v in model.items() if "proj" in k}
    assert minigpt4_from_hf(half, hf, llama, PLACE).projector.weight.dtype == torch.float32


@pytest.mark.parametrize(
    ("drop", "add", "words"),
    [
        ("llama_proj.bias", None, "missing: llama_proj.bias"),
        ("llama_proj.weight", None, "missing: llama_proj.weight"),
        (None, "llama_proj2.weight", "unknown: llama_proj2.weight"),
        (None, "Qformer.bert.encoder.layer.0.output_query.dense.bias", "unknown: Qformer.bert.enc"),
        (None, "llama_model.model.layers.0.self_attn.q_proj.weight", r"unknown: llama_model\.mod"),
        ("llama_proj.bias", "llama_proj.biases", "missing: llama_proj.bias; unknown: llama_proj.b"),
    ],
)
def test_other_keys_are_named_and_nothing_is_loaded(drop, add, words):
    hf, llama, checkpoint = parts(1)
    ours = minigpt4_from_hf(checkpoint, hf, llama, PLACE)
    before = ours.projector.weight.clone()
    tensors = {k: v + 1 for k, v in checkpoint["model"].items() if k != drop}
    tensors |= {add: torch.zeros(2)} if add else {}
    with pytest.raises(ValueError, match=words):
        load_minigpt4({"model": tensors}, ours, "the file")
    assert torch.equal(ours.projector.weight, before)


def test_many_unknown_keys_are_counted_and_a_strange_file_is_refused():
    tensors = {f"llama_model.{i}.weight": torch.zeros(1) for i in range(20)}
    with pytest.raises(ValueError, match="and 12 more"):
        projector_tensors({**parts(1)[2]["model"], **tensors})
    with pytest.raises(ValueError, match="'model' is a list"):
        projector_tensors({"model": []})
    with pytest.raises(ValueError, match=r"missing: llama_proj.bias, llama_proj.weight"):
        projector_tensors({})


@pytest.mark.parametrize(("rows", "columns"), [(32, 99), (48, None)])
def test_other_widths_name_both_shapes_and_nothing_is_loaded(rows, columns):
    hf, llama, checkpoint = parts(1)
    width = hf.config.qformer_config.hidden_size
    ours = minigpt4_from_hf(checkpoint, hf, llama, PLACE)
    before = ours.projector.weight.clone()
    shape = (rows, columns or width)
    wrong = {"llama_proj.weight": torch.zeros(shape), "llama_proj.bias": torch.zeros(rows)}
    both = rf"{re.escape(str(shape))}, this model's layer \(32, {width}\)"
    with pytest.raises(ValueError, match=both):
        load_minigpt4(wrong, ours)
    with pytest.raises(ValueError, match=f"Q-Former of width {width} to a language model of .* 32"):
        minigpt4_from_hf(wrong, hf, llama, PLACE)
    assert torch.equal(ours.projector.weight, before)
