"""Opens the zoo's models the way one opens a checkpoint from the Hub."""

from __future__ import annotations

import json
from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from course_lib.backbones.language import LanguageModel, load_language
from course_lib.backbones.vision import VisionEncoder, load_vision
from course_lib.errors import unknown_name_error
from course_lib.zoo.paths import MODELS, model_dir
from course_lib.zoo.registry import builders


def names() -> list[str]:
    """Returns the names of the models that the zoo holds now."""
    return sorted(path.parent.name for path in MODELS.glob("*/card.json"))


def zoo_dir(name: str) -> Path:
    """Returns the directory of a zoo model.

    Raises:
        ValueError: for a name that the zoo does not hold, with the nearest one, or with the command
            that makes it.
    """
    if name not in names():
        if name in builders():
            raise ValueError(
                f"The zoo model {name!r} is not here: make it with `course zoo build {name}`."
            )
        raise unknown_name_error("zoo model", name, names())
    return model_dir(name)


def card(name: str) -> dict:
    """Returns the card of a zoo model: command, seed, data, steps, scores, gates."""
    return json.loads((zoo_dir(name) / "card.json").read_text(encoding="utf-8"))


def zoo_vision(name: str = "clip", layer: int = -2, drop_cls: bool = False) -> VisionEncoder:
    """Loads the image encoder of the zoo, frozen, in float32; it ends at the second-last layer."""
    return load_vision(zoo_dir(name), layer, drop_cls).requires_grad_(False)


def zoo_language(name: str) -> tuple[LanguageModel, PreTrainedTokenizerBase]:
    """Loads a language model of the zoo, frozen, in float32, and its tokenizer."""
    return load_language(zoo_dir(name)).requires_grad_(False), zoo_tokenizer(name)


def zoo_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """Loads the tokenizer that lies beside a zoo model."""
    return AutoTokenizer.from_pretrained(zoo_dir(name))
