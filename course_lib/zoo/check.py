"""Measures the gates of the zoo's backbones as they ship, not as their cards say."""

from __future__ import annotations

import torch
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, CLIPModel

from course_lib.backbones.vision import read_config, read_model
from course_lib.zoo.load import zoo_dir
from course_lib.zoo.registry import builders

_CLASSES = {"clip": CLIPModel, "t5": AutoModelForSeq2SeqLM}


def with_verdict(scores: dict[str, float], gates: dict[str, float]) -> dict:
    """Returns {scores, gates, passed}: passed when every gate's score reaches it."""
    passed = all(scores[key] >= gate for key, gate in gates.items())
    return {"scores": scores, "gates": gates, "passed": passed}


def check_backbone(name: str) -> dict:
    """Loads a backbone of the zoo from its files and measures its gates.

    Returns:
        {scores, gates, passed}.

    Raises:
        ValueError: for a name that the zoo does not hold, or a file that cannot be read.
    """
    path = zoo_dir(name)
    model_class = _CLASSES.get(read_config(path).model_type, AutoModelForCausalLM)
    measured = builders()[name]().measure(read_model(model_class, path, torch.float32))
    return with_verdict(measured["scores"], measured["gates"])
