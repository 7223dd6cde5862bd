"""Small tokenizers that behave as those of LLaMA on the Hub do, trained in a moment.

Spaces are part of a word (▁red), a text gets one in front, and what is not in the vocabulary is
written as bytes (a newline is <0x0A>). Where the space in front comes from differs: "first" adds
it at the start of a text alone, "always" behind a special token too, and "normalizer" is how files
of the slow tokenizer were converted.
"""

from functools import cache

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import LlamaTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from course_lib.backbones.tokenizers import IMAGE_TOKEN
from course_lib.data.chat_templates import TEMPLATES

KINDS = ("first", "always", "normalizer")
_SPECIAL = ["<unk>", "<s>", "</s>"]
_TEXTS = [
    *(template.system for template in TEMPLATES.values()),
    "USER: what is at the top left? ASSISTANT: a red circle, and a blue square.",
    "Human: how many things are there? Assistant: there are three things. ### ## #",
    "describe the picture. because it is round, why not? yes, no, seven is odd.",
]


@cache
def _trained() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Returns a vocabulary with all bytes, and the merges."""
    learner = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    learner.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=_SPECIAL + [f"<0x{byte:02X}>" for byte in range(256)],
        show_progress=False,
    )
    learner.train_from_iterator(_TEXTS * 4, trainer)
    import json

    model = json.loads(learner.to_str())["model"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]]


def llama_like(kind: str, image: bool = True) -> PreTrainedTokenizerBase:
    """Builds a tokenizer of one of `KINDS`, with or without `<image>`."""
    vocabulary, merges = _trained()
    extra = {"extra_special_tokens": [IMAGE_TOKEN]} if image else {}
    roles = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    if kind == "first":
        return LlamaTokenizer(vocab=vocabulary, merges=merges, legacy=False, **roles, **extra)
    model = models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    tokenizer = Tokenizer(model)
    if kind == "always":
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(
            replacement="▁", prepend_scheme="always", split=False
        )
    else:
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **roles, **extra)
