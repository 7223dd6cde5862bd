"""Flamingo as a model: the frozen part stays itself, odd documents work, images are read once."""

from dataclasses import replace

import pytest
import torch
from transformers import LlamaForCausalLM

from course_lib.backbones.language import LanguageModel
from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.data.conversation_batch import rows_batch
from course_lib.data.interleaved import Chunk, document_row
from course_lib.data.prompts import generation_batch, image_token_id
from course_lib.fusion.cross_attention import GatedCrossAttention
from course_lib.fusion.gated_layers import GatedLayers
from course_lib.gated_vlm import GatedVLM
from course_lib.recipes import flamingo
from course_lib.training.loop import train
from course_lib.training.stages import Stage, frozen_fingerprint
from course_lib.vlm import VPG
from tests.tiny_models import language_model, randomise, text_config
from tests.tiny_runs import tiny_encoder

E, PATCHES = 16, 36
KINDS = ("llama", "opt")
TOKENIZERS = {kind: build_tokenizer(kind) for kind in KINDS}


def numbers(every=1):
    found = flamingo.scale("toy")
    resampler = replace(
        found.resampler,
        hidden_size=E,
        num_latents=3,
        num_attention_heads=2,
        head_dim=6,
        intermediate_size=24,
    )
    gated = replace(
        found.gated,
        hidden_size=32,
        visual_size=E,
        num_attention_heads=2,
        head_dim=6,
        intermediate_size=24,
        every=every,
    )
    return replace(found, resampler=resampler, gated=gated)


def tiny(kind="llama", closed=True, every=1, encoder=None):
    """Returns a Flamingo of random weights; closed=False opens its gates."""
    tokenizer = TOKENIZERS[kind]
    language = LanguageModel(language_model(kind, 2, vocabulary=len(tokenizer))).eval()
    language.requires_grad_(False)
    model = flamingo.build(numbers(every), encoder, language, image_token_id(tokenizer))
    if not closed:
        randomise(model.vpg.head, 3)
        randomise(model.gated, 4)
    return model.eval()


def pictures(count, seed=0):
    return torch.randn(count, PATCHES, E, generator=torch.Generator().manual_seed(seed))


def batch_of(kind, *documents, prompt=False):
    """Makes a batch of documents with random image features, padded right, or left for prompts."""
    tokenizer = TOKENIZERS[kind]
    rows = [document_row(tokenizer, document) for document in documents]
    count = sum(len(row.images) for row in rows)
    if not prompt:
        return rows_batch(
            rows, tokenizer.pad_token_id, lambda _: {"image_features": pictures(count)}
        )
    batch = generation_batch(tokenizer, [row.ids for row in rows], False)
    return batch | ({"image_features": pictures(count)} if count else {})


def shot(answer, *images, question="what is at top-left?"):
    return Chunk(f"question: {question} answer:", answer, images)


DOCUMENTS = {
    "one image": [shot("red", "0")],
    "no image": [shot("red"), shot("blue")],
    "two in a row": [shot("red", "0", "1"), shot("blue", "2")],
    "image last": [shot("red", "0"), Chunk("", images=("1",))],
    "text first": [shot("red"), shot("blue", "0")],
    "nothing but an image": [shot("red", "0"), Chunk("", "blue", ("1",))],
}


def bare_logits(model, batch):
    language = model.language
    return language.logits(language.embed(batch["input_ids"]), batch["attention_mask"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DOCUMENTS)
@torch.no_grad()
def test_with_closed_gates_it_is_its_language_model_bit_by_bit(kind, name):
    model = tiny(kind)
    batch = batch_of(kind, DOCUMENTS[name], DOCUMENTS["one image"])
    assert all(not model.get_parameter(gate).any() for gate in flamingo.gate_names(model))
    assert len(flamingo.gate_names(model)) == 4
    bare = bare_logits(model, batch)
    assert (model.logits(batch) - bare).abs().max().item() == 0.0
    for gate in flamingo.gate_names(model):
        model.get_parameter(gate).fill_(0.5)
    assert (model.logits(batch) - bare).abs().max() > 1e-2


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_the_language_model_is_untouched_before_and_after(kind):
    alone = language_model(kind, 2, vocabulary=len(TOKENIZERS[kind]))
    model = tiny(kind, closed=False)
    batch = batch_of(kind, DOCUMENTS["one image"])
    before = bare_logits(model, batch)
    model(batch), model.generate(batch, 2)
    assert type(model.language.model) is type(alone)
    assert list(model.language.model.state_dict()) == list(alone.state_dict())
    assert torch.equal(bare_logits(model, batch), before)
    broken = {**batch, "image_features": pictures(2)}
    with pytest.raises(ValueError, match="1 image tags and 2 images"):
        model(broken)
    assert all(not module._forward_pre_hooks for module in model.modules())
    assert torch.equal(bare_logits(model, batch), before)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_odd_documents_have_a_loss_and_gradients(name):
    model = tiny(closed=False)
    for part in (model.vpg.head, model.gated):
        part.requires_grad_(True)
    loss = model(batch_of("llama", DOCUMENTS[name]))
    loss.backward()
    assert loss.isfinite()
    trained = [p for part in (model.vpg.head, model.gated) for p in part.parameters()]
    # Without an image nothing is looked at: zero, and not None, for which processes would wait.
    assert all(p.grad is not None and p.grad.isfinite().all() for p in trained)
    assert bool(model.vpg.head.latents.grad.any()) == (name != "no image")
    assert model.gated.layers[0].feed_forward.up.weight.grad.any()
    assert all(p.grad is None for p in model.language.parameters())


@torch.no_grad()
def test_of_two_images_in_a_row_words_read_the_second():
    model = tiny(closed=False, every=2)  # one layer, in front of block 0
    batch = batch_of("llama", [shot("red", "0", "1")])
    ids = batch["input_ids"]
    block, inputs = model.language.model.get_decoder().layers[0], {}

    def note(module, args, kwargs):
        inputs["x"] = args[0] if args else kwargs["hidden_states"]

    def look(features):
        with model.shown({**batch, "image_features": features}):
            handle = block.register_forward_pre_hook(note, with_kwargs=True)
            model.language.logits(model.language.embed(ids), batch["attention_mask"])
            handle.remove()
        return inputs["x"]

    features = pictures(2)
    before = look(features)
    for image, expected in ((0, [1]), (1, list(range(2, ids.shape[1])))):
        changed = features.clone()
        changed[image] += torch.randn(PATCHES, E, generator=torch.Generator().manual_seed(9))
        moved = (look(changed) - before).abs().amax(-1)[0] > 1e-6
        assert moved.nonzero().flatten().tolist() == expected


@torch.no_grad()
def test_an_image_at_the_end_changes_no_word_in_front_of_it():
    model = tiny(closed=False)
    batch = batch_of("llama", DOCUMENTS["image last"])
    changed = {**batch, "image_features": batch["image_features"].clone()}
    changed["image_features"][1] += 1 + torch.arange(E)
    one, other = model.logits(batch), model.logits(changed)
    assert torch.equal(one[:, :-1], other[:, :-1]) and not torch.equal(one[:, -1], other[:, -1])
    assert torch.equal(model(batch), model(changed))


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_writing_reads_each_image_once_and_writes_what_no_cache_writes(kind, monkeypatch):
    calls = {"encoder": 0, "resampler": 0, "keys and values": 0}
    model = tiny(kind, closed=False, encoder=tiny_encoder(drop_cls=True))

    def count(name, real):
        def counted(*args, **kwargs):
            calls[name] += 1
            return real(*args, **kwargs)

        return counted

    monkeypatch.setattr(model.vpg.encoder, "forward", count("encoder", model.vpg.encoder.forward))
    monkeypatch.setattr(model.vpg.head, "forward", count("resampler", model.vpg.head.forward))
    monkeypatch.setattr(
        GatedCrossAttention,
        "project_visual",
        count("keys and values", GatedCrossAttention.project_visual),
    )
    batch = batch_of(kind, [shot("red", "0"), shot("", "1")], [shot("", "2")], prompt=True)
    batch.pop("image_features")
    batch["pixel_values"] = torch.rand(3, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    written = model.generate(batch, 6, eos_token_id=())
    assert calls == {"encoder": 1, "resampler": 1, "keys and values": 2}
    ids, mask = batch["input_ids"], batch["attention_mask"]
    for step in range(6):
        whole = {**batch, "input_ids": ids, "attention_mask": mask}
        word = model.logits(whole)[:, -1].argmax(-1)
        assert word.tolist() == [row[step] for row in written]
        ids = torch.cat([ids, word[:, None]], dim=1)
        mask = torch.nn.functional.pad(mask, (0, 1), value=1)
    assert calls["resampler"] == 7


@torch.no_grad()
def test_more_images_than_ever_in_training_are_read_one_by_one():
    model = tiny(closed=False, every=2)
    many = batch_of("llama", [Chunk("", images=tuple(map(str, range(20))))])
    assert model.logits(many).isfinite().all()
    assert many["input_ids"].shape == (1, 21)


@torch.no_grad()
def test_layers_in_front_of_blocks_that_n_does_not_divide():
    config = text_config("llama", vocabulary=len(TOKENIZERS["llama"]))
    config.num_hidden_layers = 5
    language = LanguageModel(randomise(LlamaForCausalLM(config), 2))
    tag = image_token_id(TOKENIZERS["llama"])
    model = flamingo.build(numbers(every=2), None, language, tag)
    assert model.gated.places == (0, 2, 4)
    batch = batch_of("llama", DOCUMENTS["one image"])
    assert torch.equal(model.logits(batch), bare_logits(model, batch))
    with pytest.raises(ValueError, match=r"every 6 blocks.*has 5"):
        flamingo.build(numbers(every=6), None, language, tag)


def test_layers_that_are_in_already_are_named():
    model, batch = tiny(), batch_of("llama", DOCUMENTS["one image"])
    with model.shown(batch), pytest.raises(ValueError, match=r"installed already.*\[0, 1\]"):
        model(batch)
    model(batch)
    other = GatedLayers(numbers().gated, 2)
    with other.install(model.language.model), pytest.raises(ValueError, match="already"):
        model(batch)
    with other.install(model.language.model), pytest.raises(ValueError, match="already"):
        flamingo.build(numbers(), None, model.language, model.image_token_id)
    model(batch)


def test_what_it_cannot_be_built_of():
    tokenizer, model = TOKENIZERS["llama"], tiny()
    tag = image_token_id(tokenizer)
    with pytest.raises(ValueError, match=rf"id {len(tokenizer)}, the language model knows"):
        GatedVLM(model.vpg, model.gated, model.language, len(tokenizer))
    with pytest.raises(ValueError, match="drop_cls=True"):
        flamingo.build(numbers(), tiny_encoder(), model.language, tag)
    with pytest.raises(ValueError, match="2 blocks of width 32"):
        flamingo.build(flamingo.scale("toy"), None, model.language, tag)
    with pytest.raises(ValueError, match="decoder-only"):
        flamingo.build(numbers(), None, LanguageModel(language_model("t5")), tag)
    with pytest.raises(ValueError, match="'tiny'"):
        flamingo.scale("tiny")


@torch.no_grad()
def test_a_tag_in_the_padding_is_no_image():
    model, tokenizer = tiny(closed=False), TOKENIZERS["llama"]
    batch = batch_of("llama", DOCUMENTS["one image"], DOCUMENTS["text first"])
    padding = batch["attention_mask"] == 0
    assert padding.any()
    filled = {
        **batch,
        "input_ids": batch["input_ids"].masked_fill(padding, image_token_id(tokenizer)),
    }
    assert torch.equal(model(filled), model(batch))


def test_one_batch_is_learned_by_heart_and_what_is_frozen_stays():
    model = tiny()
    stage = Stage("tiny", flamingo.TRAINABLE, 40, 2, 3e-2, weight_decay=0.0)
    kind = [[shot("red", "0"), shot("blue", "1")], [shot("green", "2"), shot("red", "3")]]
    batch = batch_of("llama", *kind)
    before = frozen_fingerprint(model, stage)
    rows = train(model, stage, lambda step: batch, seed=0, progress=False)
    assert rows[-1]["loss"] < 0.2 * rows[0]["loss"]
    assert frozen_fingerprint(model, stage) == before
    assert model.gated.gate_values().min() > 0
    assert isinstance(model.vpg, VPG)


@pytest.mark.parametrize("name", flamingo.SCALES)
def test_the_numbers_of_each_scale_fit_each_other(name):
    found = flamingo.scale(name)
    assert found.gated.visual_size == found.resampler.hidden_size
    with torch.device("meta"):
        layers = GatedLayers(found.gated, 32)
    if name == "a100":  # the paper's 9B: 1.6B in 10 layers; LLaMA's 32 blocks give 8
        assert len(layers.places) == 8
        assert 1.3e9 < sum(p.numel() for p in layers.parameters()) < 1.6e9
