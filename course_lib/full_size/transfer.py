"""VPGTrans's stage 1 at full size: the word converter of two real language models, and its merge.

The captions that it pairs words in are those of the training data, up to `MOST` of them (the
released scripts take all of COCO's and SBU's, 1.4 million; ours fit into 1 GB).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from course_lib.backbones.language import LanguageModel
from course_lib.converter import ConverterSettings, WordConverter
from course_lib.corpora.reading import ShardFile
from course_lib.data.word_pairs import caption_pairs
from course_lib.full_size.beginning import part_from
from course_lib.full_size.building import Built, language_of
from course_lib.full_size.naming import NUMBERS
from course_lib.merged_projector import merge_projectors
from course_lib.projector import LinearProjector
from course_lib.recipes.vpgtrans_converter import load_converter, make_converter, save_converter
from course_lib.training.checkpoint import read_config

FILE, MOST = "converter.safetensors", 500_000


def captions_in(shards: Sequence[ShardFile], most: int = MOST) -> list[str]:
    """Returns the first captions of some shards; pictures stay on the disk."""
    from datasets import Dataset

    found: list[str] = []
    for shard in shards:
        if len(found) >= most:
            break
        for texts in Dataset.from_file(str(shard.path)).select_columns("captions")["captions"]:
            found += texts
    return found[:most]


def merge_into(
    built: Built, record: dict, shards: Sequence[ShardFile], run: Path, writes: bool = True
) -> None:
    """Puts the source's projector, merged with a word converter, into a target's model.

    Args:
        built: the target with the source's Q-Former; its projector is replaced in place.
        record: of the run; `init` is the source, a BLIP-2 of stage 2.
        shards: whose captions pair the words.
        run: directory of the run, which keeps the converter and goes on with it.
        writes: whether this process writes it.

    Raises:
        ValueError: when two vocabularies share too few words, or a file is damaged.
    """
    source = read_config(record["init"])
    speaks, tokenizer = language_of(source, torch.float32)
    target = built.model.language
    path = run / FILE
    if path.is_file():
        converter, _ = load_converter(path, speaks, target)
    else:
        converter = _trained(
            speaks, target, tokenizer, built.tokenizer, captions_in(shards), record
        )
        if writes:
            names = (source["places"]["language"], record["places"]["language"])
            save_converter(path, converter, speaks, target, None, names)
    width = built.model.vpg.head.config.hidden_size
    projector = LinearProjector(width, speaks.hidden_size)
    part_from(record["init"], projector, "projector")
    merged = merge_projectors(projector, converter)
    built.model.projector.load_state_dict(merged.state_dict())


def _trained(
    speaks: LanguageModel, target: LanguageModel, own, other, texts: list[str], record: dict
) -> WordConverter:
    """Trains the converter; 5 epochs within a family of language models, 8 between two."""
    same = speaks.config.model_type == target.config.model_type
    transfers = NUMBERS["vpgtrans"](record["scale"]).transfers
    usual = transfers.get(record["language"])
    epochs = usual.epochs if usual is not None else 5 if same else 8
    pairs = caption_pairs(own, other, texts)
    settings = ConverterSettings(epochs=epochs, seed=record["seed"])
    return make_converter(speaks, target, pairs.captions, settings)[0]
