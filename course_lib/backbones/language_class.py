"""Which class of transformers opens a language model."""

from __future__ import annotations

from pathlib import Path

from course_lib.backbones.vision import read_config


def language_class(name_or_dir: str | Path, advice: str) -> type:
    """Returns the class of transformers that opens a language model, found by its configuration.

    Args:
        name_or_dir: a directory of `save_pretrained`, or a name on the Hub.
        advice: what to give instead, for the error.

    Raises:
        ValueError: when it is not there, or is no language model.
    """
    import transformers

    config = read_config(name_or_dir)
    kind = "AutoModelForSeq2SeqLM" if config.is_encoder_decoder else "AutoModelForCausalLM"
    model_class = getattr(transformers, kind)
    if type(config) not in model_class._model_mapping:
        raise ValueError(
            f"{name_or_dir} holds a {config.model_type!r} model, which is no language model: "
            f"{advice}"
        )
    return model_class
