"""Pairs of words: shared spellings, captions of equal length, and what is too little."""

from types import SimpleNamespace

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.data.word_pairs import caption_pairs, shared_words, tidy_caption
from course_lib.world.language import captions
from course_lib.world.scene import sample_scenes

TEXTS = [text for scene in sample_scenes(60, 0, "train") for text in captions(scene)]


@pytest.fixture(scope="module")
def tokenizers():
    return {name: build_tokenizer(name) for name in ("opt", "llama", "t5")}


def words_of(pairs, source, target):
    one, other = source.convert_ids_to_tokens, target.convert_ids_to_tokens
    return [(one(a), other(b)) for a, b in pairs]


def tiny(words, template="$A", space="", **roles):
    """Builds a tokenizer of a few words, which may write a space before each of them."""
    names = [*roles.values(), "<unk>", *(space + word for word in words)]
    ids = {name: index for index, name in enumerate(dict.fromkeys(names))}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if space:
        scheme = {"replacement": space, "prepend_scheme": "always"}
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(**scheme)
    used = [token for token in template.split() if token != "$A"]
    special = [(token, ids[token]) for token in used]
    tokenizer.post_processor = processors.TemplateProcessing(template, special_tokens=special)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", **roles)


def test_words_that_both_vocabularies_spell_the_same(tokenizers):
    opt, t5 = tokenizers["opt"], tokenizers["t5"]
    pairs = shared_words(opt, t5)
    named = words_of(pairs, opt, t5)
    assert len(pairs) == len(opt) - 5 and all(a == b for a, b in named)
    assert not {a for a, _ in named} & {"</s>", "<pad>", "<unk>", "<image>", "<s>"}
    assert [a for a, _ in pairs] == sorted(a for a, _ in pairs)
    llama = words_of(shared_words(opt, tokenizers["llama"]), opt, tokenizers["llama"])
    assert ("circle", "circle") in llama and ("circles", "circles") not in llama


def test_a_space_is_a_space_however_it_is_written():
    words = [f"word{i}" for i in range(30)]
    gpt, piece = tiny(words, space="Ġ"), tiny(words, space="▁")
    assert len(shared_words(gpt, piece)) == 30
    with pytest.raises(ValueError, match=r"31 and 30 words, share 0 of them, .* at least 20"):
        shared_words(tiny([*words, "one"], space="Ġ"), tiny(words))


def test_captions_pair_each_word_with_itself_between_opt_and_t5(tokenizers):
    opt, t5 = tokenizers["opt"], tokenizers["t5"]
    found = caption_pairs(opt, t5, TEXTS)
    assert found.tried == len(found.captions) == len(TEXTS)
    for text, pairs in zip(TEXTS, found.captions, strict=True):
        named = words_of(pairs, opt, t5)
        assert " ".join(a for a, _ in named).replace(" ,", ",") == tidy_caption(text)
        assert all(a == b for a, b in named)
    assert found.distinct == len({p for pairs in found.captions for p in pairs})


def test_llama_keeps_both_starts_and_loses_captions_of_other_length(tokenizers):
    opt, llama = tokenizers["opt"], tokenizers["llama"]
    plural = sum(" things" in text or " shows" in text for text in TEXTS)
    found = caption_pairs(opt, llama, TEXTS)
    assert plural > 0 and len(found.captions) == len(TEXTS) - plural
    assert {words_of(pairs, opt, llama)[0] for pairs in found.captions} == {("</s>", "<s>")}
    # The other way round the same pairs, turned.
    back = caption_pairs(llama, opt, TEXTS)
    assert back.captions == [[(b, a) for a, b in pairs] for pairs in found.captions]


class Fixed:
    """Stands for a tokenizer that writes one text as given."""

    unk_token_id = None

    def __init__(self, ids, bos=None, eos=None):
        self.ids, self.bos_token_id, self.eos_token_id = ids, bos, eos

    def __call__(self, texts):
        return SimpleNamespace(input_ids=self.ids if isinstance(texts, str) else [self.ids])

    def get_vocab(self):
        return {"▁": 3, "▁cat": 4}


def test_t5_goes_without_its_end_and_bare_spaces_and_opt_without_its_start():
    words = list(range(10, 40))
    opt, t5 = Fixed([2, *words], bos=2, eos=2), Fixed([*words[:5], 3, *words[5:], 1], eos=1)
    assert caption_pairs(opt, t5, ["x"]).captions == [[(word, word) for word in words]]
    # Where both set a start, everything stays.
    llama = Fixed([1, 3, *words[1:]], bos=1, eos=2)
    pairs = [(2, 1), (10, 3), *((word, word) for word in words[1:])]
    assert caption_pairs(opt, llama, ["x"]).captions == [pairs]


def test_what_one_of_them_does_not_know_is_not_paired():
    words = [f"w{i}" for i in range(25)]
    some = tiny(words[:21])
    (pairs,) = caption_pairs(tiny(words), some, [" ".join(words)]).captions
    assert len(pairs) == 21
    strangers = tiny([f"v{i}" for i in range(25)])
    with pytest.raises(ValueError, match=r"Of 2 captions 0 can be paired .* with 0 distinct"):
        caption_pairs(tiny(words), strangers, [" ".join(words), words[0]])


def test_too_few_pairs_are_counted(tokenizers):
    opt, t5 = tokenizers["opt"], tokenizers["t5"]
    with pytest.raises(ValueError, match=r"Of 1 captions 1 .* 3 distinct pairs, .* at least 20"):
        caption_pairs(opt, t5, ["a red circle."])
    with pytest.raises(ValueError, match="Of 0 captions 0"):
        caption_pairs(opt, t5, [])
    assert caption_pairs(opt, t5, ["a red circle."], needed=3).distinct == 3


def test_captions_are_tidied():
    assert (
        tidy_caption(' A "Red" cat, (at 3:10);\n on~the  mat! ') == "a red cat, at 3 10 on the mat"
    )
