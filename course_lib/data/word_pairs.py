"""Pairs of words of two language models: what a word converter (VPGTrans) is trained on.

The paper speaks of the words that both vocabularies have (arXiv 2305.01278, section 3.2):
`shared_words`. The released scripts (VPGTrans/VPGTrans, tools/linear_proj) pair the positions of
captions that both tokenizers write in as many tokens: `caption_pairs`. There frequent words come
often, and two pieces may be paired that are not the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from course_lib.converter import Pair

NEEDED = 20  # fewer distinct pairs leave too few to hold some out
BARE = "▁"  # a space that stands alone, in SentencePiece
_MARKS = re.compile(r'[.!"()*#:;~\s]+')
_SPACES = re.compile("^[Ġ▁]")  # how GPT's and SentencePiece's tokens write the space before a word


@dataclass(frozen=True)
class CaptionPairs:
    """What `caption_pairs` found.

    Args:
        captions: the pairs (source id, target id) of each caption that was kept.
        tried: how many captions were compared.
        distinct: how many different pairs there are.
    """

    captions: list[list[Pair]]
    tried: int
    distinct: int


def shared_words(
    source: PreTrainedTokenizerBase, target: PreTrainedTokenizerBase, needed: int = NEEDED
) -> list[Pair]:
    """Pairs the tokens that both vocabularies spell the same, special tokens left out.

    Args:
        source: the source's tokenizer.
        target: the target's.
        needed: pairs below which nothing can be learned.

    Returns:
        (source id, target id), in the order of the source's ids.

    Raises:
        ValueError: when too few are shared; it says how many.
    """
    own, other = _spelled(source), _spelled(target)
    pairs = sorted((own[word], other[word]) for word in own.keys() & other.keys())
    if len(pairs) < needed:
        raise ValueError(
            f"The two vocabularies, {len(own)} and {len(other)} words, share {len(pairs)} of them, "
            f"and a converter needs at least {needed}: pair them by captions (caption_pairs), or "
            "start from a random projector."
        )
    return pairs


def _spelled(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    special = set(tokenizer.all_special_tokens)
    words = {word: index for word, index in tokenizer.get_vocab().items() if word not in special}
    return {_SPACES.sub(BARE, word): index for word, index in words.items()}


def caption_pairs(
    source: PreTrainedTokenizerBase,
    target: PreTrainedTokenizerBase,
    texts: Sequence[str],
    needed: int = NEEDED,
) -> CaptionPairs:
    """Pairs the tokens of captions position by position, where both have equally many.

    Two tokenizers that both set a start token keep it. Where one sets none (T5), the start of the
    one, the end of the other and T5's bare spaces are left out. What a tokenizer does not know is
    never paired; the scripts pair that, too.

    Args:
        source: the source's tokenizer.
        target: the target's.
        texts: captions; marks and capitals are taken away first.
        needed: distinct pairs below which nothing can be learned.

    Raises:
        ValueError: when too few distinct pairs are found; it says how many, of how many captions.
    """
    tidy = [tidy_caption(text) for text in texts]
    both_start = all(_sets_start(tokenizer) for tokenizer in (source, target))
    rows = [_token_rows(tokenizer, tidy, both_start) for tokenizer in (source, target)]
    unknown = source.unk_token_id, target.unk_token_id
    kept = [
        [(a, b) for a, b in zip(own, other, strict=True) if a != unknown[0] and b != unknown[1]]
        for own, other in zip(*rows, strict=True)
        if len(own) == len(other)
    ]
    kept = [pairs for pairs in kept if pairs]
    distinct = len({pair for pairs in kept for pair in pairs})
    if distinct < needed:
        raise ValueError(
            f"Of {len(texts)} captions {len(kept)} can be paired token by token, with {distinct} "
            f"distinct pairs, and a converter needs at least {needed}: give more captions, pair "
            "the vocabularies (shared_words), or start from a random projector."
        )
    return CaptionPairs(kept, len(texts), distinct)


def tidy_caption(text: str) -> str:
    """Returns a caption in lower case without marks, but for commas, and with single spaces."""
    return _MARKS.sub(" ", text.lower()).strip()


def _sets_start(tokenizer: PreTrainedTokenizerBase) -> bool:
    start = tokenizer.bos_token_id
    return start is not None and tokenizer("a").input_ids[:1] == [start]


def _token_rows(
    tokenizer: PreTrainedTokenizerBase, texts: list[str], keep_start: bool
) -> list[list[int]]:
    rows = tokenizer(texts).input_ids if texts else []
    if keep_start:
        return rows
    if _sets_start(tokenizer):
        return [ids[1:] for ids in rows]
    end, bare = tokenizer.eos_token_id, tokenizer.get_vocab().get(BARE)
    rows = [ids[:-1] if ids[-1:] == [end] else ids for ids in rows]
    return [[index for index in ids if index != bare] for ids in rows]
