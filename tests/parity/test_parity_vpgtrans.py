"""VPGTrans against torch's own layers and losses, and its released layouts against transformers."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from course_lib.backbones.language import LanguageModel
from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.converter import ConverterSettings, WordConverter, cosine_loss, train_converter
from course_lib.data.word_pairs import caption_pairs, tidy_caption
from course_lib.interop.blip2_hf import from_hf
from course_lib.interop.vpgtrans import (
    load_stage1,
    load_vl_llama,
    projector_from_vpgtrans,
    projector_to_vpgtrans,
    vl_llama_to_original,
)
from course_lib.merged_projector import merge_projectors
from course_lib.projector import LinearProjector
from course_lib.recipes import vpgtrans
from course_lib.training.loop import train
from course_lib.vlm import VLM, VPG
from course_lib.vpg.qformer import QFormer, QFormerConfig
from course_lib.world.language import captions
from course_lib.world.scene import sample_scenes
from tests.parity.test_parity_lavis import images, lavis_names
from tests.tiny_models import IMAGE_TOKEN, blip2, language_model, randomise, text_batch

LAYERS = 2  # of the tiny LLaMA


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@torch.no_grad()
def test_the_merge_equals_both_layers_of_torch(dtype, agree):
    torch.manual_seed(0)
    projector, converter = LinearProjector(768, 512).to(dtype), WordConverter(512, 1024).to(dtype)
    randomise(projector, 1)
    randomise(converter, 2)
    tokens = torch.randn(2, 32, 768, dtype=dtype)
    agree(
        merge_projectors(projector, converter)(tokens),
        nn.Sequential(projector, converter)(tokens),
        1e-6,
    )


def test_the_loss_is_torch_s_cosine_embedding_loss(agree):
    chance = torch.Generator().manual_seed(0)
    made, wanted = torch.randn(2, 50, 12, generator=chance)
    theirs = nn.CosineEmbeddingLoss()(made, wanted, torch.ones(50))
    agree(cosine_loss(made, wanted), theirs, 1e-6)


def test_training_equals_the_plain_stream_of_words(agree):
    """As the released scripts do it: every word of every caption, nn.CosineSimilarity, SGD."""
    chance = torch.Generator().manual_seed(0)
    source, target = torch.randn(30, 6, generator=chance), torch.randn(40, 9, generator=chance)
    lengths = torch.randint(1, 9, (25,), generator=chance).tolist()
    words = [torch.randint(0, 30, (n,), generator=chance) ** 2 % 30 for n in lengths]
    rows = [torch.stack([ids, (ids * 7 + ids % 2) % 40], dim=1) for ids in words]
    settings = ConverterSettings(epochs=6, learning_rate=5.0, seed=4)
    ours, report = train_converter(source, target, [row.tolist() for row in rows], settings)
    theirs, stream = WordConverter(6, 9, seed=4), torch.cat(rows)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=5.0)
    for _ in range(6):
        optimizer.zero_grad()
        made = theirs(source[stream[:, 0]])
        (1 - nn.CosineSimilarity()(made, target[stream[:, 1]])).mean().backward()
        optimizer.step()
    assert report.steps == 6 and report.pairs < len(stream)
    agree(ours.weight.detach(), theirs.weight.detach(), 1e-5)
    agree(ours.bias.detach(), theirs.bias.detach(), 1e-5)


@pytest.mark.parametrize(("one", "other"), [("opt", "llama"), ("opt", "t5"), ("t5", "opt")])
def test_pairs_are_those_of_the_released_procedure(one, other, agree):
    """Both tokenizers cut a caption; equally many tokens are paired place by place."""
    cutters = [build_tokenizer(kind) for kind in (one, other)]
    texts = [text for scene in sample_scenes(60, 3, "train") for text in captions(scene)]
    theirs = []
    for text in map(tidy_caption, texts):
        rows = [cutter(text).input_ids for cutter in cutters]
        if "t5" in (one, other):  # OPT's start and T5's end are left out
            kinds = zip(rows, (one, other), strict=True)
            rows = [ids[:-1] if kind == "t5" else ids[1:] for ids, kind in kinds]
        if len(rows[0]) == len(rows[1]):
            theirs += zip(*rows, strict=True)
    ours = [pair for row in caption_pairs(*cutters, texts).captions for pair in row]
    assert len(theirs) > 500 and not {cutters[0].unk_token_id} & {a for a, _ in theirs}
    agree(torch.tensor(ours).float(), torch.tensor(theirs).float(), 1e-6)


@torch.no_grad()
def test_an_inherited_vpg_gives_the_tokens_of_transformers(agree):
    hf = blip2("opt", 1)
    source = from_hf(blip2("opt", 1))
    numbers = replace(vpgtrans.scale("toy"), qformer=source.vpg.head.config)
    language = LanguageModel(language_model("llama", width=20, heads=2))
    made = vpgtrans.build(numbers, source, source.vpg.encoder, language, IMAGE_TOKEN).eval()
    seen = hf.vision_model(images()).last_hidden_state
    queries = hf.query_tokens.expand(len(seen), -1, -1)
    theirs = hf.qformer(query_embeds=queries, encoder_hidden_states=seen).last_hidden_state
    agree(made.vpg(images()), theirs, 1e-5)


def still(seed):
    """Returns a BLIP-2 of transformers without dropout, in float64."""
    hf = blip2("opt", seed)
    config = hf.config.qformer_config
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    return hf.double().requires_grad_(False)


def plain_loop(hf, parts, rates, batch):
    """Trains parts of a model of transformers with torch's AdamW, as the released settings say."""
    parameters = [p.requires_grad_() for part in parts for p in part]
    groups = [
        {"params": [p for p in parameters if (p.dim() > 1) is wide]} for wide in (True, False)
    ]
    groups[1]["weight_decay"] = 0.0
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.999), weight_decay=0.05)
    for rate in rates:
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        hf(**batch).loss.backward()
        optimizer.step()


def test_both_stages_equal_a_plain_loop_over_transformers(agree):
    hf, ours = still(3), from_hf(still(3))
    queries, rows = hf.query_tokens.shape[1], 3
    words = text_batch(3, rows, 8)["input_ids"]
    ids = torch.cat([torch.full((rows, queries), IMAGE_TOKEN), words], dim=1)
    labels = ids.masked_fill(ids == IMAGE_TOKEN, -100)
    batch = {"input_ids": ids, "labels": labels, "attention_mask": torch.ones_like(ids)}
    batch["pixel_values"] = images().double()
    numbers = vpgtrans.scale("a100")
    projector = list(hf.language_projection.parameters())
    vpg = [hf.query_tokens, *hf.qformer.parameters(), *hf.vision_model.post_layernorm.parameters()]

    train(ours, numbers.stage1.shortened(2), lambda step: batch, seed=0, progress=False)
    plain_loop(hf, [projector], [5e-4] * 2, batch)
    agree(ours.projector.weight.detach(), hf.language_projection.weight.detach(), 1e-6)
    agree(ours.vpg.head.query_tokens.detach(), hf.query_tokens.detach(), 1e-6)

    train(ours, numbers.stage2.shortened(3), lambda step: batch, seed=0, progress=False)
    rates = [5e-5 + 2.5e-5 * (1 + math.cos(math.pi * step / 2)) for step in range(3)]
    before = hf.query_tokens.detach().clone()
    plain_loop(hf, [projector, vpg], rates, batch)
    assert (hf.query_tokens - before).abs().max() > 1e-4
    agree(ours.projector.weight.detach(), hf.language_projection.weight.detach(), 1e-6)
    agree(ours.vpg.head.query_tokens.detach(), hf.query_tokens.detach(), 1e-6)
    norm = hf.vision_model.post_layernorm.weight.detach()
    agree(ours.vpg.head.ln_vision.weight.detach(), norm, 1e-6)


def vl_llama(seed):
    """Returns a transformers' BLIP-2 on a LLaMA, and its file in the released layout."""
    hf = blip2("llama", seed)
    renamed = lavis_names(hf.state_dict(), [("language_projection", "llama_proj")])
    kept = ("query_tokens", "ln_vision.", "Qformer.", "llama_proj.")
    trained = {name: value for name, value in renamed.items() if name.startswith(kept)}
    table = "llama_model.model.layers.{}.self_attn.rotary_emb.inv_freq"
    tables = {table.format(i): torch.rand(4) for i in range(LAYERS)}
    return hf, {"model": {**trained, **tables}, "optimizer": {}, "config": {}, "iters": 45_000}


def emptied(seed):
    """Returns our model of the same sizes, its trained parts empty."""
    ours = from_hf(blip2("llama", seed))
    for part in (ours.vpg.head, ours.projector):
        for parameter in part.parameters():
            parameter.data.zero_()
    return ours


@torch.no_grad()
def test_vl_llama_gives_the_logits_of_transformers(agree):
    hf, file = vl_llama(1)
    ours = emptied(1)
    load_vl_llama(file, ours)
    queries = hf.query_tokens.shape[1]
    batch = text_batch(1, 3, 9)
    # [32 visual tokens]<s> caption, as the released forward concatenates them.
    batch["input_ids"] = torch.cat([torch.full((3, queries), IMAGE_TOKEN), batch["input_ids"]], 1)
    batch["attention_mask"] = torch.cat([torch.ones(3, queries).long(), batch["attention_mask"]], 1)
    batch |= {"pixel_values": images(), "labels": batch["input_ids"]}
    agree(ours.logits(batch), hf(**batch).logits, 1e-5)


@torch.no_grad()
def test_vl_vicuna_has_the_same_tensors_and_the_image_inside_its_prompt(agree):
    hf, file = vl_llama(2)
    ours = emptied(2)
    load_vl_llama(file["model"], ours, "VL-Vicuna")
    queries, words = hf.query_tokens.shape[1], text_batch(2, 1, 9)["input_ids"]
    # <s> ###Human: <Img> | visual tokens | </Img> ... ###Assistant:
    ids = torch.cat([words[:, :4], torch.full((1, queries), IMAGE_TOKEN), words[:, 4:]], 1)
    batch = {"input_ids": ids, "pixel_values": images()[:1], "labels": ids}
    batch["attention_mask"] = torch.ones_like(ids)
    agree(ours.logits(batch), hf(**batch).logits, 1e-5)


def test_the_paper_s_sizes():
    with torch.device("meta"):
        head = QFormer(QFormerConfig(use_text=False))
        model = VLM(VPG(None, head), LinearProjector(768, 4096), nn.Identity(), 0)
    tensors = vl_llama_to_original(model)
    shapes = {name: tuple(value.shape) for name, value in tensors.items()}
    assert shapes["query_tokens"] == (1, 32, 768) and shapes["ln_vision.weight"] == (1408,)
    assert shapes["llama_proj.weight"] == (4096, 768) and shapes["llama_proj.bias"] == (4096,)
    layer = "Qformer.bert.encoder.layer.10"
    assert shapes[f"{layer}.crossattention.self.key.weight"] == (768, 1408)
    assert shapes[f"{layer}.output_query.dense.weight"] == (768, 3072)
    assert not any(".output.dense" in name and "attention" not in name for name in shapes)
    assert not any("word_embeddings" in name or "cls." in name for name in shapes)
    assert len(shapes) == len(head.state_dict()) + 2
    # Twelve layers, six with cross-attention, the first norm; queries, ln_vision, projector.
    attention, cross, ffn, norm = 4 * (768 + 1) * 768, 2 * (768 + 1) * 768, 768 * 6145 + 3072, 1536
    cross += 2 * (1408 + 1) * 768 + norm
    layers = 12 * (attention + ffn + 2 * norm) + 6 * cross + norm
    numbers = {name: value.numel() for name, value in tensors.items()}
    assert sum(numbers.values()) == layers + 32 * 768 + 2 * 1408 + 769 * 4096


def test_what_is_written_is_read_again_and_parts_that_are_not_there_stay():
    _, file = vl_llama(1)
    ours = emptied(1)
    kept = {k: v.clone() for k, v in ours.state_dict().items() if k.startswith(("vpg.enc", "lang"))}
    load_vl_llama(file, ours)
    written = vl_llama_to_original(ours)
    buffers = {name for name in file["model"] if name.endswith(("inv_freq", "position_ids"))}
    assert written.keys() == file["model"].keys() - buffers and len(buffers) == LAYERS + 1
    assert all(torch.equal(value, file["model"][name]) for name, value in written.items())
    assert all(torch.equal(value, ours.state_dict()[name]) for name, value in kept.items())


@pytest.mark.parametrize(
    ("drop", "add", "words"),
    [
        ("llama_proj.bias", None, r"the file .*missing: llama_proj.bias"),
        ("query_tokens", None, r"missing: query_tokens"),
        ("ln_vision.weight", "ln_vison.weight", r"missing: ln_vision.weight; unknown: ln_vison"),
        (None, "opt_proj.weight", r"unknown: opt_proj.weight"),
        (None, "Qformer.bert.embeddings.word_embeddings.weight", r"unknown: Qformer.bert.emb"),
        (None, "visual_encoder.cls_token", r"unknown: visual_encoder.cls_token"),
    ],
)
def test_what_does_not_fit_is_named_and_changes_nothing(drop, add, words):
    _, file = vl_llama(1)
    tensors = file["model"]
    tensors.pop(drop, None)
    if add:
        tensors[add] = torch.zeros(1)
    ours = emptied(1)
    before = [p.clone() for p in ours.parameters()]
    with pytest.raises(ValueError, match=words):
        load_vl_llama(tensors, ours, "the file")
    assert all(map(torch.equal, before, ours.parameters()))


def test_another_width_is_named():
    _, file = vl_llama(1)
    wrong = {**file["model"], "query_tokens": torch.zeros(1, 99, 4)}
    with pytest.raises(ValueError, match=r"query_tokens has the shape \(1, 99, 4\)"):
        load_vl_llama(wrong, emptied(1))


@pytest.mark.parametrize("kind", ["opt", "t5", "llama"])
def test_merged_projectors_go_both_ways(kind):
    projector = randomise(LinearProjector(5, 7), 1)
    tensors = projector_to_vpgtrans(projector, kind)
    assert tensors.keys() == {f"{kind}_proj.weight", f"{kind}_proj.bias"}
    # What the script for OPT to OPT writes beside them, and what the stage-1 runner does.
    file = {"model": {"opt_model.lm_head.weight": None, **tensors}}
    stage1 = {**tensors, "Qformer.bert.embeddings.position_ids": torch.arange(5)[None]}
    for given in (tensors, file, stage1):
        read = projector_from_vpgtrans(given)
        assert torch.equal(read.weight, projector.weight)
        assert torch.equal(read.bias, projector.bias)
    halves = {name: value.half() for name, value in tensors.items()}
    assert projector_from_vpgtrans(halves).weight.dtype == torch.float16


def test_a_wrong_projector_file_is_named_where_the_released_code_is_silent():
    tensors = projector_to_vpgtrans(LinearProjector(5, 7), "llama")
    with pytest.raises(ValueError, match="has none among 0 tensors"):
        projector_from_vpgtrans({})
    both = tensors | projector_to_vpgtrans(LinearProjector(5, 7), "opt")
    with pytest.raises(ValueError, match="has opt_proj and llama_proj"):
        projector_from_vpgtrans(both)
    with pytest.raises(ValueError, match=r"unknown: ln_vision.weight"):
        projector_from_vpgtrans({**tensors, "ln_vision.weight": torch.zeros(3)})
    with pytest.raises(ValueError, match=r"missing: llama_proj.bias"):
        projector_from_vpgtrans({"llama_proj.weight": torch.zeros(7, 5)})
    with pytest.raises(ValueError, match=r"unknown: opt_model.lm_head.weight"):
        projector_from_vpgtrans({**tensors, "opt_model.lm_head.weight": torch.zeros(3)})
    with pytest.raises(ValueError, match="kind='gpt': the released code knows opt, t5, llama"):
        projector_to_vpgtrans(LinearProjector(5, 7), "gpt")


def test_stage_1_s_projector_goes_into_a_model_and_leaves_the_rest():
    _, file = vl_llama(1)
    ours = from_hf(blip2("llama", 1))
    head = [p.clone() for p in ours.vpg.head.parameters()]
    new = randomise(LinearProjector(ours.projector.in_features, ours.projector.out_features), 4)
    load_stage1(projector_to_vpgtrans(new, "llama"), ours)
    assert torch.equal(ours.projector.weight, new.weight)
    assert all(map(torch.equal, head, ours.vpg.head.parameters()))
    with pytest.raises(ValueError, match="weight has the shape"):
        load_stage1(projector_to_vpgtrans(LinearProjector(5, 7), "llama"), ours)
    with pytest.raises(ValueError, match="unknown: Qformer"):
        load_stage1(file, ours)
