"""The toy tokenizers: one word list, different ids, known roles, nothing unknown in the world."""

import numpy as np
import pytest
from transformers import AutoTokenizer

from course_lib.backbones.tokenizers import FAMILIES, build_tokenizer, unknown_words
from course_lib.world import sample_scenes
from course_lib.world.documents import document
from course_lib.world.language import captions, noisy_caption
from course_lib.world.vocabulary import NUM_SYMBOLS, symbols, words


@pytest.fixture(scope="module")
def tokenizers():
    return {name: build_tokenizer(name) for name in FAMILIES}


def test_symbols_are_reserved():
    assert len(set(symbols())) == NUM_SYMBOLS and not set(symbols()) & set(words())


@pytest.mark.parametrize("name", FAMILIES)
def test_captions_come_back_as_they_were(tokenizers, name):
    tokenizer = tokenizers[name]
    for scene in sample_scenes(60, 0):
        for text in captions(scene)[:3]:
            assert tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True) == text


@pytest.mark.parametrize("name", FAMILIES)
def test_no_word_of_the_world_is_unknown(tokenizers, name):
    tokenizer, rng = tokenizers[name], np.random.default_rng(0)
    texts = [piece.text for _ in range(300) for piece in document(rng)]
    texts += [noisy_caption(scene, rng) for scene in sample_scenes(100, 0)]
    texts += [" ".join(symbols())]
    for text in texts:
        assert unknown_words(tokenizer, text) == []


def test_roles_follow_the_large_siblings(tokenizers):
    opt, t5, llama = tokenizers["opt"], tokenizers["t5"], tokenizers["llama"]
    assert (opt.bos_token_id, opt.eos_token_id, opt.pad_token_id) == (2, 2, 1)
    assert opt("red").input_ids[0] == 2 and len(opt("red").input_ids) == 2
    assert (t5.pad_token_id, t5.eos_token_id) == (0, 1) and t5("red").input_ids[-1] == 1
    assert (llama.bos_token_id, llama.eos_token_id) == (1, 2) and llama("red").input_ids[0] == 1
    clip = tokenizers["clip"]
    assert clip("red").input_ids[-1] == clip.eos_token_id == len(clip) - 1
    bert = tokenizers["bert"]
    assert bert.convert_ids_to_tokens(bert("red").input_ids) == ["[CLS]", "red", "[SEP]"]


def test_ids_differ_between_families(tokenizers):
    texts = ["red", "circle", "top-left", "large"]
    ids = {
        name: [tokenizer(text, add_special_tokens=False).input_ids[0] for text in texts]
        for name, tokenizer in tokenizers.items()
    }
    assert len({tuple(row) for row in ids.values()}) == len(ids)


def test_llama_writes_plurals_as_two_tokens(tokenizers):
    tokens = tokenizers["llama"].tokenize("three things and one bus")
    assert tokens[1:3] == ["thing", "##s"]
    assert tokenizers["opt"].tokenize("three things") == ["three", "things"]
    decoded = tokenizers["llama"].decode(tokenizers["llama"]("three things.").input_ids[1:])
    assert decoded == "three things."


def test_unknown_words_are_named_once(tokenizers):
    found = unknown_words(tokenizers["opt"], "a turquoise Zebra, a turquoise circle")
    assert found == ["turquoise", "Zebra"]


def test_a_saved_tokenizer_opens_again(tokenizers, tmp_path):
    tokenizers["opt"].save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    text = "a small red circle at top-left <image>."
    assert again(text).input_ids == tokenizers["opt"](text).input_ids
    assert again.convert_tokens_to_ids("<image>") == tokenizers["opt"].convert_tokens_to_ids(
        "<image>"
    )


def test_an_unknown_family_names_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'llama'"):
        build_tokenizer("lama")
