"""Opens what lies at a place: image encoders, language models, tokenizers, BERT, parts of BLIP-2.

Every file is one that the Hub has: `config.json`, weights in safetensors or, where a repository has
nothing else (OPT, Vicuna), in `pytorch_model.bin`. Letters: V words, D language width.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from course_lib.backbones.language import LanguageModel
from course_lib.backbones.language_class import language_class
from course_lib.backbones.tokenizers import IMAGE_TOKEN
from course_lib.backbones.vision import VisionEncoder, read_config, read_model
from course_lib.data.prompts import image_token_id
from course_lib.full_size.weights import is_pickled, read_parts
from course_lib.interop.blip2_hf import qformer_from_hf
from course_lib.interop.names import load_strictly
from course_lib.vpg.qformer import QFormer

_CLIP = ("clip", "clip_vision_model")
_BLIP2 = "blip-2"


def open_vision(
    place: Path, layer: int = -2, drop_cls: bool = False, dtype: torch.dtype = torch.float32
) -> VisionEncoder:
    """Opens an image encoder: a CLIP, or that of a BLIP-2.

    Args:
        place: its directory.
        layer: see `VisionEncoder`.
        drop_cls: see `VisionEncoder`.
        dtype: of the weights in memory.

    Raises:
        ValueError: for another model, or files that are missing or damaged.
    """
    from transformers import CLIPVisionModel

    kind = read_config(place).model_type
    if kind == _BLIP2:
        return VisionEncoder(_blip2_vision(place, dtype), layer, drop_cls).eval()
    if kind not in _CLIP:
        raise ValueError(
            f"{place} holds a {kind!r} model, which is no image encoder known here: give --vision "
            "a CLIP or a BLIP-2."
        )
    model = read_model(CLIPVisionModel, place, dtype, is_pickled(place))
    return VisionEncoder(model, layer, drop_cls).eval()


def open_blip2(
    place: Path, layer: int = -1, dtype: torch.dtype = torch.float32
) -> tuple[VisionEncoder, QFormer]:
    """Opens image encoder and Q-Former of a BLIP-2; its language model stays on the disk.

    Args:
        place: its directory.
        layer: of the encoder that is read; the released Q-Formers read the last one.
        dtype: of the weights in memory.

    Returns:
        (encoder, Q-Former without text half).

    Raises:
        ValueError: for another model, or files that are missing or damaged.
    """
    from transformers import Blip2QFormerModel

    config = read_config(place)
    if config.model_type != _BLIP2:
        raise ValueError(
            f"{place} holds a {config.model_type!r} model: MiniGPT-4 takes image encoder and "
            "Q-Former from a BLIP-2 of transformers, such as Salesforce/blip2-flan-t5-xl."
        )
    vision = _blip2_vision(place, dtype)
    with torch.device("meta"):
        theirs = Blip2QFormerModel(config.qformer_config)
    theirs.to_empty(device="cpu").to(dtype)
    found = read_parts(place, ("qformer.", "query_tokens"))
    queries = found.pop("query_tokens").to(dtype)
    _fill(theirs, found, "qformer.", place)
    head = qformer_from_hf(theirs.eval(), queries, vision.post_layernorm)
    return VisionEncoder(vision, layer).eval(), head


def _blip2_vision(place: Path, dtype: torch.dtype) -> nn.Module:
    from transformers import Blip2VisionModel

    with torch.device("meta"):
        model = Blip2VisionModel(read_config(place).vision_config)
    model.to_empty(device="cpu").to(dtype)
    _fill(model, read_parts(place, ("vision_model.",)), "vision_model.", place)
    return model.eval()


def _fill(model: nn.Module, tensors: Mapping[str, torch.Tensor], prefix: str, place: Path) -> None:
    """Copies tensors of a larger model into a part of it; counters of positions may be there."""
    named = {key.removeprefix(prefix): value for key, value in tensors.items()}
    named = {key: value for key, value in named.items() if not key.endswith("position_ids")}
    load_strictly(model, named, str(place))


def open_language(
    place: Path, dtype: torch.dtype = torch.float32, reads_tag: bool = False
) -> tuple[LanguageModel, PreTrainedTokenizerBase]:
    """Opens a language model and its tokenizer, which knows `<image>` afterwards.

    Args:
        place: its directory.
        dtype: of the weights in memory.
        reads_tag: True where `<image>` is read like a word (Flamingo): a table without a row for
            it gets one, see `give_row`. Elsewhere it keeps a place, and nobody looks it up.

    Raises:
        ValueError: for another model, or files that are missing or damaged.
    """
    kind = language_class(place, "give --language OPT, LLaMA or T5.")
    language = LanguageModel(read_model(kind, place, dtype, is_pickled(place))).eval()
    tokenizer = open_tokenizer(place)
    if reads_tag:
        give_row(language, image_token_id(tokenizer))
    return language, tokenizer


def give_row(language: LanguageModel, token_id: int) -> None:
    """Gives a language model's table a row for one more word; the head gets none.

    The row is the mean of the others, does not train, and nothing that was there changes: the model
    reads the word and cannot say it.

    Args:
        language: changed in place, if the id is beyond its V words.
        token_id: V or less.

    Raises:
        ValueError: for a later id, or a table that is the head as well.
    """
    table, words = language.model.get_input_embeddings(), language.vocab_size
    if token_id < words:
        return
    head = language.model.get_output_embeddings()
    if token_id > words or (head is not None and head.weight is table.weight):
        raise ValueError(
            f"The image's tag has the id {token_id}, the language model reads {words} words: take "
            "a tokenizer whose words are those of the model, or a model whose head is a table of "
            "its own (LLaMA)."
        )
    rows = torch.cat([table.weight, table.weight.mean(dim=0, keepdim=True)]).detach()
    longer = nn.Embedding(words + 1, table.embedding_dim, table.padding_idx, _weight=rows)
    language.model.set_input_embeddings(longer.requires_grad_(table.weight.requires_grad))


def open_tokenizer(place: str | Path) -> PreTrainedTokenizerBase:
    """Opens a tokenizer; what it lacks is added: `<image>`, as a place, and something to pad with.

    Raises:
        ValueError: when its files are missing or damaged.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(place))
    except Exception as error:  # each tokenizer has errors of its own
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"The tokenizer of {place} cannot be read: fetch its files again ({reason})"
        ) from error
    if tokenizer.convert_tokens_to_ids(IMAGE_TOKEN) in (None, tokenizer.unk_token_id):
        tokenizer.add_special_tokens({"extra_special_tokens": [IMAGE_TOKEN]})
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token  # the mask hides it
    return tokenizer
