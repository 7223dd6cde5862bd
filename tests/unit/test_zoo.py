"""The zoo's builders: batches repeat, a few steps go all the way, gates say what greedy would."""

import json

import numpy as np
import pytest
import torch

from course_lib.backbones.language import LanguageModel
from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.world.documents import Mix, Piece, document
from course_lib.world.drills import place_drill
from course_lib.zoo import build as build_module
from course_lib.zoo import clip, clip_data, gates, lm, paths, reading


@pytest.mark.parametrize("phase", ["quadrant", "scene"])
def test_a_clip_batch_depends_on_its_step_alone(phase):
    one, two = (clip_data.clip_batch(0, 7, phase, 16) for _ in range(2))
    assert torch.equal(one["pixel_values"], two["pixel_values"]) and one["texts"] == two["texts"]
    assert one["same"].diagonal().all() and torch.equal(one["same"], one["same"].T)


def test_quadrant_tokens_take_each_patch_once():
    tokens = clip.quadrant_tokens(8)
    assert tokens.shape == (4, 9) and sorted(tokens.flatten().tolist()) == list(range(1, 37))
    assert tokens[0].tolist() == [1, 2, 3, 7, 8, 9, 13, 14, 15]


def test_siblings_differ_in_one_attribute():
    scenes = clip_data.sibling_scenes(np.random.default_rng(0), 16, group=8)
    for start in (0, 8):
        for scene in scenes[start : start + 8]:
            pairs = zip(scene.things, scenes[start].things, strict=True)
            changed = [
                name
                for one, other in pairs
                for name in ("kind", "colour", "size", "place")
                if getattr(one, name) != getattr(other, name)
            ]
            assert len(changed) <= 1


def test_causal_batches_repeat_and_label_targets_alone():
    tokenizer = build_tokenizer("opt", lm.CONTEXT)
    one, two = (reading.causal_batch(tokenizer, 0, 3, 4, reading.Reading(Mix())) for _ in range(2))
    assert all(torch.equal(one[key], two[key]) for key in one)
    labelled = one["labels"] != -100
    assert (one["labels"][labelled] == one["input_ids"][labelled]).all()
    assert one["position_ids"].max() < lm.CONTEXT
    assert 0.05 < labelled.float().mean() < 0.5


def test_seq2seq_rows_say_what_is_not_read():
    tokenizer, rng = build_tokenizer("t5", lm.CONTEXT), np.random.default_rng(0)
    for _ in range(30):
        pieces = document(rng)
        for read, said in [reading.seq2seq_row(tokenizer, pieces, rng) for _ in range(4)]:
            whole = tokenizer.decode(read + said, skip_special_tokens=True).replace(" ", "")
            ends = [piece.text.replace(" ", "") for piece in pieces if piece.target]
            assert any(whole.endswith(end) for end in ends)


def test_a_binding_of_symbols_is_read_whole():
    """Without its earlier shots nobody could know what a symbol means."""
    tokenizer, rng = build_tokenizer("t5", lm.CONTEXT), np.random.default_rng(0)
    shot, other = Piece("small red 3 top-left . this is a"), Piece("large blue 7 top-left .")
    pieces = [Piece("", "bos"), shot, Piece("dax", "eos"), shot, Piece("dax", "eos", target=True)]
    pieces += [other, Piece("zug", "eos"), other, Piece("zug", "eos", target=True)]
    for read, said in [reading.seq2seq_row(tokenizer, pieces, rng) for _ in range(4)]:
        assert read.count(said[0]) == 1


@pytest.mark.parametrize("name", ["opt", "t5"])
def test_the_gate_counts_what_greedy_decoding_would_write(name):
    tokenizer = build_tokenizer(name, lm.CONTEXT)
    model = (lm.build_opt() if name == "opt" else lm.build_t5()).eval()
    documents = gates.gate_documents(6)["kind"]
    torch.manual_seed(0)
    with torch.no_grad():
        # A head that prefers one answer: some documents are right, others wrong.
        model.get_output_embeddings().weight.normal_(std=0.02)
    measure = gates._right_seq2seq if name == "t5" else gates._right_causal
    wrapped, right = LanguageModel(model), []
    for pieces in documents:
        if name == "t5":
            ids = tokenizer(" ".join(piece.text for piece in pieces[:-1])).input_ids
        else:
            ids, _ = reading.encode(tokenizer, pieces[:-1])
        embeds = wrapped.embed(torch.tensor([ids]))
        said = wrapped.generate_greedy(embeds, torch.ones(1, len(ids)), max_new_tokens=2)[0]
        right.append(tokenizer.decode(said) == pieces[-1].text)
    assert measure(model, tokenizer, documents) == pytest.approx(np.mean(right))


def test_encoder_rows_label_cues_and_leave_answers_out():
    tokenizer, rng = build_tokenizer("t5", lm.CONTEXT), np.random.default_rng(0)
    for level in (0, 1, 2):
        pieces = place_drill(rng, "train", level, both_ways=True)
        ids, labels = reading.encoder_row(tokenizer, pieces, rng)
        text = " ".join(piece.text for piece in pieces if not piece.target)
        assert ids == tokenizer(text, add_special_tokens=False).input_ids
        said = [tokenizer.decode(label) for label in labels if label != -100]
        assert said == [piece.text.split()[0] for piece in pieces if piece.target]


def test_an_encoder_batch_gives_the_decoder_no_gradient():
    tokenizer = build_tokenizer("t5", lm.CONTEXT)
    read = reading.Reading(Mix(), drill=1.0, first_level=0, both_ways=True)
    module = lm.Seq2SeqPretraining(lm.build_t5())
    module(reading.encoder_batch(tokenizer, 0, 0, 9, read)).backward()
    assert all(p.grad is None for p in module.model.decoder.block.parameters())
    bias = module.model.encoder.block[0].layer[0].SelfAttention.relative_attention_bias.weight
    assert bias.grad.abs().sum() > 0 and bias[[1, 2, 3], 0].min() > 3


def test_the_drill_is_a_share_of_the_documents_and_its_level_grows():
    rng = np.random.default_rng(0)
    drill = reading.Reading(Mix(), drill=1.0, first_level=0)

    def asked(step, read):
        documents = [read.draw(rng, step, 9) for _ in range(40)]
        return {p.text.split()[0] for d in documents for p in d[1:] if not p.target}

    assert not asked(0, drill) & {"the", "question:"}
    assert "the" in asked(3, drill) and "question:" not in asked(3, drill)
    assert {"the", "question:"} <= asked(6, drill)


def test_a_later_round_starts_from_what_ships(tmp_path, monkeypatch):
    from transformers import AutoModelForCausalLM

    monkeypatch.setattr(paths, "MODELS", tmp_path / "models")
    monkeypatch.setattr(build_module, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(gates, "lm_scores", lambda model, tokenizer: {"caption": 0.5})
    rounds = len(build_module.builders()["opt"]().rounds)
    whole = build_module.build("opt", steps=1, progress=False)
    assert whole["steps"] == rounds and len(list((tmp_path / "runs").iterdir())) == rounds

    def weights():
        model = AutoModelForCausalLM.from_pretrained(tmp_path / "models" / "opt")
        return model.state_dict()["model.decoder.layers.0.fc1.weight"]

    shipped = weights()
    build_module.build("opt", steps=1, first_round=rounds, resume=True, progress=False)
    assert torch.equal(weights(), shipped)  # that round was finished: nothing was left to do
    with pytest.raises(ValueError, match=f"round {rounds + 1}"):
        build_module.build("opt", first_round=rounds + 1)


def test_a_few_steps_write_a_directory_that_opens(tmp_path, monkeypatch):
    from transformers import CLIPModel

    monkeypatch.setattr(paths, "MODELS", tmp_path / "models")
    monkeypatch.setattr(build_module, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(clip_data, "single_thing_scenes", _few(clip_data.single_thing_scenes))
    monkeypatch.setattr("course_lib.zoo.probes.probe_scores", lambda model: {"digit": 0.5})
    monkeypatch.setattr("course_lib.zoo.probes.PROBE_GATES", {"digit": 0.9})
    monkeypatch.setattr("course_lib.zoo.probes.place_score", lambda model: 0.5)
    card = build_module.build("clip", steps=2, progress=False)
    assert card["passed"] is False and card["steps"] == 2
    target = tmp_path / "models" / "clip"
    assert json.loads((target / "card.json").read_text()) == card
    assert "| digit | 0.500 | 0.9 |" in (target / "README.md").read_text()
    model = CLIPModel.from_pretrained(target, dtype=torch.float32)
    assert model.config.vision_config.patch_size == 8
    assert (target / "model.safetensors").stat().st_size < 10_000_000


def _few(make):
    return lambda rng, count: make(rng, 8)
