"""What the zoo's chat model reads: conversations about scenes in words, and documents as before."""

import re

import numpy as np
import pytest
import torch

from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.instructions.facts import HELD_OUT, held_out_in_text
from course_lib.instructions.symbols import TYPES
from course_lib.world.documents import Mix
from course_lib.world.language import scene_in_words
from course_lib.world.questions import SIDES
from course_lib.world.scene import sample_scenes
from course_lib.zoo import chat
from course_lib.zoo.lm import CONTEXT, CausalPretraining, build_llama
from course_lib.zoo.reading import Reading, encode

TOKENIZER = build_tokenizer("llama", CONTEXT)
READING = Reading(Mix(), first_things=3)


def words(ids):
    return TOKENIZER.decode(ids)


@pytest.mark.parametrize("type", TYPES)
def test_labels_are_the_answers_and_their_stops(type):
    rng = np.random.default_rng(0)
    for scene in sample_scenes(20, 1, "train"):
        turns = chat.turns_about(scene, type, rng)
        ids, labels = chat.chat_row(TOKENIZER, scene_in_words(scene, rng), turns)
        said = [id for id in labels if id != -100]
        assert words(said) == " ".join(f"{turn.answer} </s>" for turn in turns)
        assert all(label in (-100, id) for id, label in zip(ids, labels, strict=True))
        assert TOKENIZER.unk_token_id not in ids and len(ids) < CONTEXT


def test_a_batch_repeats_and_holds_no_fact_that_is_held_out():
    batch = chat.chat_batch(TOKENIZER, 0, 3, 10, READING)
    again = chat.chat_batch(TOKENIZER, 0, 3, 10, READING)
    assert all(torch.equal(batch[key], again[key]) for key in batch)
    chats = [row for row in batch["input_ids"] if "assistant" in words(row[:24])]
    assert 30 < len(chats) < 64
    for ids, labels in zip(batch["input_ids"], batch["labels"], strict=True):
        if "assistant" in words(ids[:24]):
            assert not held_out_in_text(words(labels[labels != -100]))


def test_the_batch_trains_and_the_gate_starts_at_nothing():
    model = CausalPretraining(build_llama(width=32, layers=1))
    loss = model(chat.chat_batch(TOKENIZER, 0, 0, 10, READING))
    loss.backward()
    assert loss.isfinite() and model.model.lm_head.weight.grad.abs().max() > 0
    scores = chat.chat_scores(model.model.eval(), TOKENIZER, per_type=8)
    assert set(scores) == {*(f"chat, {type}" for type in TYPES), "chat, held-out facts"}
    assert max(scores.values()) == 0


def test_statements_hold_every_fact_and_none_is_false():
    rng, said = np.random.default_rng(0), set()
    for _ in range(200):
        pieces = chat.statements(rng)
        text = " ".join(piece.text for piece in pieces).strip()
        said |= set(held_out_in_text(text))
        for first, second in zip(pieces[1::2], pieces[2::2], strict=True):
            assert not first.target and second.target
            words, answer = first.text.split(), second.text.split()[0].rstrip(".")
            if words[-1] == "is":
                assert answer == ("odd" if int(words[0]) % 2 else "even")
            elif words[-1] == "has":
                assert answer == SIDES[words[1]]
            else:
                assert answer == max(re.findall(r"\d", first.text))
        ids, labels = encode(TOKENIZER, pieces)
        assert TOKENIZER.unk_token_id not in ids and sum(label != -100 for label in labels) > 6
    assert said == HELD_OUT
