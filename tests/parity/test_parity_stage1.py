"""Stage 1 <-> Blip2ForImageTextRetrieval (ITC, ITM) and transformers' BERT LM head (ITG)."""

import pytest
import torch
from torch.nn import functional as F
from transformers import BertConfig, BertLMHeadModel, DynamicCache

from course_lib.interop import pretraining_from_hf, pretraining_to_hf
from course_lib.losses.matching import sample_hard_negatives
from course_lib.vpg import make_mask
from tests.tiny_models import (
    VOCABULARY,
    blip2_retrieval,
    largest_difference,
    randomise,
    text_batch,
)

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}
SEEDS = (1, 2, 3)
DEC = 4


def pair(seed, dtype):
    hf = blip2_retrieval(seed).to(dtype)
    ours = pretraining_from_hf(hf, bos_token_id=DEC)
    randomise(ours.heads.lm_head, seed)
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randn(4, 3, 16, 16, generator=generator, dtype=torch.float64)
    return hf, ours, {"pixel_values": 2 * pixels.to(dtype), **text_batch(seed, 4, 7)}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("seed", SEEDS)
@torch.no_grad()
def test_itc_and_itm_logits(seed, dtype, agree):
    hf, ours, batch = pair(seed, dtype)
    itc = hf(**batch).logits_per_image
    agree(ours.similarity(batch), itc, TOLERANCE[dtype])
    itm = hf(**batch, use_image_text_matching_head=True).logits_per_image
    agree(ours.itm_logits(batch), itm, TOLERANCE[dtype])
    assert itc.std() > 1e-2
    assert itm.std(dim=0).min() > 1e-2


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("seed", SEEDS)
@torch.no_grad()
def test_itc_and_itm_losses_from_the_scores_of_transformers(seed, dtype, agree):
    hf, ours, batch = pair(seed, dtype)
    ours.generator, again = (torch.Generator().manual_seed(seed) for _ in range(2))
    _, parts = ours(batch)
    scores = hf(**batch).logits_per_image / ours.heads.temperature
    own = torch.arange(4)
    itc = [
        F.cross_entropy(s, own, label_smoothing=ours.label_smoothing) for s in (scores, scores.T)
    ]
    agree(parts["itc"], sum(itc) / 2, TOLERANCE[dtype])
    wrong_image, wrong_text = (sample_hard_negatives(s, again) for s in (scores.T, scores))
    assert not (wrong_image == own).any() and not (wrong_text == own).any()
    images, texts = torch.cat([own, wrong_image, own]), torch.cat([own, own, wrong_text])
    text = {key: batch[key][texts] for key in ("input_ids", "attention_mask")}
    pairs = {"pixel_values": batch["pixel_values"][images], **text}
    verdicts = hf(**pairs, use_image_text_matching_head=True).logits_per_image
    agree(parts["itm"], F.cross_entropy(verdicts, (torch.arange(12) < 4).long()), TOLERANCE[dtype])


def bert_of(hf, ours):
    """Builds BERT as a decoder with the text half of transformers' Q-Former."""
    old = hf.config.qformer_config
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=old.hidden_size,
        num_hidden_layers=old.num_hidden_layers,
        num_attention_heads=old.num_attention_heads,
        intermediate_size=old.intermediate_size,
        max_position_embeddings=old.max_position_embeddings,
        layer_norm_eps=old.layer_norm_eps,
        type_vocab_size=1,
        is_decoder=True,
    )
    bert = BertLMHeadModel(config).to(hf.dtype).eval()
    text = {k: v for k, v in hf.qformer.state_dict().items() if "_query" not in k}
    text = {k: v for k, v in text.items() if "crossattention" not in k}
    renamed = {
        f"bert.{k.replace('attention.attention', 'attention.self')}": v for k, v in text.items()
    }
    renamed["bert.embeddings.LayerNorm.weight"] = renamed.pop("bert.layernorm.weight")
    renamed["bert.embeddings.LayerNorm.bias"] = renamed.pop("bert.layernorm.bias")
    for name in ("word_embeddings", "position_embeddings"):
        table = getattr(hf.embeddings, name).weight
        renamed[f"bert.embeddings.{name}.weight"] = table
    renamed["bert.embeddings.token_type_embeddings.weight"] = torch.zeros(1, old.hidden_size)
    head, own = "cls.predictions.", ours.heads.lm_head
    for kind in ("weight", "bias"):
        renamed[f"{head}transform.dense.{kind}"] = getattr(own.dense, kind)
        renamed[f"{head}transform.LayerNorm.{kind}"] = getattr(own.norm, kind)
    renamed[f"{head}bias"] = renamed[f"{head}decoder.bias"] = own.bias
    renamed[f"{head}decoder.weight"] = hf.embeddings.word_embeddings.weight
    missing, unexpected = bert.load_state_dict(renamed, strict=False)
    assert not missing
    assert not unexpected
    return bert


def cache_of_queries(hf, pixels):
    """Runs transformers' Q-Former on queries alone and catches its keys and values by hooks."""
    caught, handles = [], []
    for layer in hf.qformer.encoder.layer:
        for part in (layer.attention.attention.key, layer.attention.attention.value):
            handles.append(part.register_forward_hook(lambda m, i, out: caught.append(out)))
    hf.qformer(
        query_embeds=hf.query_tokens.expand(len(pixels), -1, -1),
        encoder_hidden_states=hf.vision_model(pixels).last_hidden_state,
    )
    for handle in handles:
        handle.remove()
    heads = hf.config.qformer_config.num_attention_heads
    cut = [x.view(*x.shape[:2], heads, -1).transpose(1, 2) for x in caught]
    cache = DynamicCache()
    for index in range(len(cut) // 2):
        cache.update(cut[2 * index], cut[2 * index + 1], index)
    return cache


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("seed", SEEDS)
@torch.no_grad()
def test_itg_equals_bert_with_the_cache_of_the_queries(seed, dtype, agree):
    hf, ours, batch = pair(seed, dtype)
    ids, mask = batch["input_ids"], batch["attention_mask"]
    written = torch.cat([torch.full_like(ids[:, :1], DEC), ids[:, 1:]], dim=1)
    queries = hf.query_tokens.shape[1]
    bert = bert_of(hf, ours)
    logits = bert(
        input_ids=written,
        attention_mask=torch.cat([mask.new_ones(len(ids), queries), mask], dim=1),
        position_ids=torch.arange(ids.shape[1])[None],
        past_key_values=cache_of_queries(hf, batch["pixel_values"]),
    ).logits
    features = ours.vpg.encoder(batch["pixel_values"])
    _, cache = ours.qformer.encode_image(features)
    own = ours.lm_head(ours.itg_states(ids, mask, cache))
    real = mask.bool()
    agree(own[real], logits[real], TOLERANCE[dtype])
    joint = ours.qformer(features, written, self_attention_mask=make_mask("itg", queries, mask))
    joint_logits = ours.lm_head(joint[:, queries:])
    agree(joint_logits[real], logits[real], TOLERANCE[dtype])
    labels = ids.masked_fill(mask == 0, -100)
    for smoothing in (0.0, 0.1):
        ours.label_smoothing = smoothing
        expected = F.cross_entropy(
            logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), label_smoothing=smoothing
        )
        agree(ours.itg_loss(ids, mask, cache), expected, 1e-5)


@torch.no_grad()
def test_there_and_back():
    hf, ours, batch = pair(1, torch.float32)
    ours.heads.itm_head.weight.mul_(2)
    ours.qformer.query_tokens.mul_(2)
    back = pretraining_to_hf(ours)
    assert back.state_dict().keys() == hf.state_dict().keys()
    assert largest_difference(back(**batch).logits_per_image, ours.similarity(batch)) < 1e-5
    itm = back(**batch, use_image_text_matching_head=True).logits_per_image
    assert largest_difference(itm, ours.itm_logits(batch)) < 1e-5


def mean_of_queries(ours, batch):
    images, texts = ours.embed_images(batch), ours.embed_texts(batch)
    return (images @ texts.T).mean(dim=1)


def no_length(ours, batch):
    return ours.similarity(batch) * 1.01


def causal_instead_of_both_ways(ours, batch):
    features, ids = ours.vpg.encoder(batch["pixel_values"]), batch["input_ids"]
    count = ours.qformer.config.num_query_tokens
    mask = make_mask("itg", count, batch["attention_mask"])
    hidden = ours.qformer(features, ids, self_attention_mask=mask)[:, :count]
    return ours.heads.itm_head(hidden).mean(dim=1)


@torch.no_grad()
def test_mutations_are_seen():
    hf, ours, batch = pair(2, torch.float64)
    itc = hf(**batch).logits_per_image
    itm = hf(**batch, use_image_text_matching_head=True).logits_per_image
    assert largest_difference(mean_of_queries(ours, batch), itc) > 1e-3
    assert largest_difference(no_length(ours, batch), itc) > 1e-3
    assert largest_difference(causal_instead_of_both_ways(ours, batch), itm) > 1e-3
