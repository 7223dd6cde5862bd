"""What the zoo's chat model reads: conversations about scenes in words, and documents as before."""

import numpy as np
import pytest
import torch

from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.instructions import toy_rules
from course_lib.instructions.facts import HELD_OUT, held_out_in_text
from course_lib.instructions.symbols import TYPES
from course_lib.world.documents import Mix
from course_lib.world.language import scene_in_words
from course_lib.world.scene import sample_scenes
from course_lib.zoo import chat
from course_lib.zoo.lm import CONTEXT, CausalPretraining, build_llama
from course_lib.zoo.reading import Reading

TOKENIZER = build_tokenizer("llama", CONTEXT)
READING = Reading(Mix(), first_things=3)


def words(ids):
    return TOKENIZER.decode(ids)


@pytest.mark.parametrize("type", TYPES)
def test_labels_are_the_answers_and_their_stops(type):
    rng = np.random.default_rng(0)
    for scene in sample_scenes(20, 1, "train"):
        turns = toy_rules.turns_about(scene, type, rng, every_fact=True)
        ids, labels = chat.chat_row(TOKENIZER, scene_in_words(scene, rng), turns)
        said = [id for id in labels if id != -100]
        assert words(said) == " ".join(f"{turn.answer} </s>" for turn in turns)
        assert all(label in (-100, id) for id, label in zip(ids, labels, strict=True))
        assert TOKENIZER.unk_token_id not in ids and len(ids) < CONTEXT


def test_a_batch_repeats_and_text_may_hold_every_fact():
    batch = chat.chat_batch(TOKENIZER, 0, 3, 10, READING)
    again = chat.chat_batch(TOKENIZER, 0, 3, 10, READING)
    assert all(torch.equal(batch[key], again[key]) for key in batch)
    chats = [row for row in batch["input_ids"] if "assistant" in words(row[:24])]
    assert 30 < len(chats) < 64
    rng = np.random.default_rng(0)
    scenes = sample_scenes(3000, 1, "train")
    turns = [toy_rules.turns_about(s, "reasoning", rng, every_fact=True)[0] for s in scenes]
    assert {fact for turn in turns for fact in turn.facts} >= HELD_OUT
    assert not any(held_out_in_text(turn.answer) for turn in turns if not turn.facts)


def test_the_batch_trains_and_the_gate_starts_at_nothing():
    model = CausalPretraining(build_llama(width=32, layers=1))
    loss = model(chat.chat_batch(TOKENIZER, 0, 0, 10, READING))
    loss.backward()
    assert loss.isfinite() and model.model.lm_head.weight.grad.abs().max() > 0
    scores = chat.chat_scores(model.model.eval(), TOKENIZER, per_type=8)
    assert set(scores) == {*(f"chat, {type}" for type in TYPES), "chat, held-out facts"}
    assert max(scores.values()) == 0
