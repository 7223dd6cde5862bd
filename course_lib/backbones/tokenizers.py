"""Word-level tokenizers for the toy models, saved in the format of every fast tokenizer.

Each family keeps the special tokens, ids and padding habits of its large sibling: OPT starts with
</s> and pads with 1, LLaMA starts with <s>, T5 ends with </s> and pads with 0, BERT frames a text
with [CLS] and [SEP], CLIP with a start and an end token. The ids of words differ between families,
and LLaMA's tokenizer writes a plural as two tokens, so that carrying a projector from one language
model to another (VPGTrans) is a real problem here too.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from course_lib.errors import unknown_name_error
from course_lib.world.vocabulary import vocabulary

IMAGE_TOKEN = "<image>"
# Marks that stand alone wherever they are; a hyphen or an apostrophe inside a word stays in it.
_MARKS = r"###|##|[.,:;?!\"()=+/<>#%*|]|(?<![a-z])'|(?<![a-z])-|-(?![a-z])"


@dataclass(frozen=True)
class Family:
    """What distinguishes one tokenizer from another.

    Args:
        special: special tokens in the order of their ids.
        roles: which special token plays which part for transformers (bos_token, pad_token, ...).
        template: what surrounds a single text; "$A" is the text.
        shuffle: seed of the order of the words.
        plurals: True keeps plurals as words of their own, False writes them as two tokens.
        specials_last: True gives the special tokens the highest ids, as CLIP does.
    """

    special: tuple[str, ...]
    roles: dict[str, str]
    template: str
    shuffle: int
    plurals: bool = True
    specials_last: bool = False


FAMILIES = {
    "opt": Family(
        ("<s>", "<pad>", "</s>", "<unk>", IMAGE_TOKEN),
        {"bos_token": "</s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"},
        "</s> $A",
        shuffle=1,
    ),
    "llama": Family(
        ("<unk>", "<s>", "</s>", "<pad>", IMAGE_TOKEN),
        {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"},
        "<s> $A",
        shuffle=2,
        plurals=False,
    ),
    "t5": Family(
        ("<pad>", "</s>", "<unk>", IMAGE_TOKEN),
        {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"},
        "$A </s>",
        shuffle=3,
    ),
    "bert": Family(
        ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[DEC]"),
        {
            "pad_token": "[PAD]",
            "unk_token": "[UNK]",
            "cls_token": "[CLS]",
            "sep_token": "[SEP]",
            "bos_token": "[DEC]",
        },
        "[CLS] $A [SEP]",
        shuffle=4,
    ),
    "clip": Family(
        ("<unk>", "<pad>", "<|startoftext|>", "<|endoftext|>"),
        {
            "bos_token": "<|startoftext|>",
            "eos_token": "<|endoftext|>",
            "pad_token": "<pad>",
            "unk_token": "<unk>",
        },
        "<|startoftext|> $A <|endoftext|>",
        shuffle=5,
        specials_last=True,
    ),
}


def _pieces(family: Family) -> list[str]:
    """Returns the words of a family in the order of their ids, special tokens left out."""
    names = list(vocabulary())
    if not family.plurals:
        known = set(names)
        names = [w for w in names if not (w.endswith("s") and w[:-1] in known and len(w) > 3)]
        names.append("##s")
    random.Random(family.shuffle).shuffle(names)
    return names


def build_tokenizer(name: str, max_length: int = 384) -> PreTrainedTokenizerFast:
    """Builds the tokenizer of a family from the committed word list.

    Args:
        name: a key of `FAMILIES`.
        max_length: longest text that the model takes, in tokens.

    Returns:
        A tokenizer that `save_pretrained` writes and `AutoTokenizer.from_pretrained` opens.

    Raises:
        ValueError: for an unknown family.
    """
    if name not in FAMILIES:
        raise unknown_name_error("tokenizer", name, FAMILIES)
    family = FAMILIES[name]
    words = _pieces(family)
    order = words + list(family.special) if family.specials_last else list(family.special) + words
    ids = {token: index for index, token in enumerate(order)}
    unknown = family.roles["unk_token"]
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token=unknown, continuing_subword_prefix="##"))
    if family.plurals:
        tokenizer.model = models.WordLevel(ids, unk_token=unknown)
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex(_MARKS), "isolated")]
    )
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    used = [token for token in family.template.split() if token != "$A"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=family.template, special_tokens=[(token, ids[token]) for token in used]
    )
    extra = {"extra_special_tokens": [IMAGE_TOKEN]} if IMAGE_TOKEN in family.special else {}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=max_length,
        clean_up_tokenization_spaces=False,
        **family.roles,
        **extra,
    )


@cache
def _known(tokens: tuple[str, ...]) -> frozenset[str]:
    return frozenset(tokens)


def unknown_words(tokenizer: PreTrainedTokenizerFast, text: str) -> list[str]:
    """Returns the words of a text that the tokenizer can only write as "unknown", each once."""
    encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    spans: Sequence[tuple[int, int]] = encoding["offset_mapping"]
    found = [
        text[start:end]
        for token, (start, end) in zip(encoding["input_ids"], spans, strict=True)
        if token == tokenizer.unk_token_id
    ]
    return list(dict.fromkeys(re.sub(r"\s+", " ", word) for word in found))
