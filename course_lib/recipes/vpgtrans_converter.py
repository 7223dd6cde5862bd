"""The word converter of two language models: trained on their tables, kept in a file of its own.

The file remembers between which two tables it leads, since a converter of another pair has the
right shapes and gives nonsense.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from course_lib.backbones.language import LanguageModel
from course_lib.converter import (
    PAPER,
    ConverterReport,
    ConverterSettings,
    Pair,
    WordConverter,
    train_converter,
)
from course_lib.training.tensor_files import copy_into, read_tensors, write_tensors

VERSION = 1
_KIND = "word converter"
_REMEDY = "train the converter of this pair again"


def word_table(language: LanguageModel) -> torch.Tensor:
    """Returns the embeddings (V, D) among which visual tokens stand.

    For OPT-350m that is the table of 512, before `project_in`; the released scripts convert to the
    1,024 behind it, and their projector leads there, too.
    """
    return language.model.get_input_embeddings().weight.detach()


def words_fingerprint(language: LanguageModel) -> str:
    """Returns a SHA-256 of the table, bit by bit: another dtype is another table."""
    table = word_table(language).cpu().contiguous()
    digest = hashlib.sha256(f"{table.dtype} {tuple(table.shape)};".encode())
    digest.update(table.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def make_converter(
    source: LanguageModel,
    target: LanguageModel,
    captions: Sequence[Sequence[Pair]],
    settings: ConverterSettings = PAPER,
) -> tuple[WordConverter, ConverterReport]:
    """Trains the converter of two language models; see `train_converter`."""
    return train_converter(word_table(source), word_table(target), captions, settings)


def save_converter(
    path: str | Path,
    converter: WordConverter,
    source: LanguageModel,
    target: LanguageModel,
    report: ConverterReport | None = None,
    names: tuple[str, str] = ("the source", "the target"),
) -> None:
    """Writes a converter with the fingerprints of both tables, whole or not at all.

    Args:
        path: a safetensors file; its directory is made where it is missing.
        converter: what `make_converter` gave.
        source: the language model whose words it reads.
        target: the one whose words it gives.
        report: of its training.
        names: of the two, for people and errors.

    Raises:
        ValueError: when the converter has other widths than the two tables.
        OSError: when the disk is full.
    """
    widths = word_table(source).shape[1], word_table(target).shape[1]
    if (converter.in_features, converter.out_features) != widths:
        raise ValueError(
            f"The converter leads from width {converter.in_features} to {converter.out_features}, "
            f"the two language models have {widths[0]} and {widths[1]}: save it with its own pair."
        )
    header = {
        "kind": _KIND,
        "version": VERSION,
        "names": list(names),
        "fingerprints": [words_fingerprint(source), words_fingerprint(target)],
        "report": None if report is None else asdict(report),
    }
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    write_tensors(path, converter.state_dict(), header)


def load_converter(
    path: str | Path, source: LanguageModel, target: LanguageModel
) -> tuple[WordConverter, dict]:
    """Reads a converter that was made for exactly this pair of language models.

    Returns:
        (converter in eval mode, the file's header).

    Raises:
        ValueError: when the file is missing, damaged, no converter, or of another pair.
    """
    tensors, header = read_tensors(path, _REMEDY)
    if header.get("kind") != _KIND or header.get("version") != VERSION:
        says = {key: header.get(key) for key in ("kind", "version")}
        raise ValueError(
            f"{path} is no word converter of version {VERSION}, its header says {says}: {_REMEDY}."
        )
    _check_pair(path, header, [words_fingerprint(source), words_fingerprint(target)])
    converter = WordConverter(word_table(source).shape[1], word_table(target).shape[1])
    copy_into(converter, tensors, set(converter.state_dict()), str(path))
    return converter.eval(), header


def _check_pair(path: str | Path, header: dict, wanted: list[str]) -> None:
    made, (first, second) = header["fingerprints"], header["names"]
    if made == wanted:
        return
    if made == wanted[::-1]:
        why = "it leads the other way, from the target's words to the source's"
    else:
        other = [name for name, a, b in zip((first, second), made, wanted, strict=True) if a != b]
        why = f"the word table of {' and that of '.join(other)} is another one"
    raise ValueError(
        f"{path} is the converter from {first} to {second}, not of this pair: {why}; {_REMEDY}."
    )
