"""Binding in text: what is asked for follows from what stands before, and the measure counts it."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.world.scene import COLOURS, KINDS
from course_lib.world.vocabulary import symbols
from course_lib.zoo import shots
from course_lib.zoo.registry import builders

TOKENIZER = build_tokenizer("llama")


def pairs(pieces):
    body = pieces[1:]
    return list(zip(body[::2], body[1::2], strict=True))


@pytest.mark.parametrize("form", shots.FORMS)
def test_a_symbol_is_asked_for_from_its_second_showing_on(form):
    rng = np.random.default_rng(0)
    for _ in range(60):
        pieces = shots.pairs_document(rng, form, shots=7, kinds=3)
        meaning, shown = {}, pairs(pieces)
        assert (pieces[0].text, pieces[0].mark, len(shown)) == ("", "bos", 8)
        for thing, symbol in shown:
            (name,) = {*thing.text.split()} & {*KINDS} or {thing.text} & {*COLOURS}
            assert symbol.text in symbols() and not thing.target
            assert symbol.target == (name in meaning)
            assert meaning.setdefault(name, symbol.text) == symbol.text
        assert len(meaning) == len(set(meaning.values())) == 3


def test_a_query_asks_for_the_last_symbol_alone():
    rng = np.random.default_rng(1)
    for _ in range(30):
        shown = pairs(shots.pairs_document(rng, "words", shots=4, query=True))
        assert [symbol.target for _, symbol in shown] == [False] * 4 + [True]
        assert shown[-1][0].text in {thing.text for thing, _ in shown[:-1]}
        assert len({thing.text for thing, _ in shown[:-1]}) == 2


def test_a_batch_is_a_function_of_its_step_and_keeps_its_share():
    one, same, other = (
        shots.shots_batch(TOKENIZER, 0, step, 9, shots.READING) for step in (3, 3, 4)
    )
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not torch.equal(one["input_ids"], other["input_ids"])
    words = set(TOKENIZER.convert_tokens_to_ids(list(symbols())))
    said = set(one["labels"].unique().tolist()) - {-100, TOKENIZER.eos_token_id}
    assert said <= words
    none = shots.shots_batch(TOKENIZER, 0, 3, 9, shots.READING, share=0.0)
    assert not set(none["labels"].unique().tolist()) <= words | {-100, TOKENIZER.eos_token_id}


class Induction(torch.nn.Module):
    """Says what followed the last time that the present word was there: binds words, not scenes."""

    def forward(self, input_ids, attention_mask):
        logits = torch.zeros(*input_ids.shape, len(TOKENIZER))
        for row, ids in enumerate(input_ids.tolist()):
            for place, word in enumerate(ids):
                before = [p for p in range(place) if ids[p] == word]
                said = ids[before[-1] + 1] if before else word
                logits[row, place, TOKENIZER.eos_token_id if word in SYMBOLS else said] = 1
        return SimpleNamespace(logits=logits)


SYMBOLS = set(TOKENIZER.convert_tokens_to_ids(list(symbols())))


def test_who_copies_binds_words_and_who_does_not_read_binds_nothing():
    found = shots.shots_scores(Induction(), TOKENIZER, documents=40)
    assert found["binding, words, 2 shots"] == found["binding, words, 8 shots"] == 1.0
    assert found["binding, scenes, 8 shots"] < 0.9

    def blind(input_ids, attention_mask):
        return SimpleNamespace(logits=torch.zeros(*input_ids.shape, len(TOKENIZER)))

    assert set(shots.shots_scores(blind, TOKENIZER, documents=10).values()) == {0.0}


def test_the_zoo_makes_it_from_the_llama_that_ships():
    entry = builders()["llama-shots"]()
    assert [one.stage.steps for one in entry.rounds] == [250, 300]
    assert entry.tokenizer[0] == "llama" and entry.rounds[1].batch(0)["input_ids"].shape[0] == 64
