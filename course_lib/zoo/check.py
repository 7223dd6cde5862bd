"""Measures the gates of the zoo's models as they ship, not as their cards say."""

from __future__ import annotations

from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, CLIPModel

from course_lib.backbones.vision import read_config, read_model
from course_lib.zoo.load import names, zoo_dir
from course_lib.zoo.registry import builders

_CLASSES = {"clip": CLIPModel, "t5": AutoModelForSeq2SeqLM}


def check(wanted: list[str] | None = None) -> dict:
    """Loads each backbone of the zoo from its files and measures its gate.

    Args:
        wanted: names; None measures every backbone that is there.

    Returns:
        {passed, models: {name: {scores, gates, passed}}}.

    Raises:
        ValueError: for a name that the zoo does not hold, or a file that cannot be read.
    """
    import torch

    known = builders()
    models = {}
    for name in wanted or [name for name in known if name in names()]:
        path = zoo_dir(name)
        model_class = _CLASSES.get(read_config(path).model_type, AutoModelForCausalLM)
        measured = known[name]().measure(read_model(model_class, path, torch.float32))
        passed = all(measured["scores"][key] >= gate for key, gate in measured["gates"].items())
        models[name] = {**measured, "passed": passed}
    return {
        "passed": bool(models) and all(row["passed"] for row in models.values()),
        "models": models,
    }
