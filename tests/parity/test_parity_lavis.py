"""LAVIS layouts: written out here by name, read by the library, compared by their outputs."""

import re

import pytest
import torch

from course_lib.interop import (
    from_hf,
    load_lavis_stage1,
    load_lavis_stage2,
    pretraining_from_hf,
)
from tests.tiny_models import IMAGE_TOKEN, blip2, blip2_retrieval, text_batch

# What the conversion script of transformers did, backwards.
RENAMES = [
    (r"^vision_model\.post_layernorm", "ln_vision"),
    (r"^vision_model\.embeddings\.class_embedding", "visual_encoder.cls_token"),
    (r"^vision_model\.embeddings\.position_embedding", "visual_encoder.pos_embed"),
    (r"^vision_model\.embeddings\.patch_embedding", "visual_encoder.patch_embed.proj"),
    (r"^vision_model\.encoder\.layers\.(\d+)\.layer_norm", r"visual_encoder.blocks.\1.norm"),
    (
        r"^vision_model\.encoder\.layers\.(\d+)\.self_attn\.projection",
        r"visual_encoder.blocks.\1.attn.proj",
    ),
    (r"^vision_model\.encoder\.layers\.(\d+)\.self_attn", r"visual_encoder.blocks.\1.attn"),
    (r"^vision_model\.encoder\.layers\.(\d+)\.mlp", r"visual_encoder.blocks.\1.mlp"),
    (r"^qformer\.layernorm", "Qformer.bert.embeddings.LayerNorm"),
    (r"^qformer\.(.*)attention\.attention", r"Qformer.bert.\1attention.self"),
    (r"^qformer\.", "Qformer.bert."),
    (r"^embeddings\.", "Qformer.bert.embeddings."),
    (r"^vision_projection", "vision_proj"),
    (r"^text_projection", "text_proj"),
]


def lavis_names(tensors, extra):
    renamed = {}
    for name, value in tensors.items():
        for pattern, new in [*RENAMES, *extra]:
            name = re.sub(pattern, new, name)
        if name.endswith("attn.qkv.bias"):
            query, _, last = value.chunk(3)
            renamed[name.replace("qkv.bias", "q_bias")] = query
            renamed[name.replace("qkv.bias", "v_bias")] = last
        else:
            renamed[name] = value
    renamed["Qformer.bert.embeddings.position_ids"] = torch.arange(24)[None]
    return {name: value.clone() for name, value in renamed.items()}


def without_key_bias(hf):
    """EVA has no bias on keys: where transformers has one, it is zero."""
    for layer in hf.vision_model.encoder.layers:
        bias = layer.self_attn.qkv.bias
        bias.data[len(bias) // 3 : 2 * len(bias) // 3] = 0
    return hf


def stage2(kind, seed):
    hf = without_key_bias(blip2(kind, seed))
    extra = [("language_projection", f"{kind}_proj"), ("^language_model", f"{kind}_model")]
    return hf, lavis_names(hf.state_dict(), extra)


def stage1(seed):
    hf = without_key_bias(blip2_retrieval(seed))
    tensors = lavis_names(hf.state_dict(), [])
    width = hf.config.qformer_config.hidden_size
    words = tensors["Qformer.bert.embeddings.word_embeddings.weight"]
    head = "Qformer.cls.predictions"
    tensors[f"{head}.transform.dense.weight"] = torch.randn(width, width)
    for name in ("transform.dense.bias", "transform.LayerNorm.weight", "transform.LayerNorm.bias"):
        tensors[f"{head}.{name}"] = torch.randn(width)
    tensors[f"{head}.bias"] = torch.randn(len(words))
    tensors[f"{head}.decoder.bias"] = tensors[f"{head}.bias"].clone()
    tensors[f"{head}.decoder.weight"] = words.clone()
    tensors["temp"] = torch.tensor(0.05)
    return hf, tensors


def images():
    return 2 * torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", ("opt", "t5"))
@torch.no_grad()
def test_stage2_gives_the_logits_of_transformers(kind, agree):
    hf, tensors = stage2(kind, 1)
    ours = from_hf(blip2(kind, 1))
    for parameter in ours.parameters():
        parameter.zero_()
    load_lavis_stage2(tensors, ours)
    queries = hf.query_tokens.shape[1]
    batch = text_batch(1, 3, 9)
    batch["input_ids"] = torch.cat([torch.full((3, queries), IMAGE_TOKEN), batch["input_ids"]], 1)
    batch["attention_mask"] = torch.cat([torch.ones(3, queries).long(), batch["attention_mask"]], 1)
    batch |= {"pixel_values": images(), "labels": batch["input_ids"]}
    agree(ours.logits(batch), hf(**batch).logits, 1e-5)


@torch.no_grad()
def test_stage1_gives_the_scores_of_transformers(agree):
    hf, tensors = stage1(2)
    ours = pretraining_from_hf(blip2_retrieval(2), bos_token_id=4)
    for parameter in ours.parameters():
        parameter.zero_()
    load_lavis_stage1(tensors, ours)
    batch = {"pixel_values": images(), **text_batch(2, 3, 7)}
    agree(ours.similarity(batch), hf(**batch).logits_per_image, 1e-5)
    head = ours.heads.lm_head
    assert torch.equal(head.bias, tensors["Qformer.cls.predictions.bias"])
    assert torch.equal(head.dense.weight, tensors["Qformer.cls.predictions.transform.dense.weight"])
    assert ours.heads.temperature == tensors["temp"]


def test_frozen_parts_may_be_missing_and_stay():
    _, tensors = stage2("opt", 1)
    trained = {k: v for k, v in tensors.items() if not k.startswith(("visual_enc", "opt_model"))}
    ours = from_hf(blip2("opt", 1))
    before = [p.clone() for p in ours.vpg.encoder.parameters()]
    ours.vpg.head.query_tokens.data.zero_()
    load_lavis_stage2(trained, ours)
    assert torch.equal(ours.vpg.head.query_tokens, tensors["query_tokens"])
    assert all(map(torch.equal, before, ours.vpg.encoder.parameters()))


@pytest.mark.parametrize(
    ("drop", "add", "words"),
    [
        ("opt_proj.bias", None, "missing: opt_proj.bias"),
        (None, "Qformer.bert.pooler.dense.weight", "unknown: Qformer.bert.pooler.dense.weight"),
        ("visual_encoder.blocks.0.attn.v_bias", None, r"missing: visual_encoder.blocks.0.attn.v"),
        (None, "visual_encoder.head.weight", "unknown: visual_encoder.head.weight"),
        ("opt_model.model.decoder.layers.0.fc1.bias", None, "missing: .*layers.0.fc1.bias"),
    ],
)
def test_stage2_names_what_does_not_fit(drop, add, words):
    _, tensors = stage2("opt", 1)
    tensors.pop(drop, None)
    if add:
        tensors[add] = torch.zeros(1)
    ours = from_hf(blip2("opt", 1))
    before = [p.clone() for p in ours.parameters()]
    with pytest.raises(ValueError, match=words):
        load_lavis_stage2(tensors, ours, "the file")
    assert all(map(torch.equal, before, ours.parameters()))


def test_other_sizes_and_untied_heads_are_named():
    _, tensors = stage1(2)
    ours = pretraining_from_hf(blip2_retrieval(2), bos_token_id=4)
    with pytest.raises(ValueError, match=r"query_tokens has the shape \(1, 99, 4\)"):
        load_lavis_stage1({**tensors, "query_tokens": torch.zeros(1, 99, 4)}, ours)
    untied = {**tensors, "Qformer.cls.predictions.decoder.bias": torch.zeros(97)}
    with pytest.raises(ValueError, match="should be equal"):
        load_lavis_stage1(untied, ours)
