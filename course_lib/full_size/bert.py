"""BERT as the beginning of a Q-Former, and its words as those of BLIP-2's stage 1.

Paper, section 3.1: BERT-base begins the Q-Former, the cross-attention is random. LAVIS
(models/blip2_models/blip2.py, blip2_qformer.py) loads it with its language-modelling head, adds
[DEC] to the words, and copies each feed-forward part of the text half to the queries' half.
"""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from course_lib.backbones.vision import read_config, read_model
from course_lib.full_size.weights import is_pickled
from course_lib.interop.names import qformer_names
from course_lib.recipes.blip2_stage1 import QFormerPretraining

USUAL = "google-bert/bert-base-uncased"
_START = "[DEC]"
_HEAD = {
    "dense.weight": "transform.dense.weight",
    "dense.bias": "transform.dense.bias",
    "norm.weight": "transform.LayerNorm.weight",
    "norm.bias": "transform.LayerNorm.bias",
    "bias": "bias",
}


def open_words(place: Path) -> PreTrainedTokenizerBase:
    """Opens BERT's tokenizer and gives it [DEC], which starts a text that is to be written.

    Raises:
        ValueError: for a tokenizer that does not frame a text with [CLS] and [SEP].
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(place))
    except Exception as error:  # each tokenizer has errors of its own
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"The tokenizer of {place} cannot be read ({reason})") from error
    framed = tokenizer("a").input_ids
    if tokenizer.cls_token_id is None or framed[0] != tokenizer.cls_token_id:
        raise ValueError(
            f"The tokenizer of {place} does not start a text with [CLS]: give --text a BERT, such "
            f"as {USUAL}."
        )
    if tokenizer.bos_token is None:
        tokenizer.add_special_tokens({"bos_token": _START})
    return tokenizer


def begin_with_bert(model: QFormerPretraining, place: Path) -> list[str]:
    """Copies a BERT into the Q-Former of stage 1 and into its head over words, in place.

    Args:
        model: stage 1, built for this BERT's words and [DEC]; [DEC]'s row stays random.
        place: directory of a BERT with its head (`BertForMaskedLM`).

    Returns:
        The names of what BERT does not have, which stays as it was.

    Raises:
        ValueError: for another model, or one of other sizes.
    """
    from transformers import BertForMaskedLM

    if read_config(place).model_type != "bert":
        raise ValueError(f"{place} is no BERT: give --text one, such as {USUAL}.")
    theirs = read_model(BertForMaskedLM, place, torch.float32, is_pickled(place)).state_dict()
    own = model.qformer.state_dict()
    names = qformer_names(list(own), "lavis")
    found = {
        own_name: theirs.get(name.removeprefix("Qformer.")) for own_name, name in names.items()
    }
    _copy(own, found, place)
    model.qformer.init_queries_ffn_from_text()
    heads = model.heads.lm_head.state_dict()
    _copy(heads, {own: theirs[f"cls.predictions.{name}"] for own, name in _HEAD.items()}, place)
    return [name for name, value in found.items() if value is None and "query_ffn" not in name]


@torch.no_grad()
def _copy(own: dict[str, torch.Tensor], found: dict[str, torch.Tensor | None], place: Path) -> None:
    for name, value in found.items():
        if value is None:
            continue
        rows = len(own[name]) - len(value)
        words = name in ("word_embeddings.weight", "bias")
        if own[name].shape[1:] != value.shape[1:] or not (rows == 0 or (words and rows > 0)):
            raise ValueError(
                f"{place} does not fit the Q-Former: {name} is {tuple(value.shape)} there and "
                f"{tuple(own[name].shape)} here: give --text a BERT of the Q-Former's sizes, such "
                f"as {USUAL}."
            )
        own[name][: len(value)] = value
