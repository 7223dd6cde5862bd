"""LoRAs from and to peft: a directory with adapter_config.json and adapter_model.safetensors.

peft names a tensor by the model that it wrapped, `base_model.model.NAME.lora_A.weight`, ours are
`NAME.lora_A`; the numbers are the same. A file says for which layers it is, so that a LoRA of
another base is refused before anything is changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from course_lib.errors import atomic_path
from course_lib.interop.names import Tensors, check_names
from course_lib.lora import add_lora, load_lora_state_dict, lora_layers, lora_state_dict
from course_lib.training.tensor_files import read_tensors

_CONFIG, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_NAME = re.compile(r"base_model\.model\.(.+)\.(lora_[AB])\.weight")
_REMEDY = "save the LoRA again with peft's save_pretrained"
# Settings of peft that are read, or that say nothing about what a saved LoRA computes.
_KNOWN = {"r", "lora_alpha", "lora_dropout", "target_modules", "exclude_modules", "peft_type"}
_KNOWN |= {"task_type", "peft_version", "auto_mapping", "base_model_name_or_path", "revision"}
_KNOWN |= {"inference_mode", "init_lora_weights", "layers_to_transform", "layers_pattern"}
_KNOWN |= {"megatron_config", "megatron_core", "qalora_group_size", "runtime_config"}
_KNOWN |= {"loftq_config", "eva_config", "corda_config", "lora_ga_config", "ensure_weight_tying"}
_PLAIN_STARTS = (True, False, "gaussian", "orthogonal", "eva")  # leave the base's weights alone


def save_peft_lora(
    model: nn.Module, directory: str | Path, base_model: str = "", within: str = ""
) -> Path:
    """Writes the LoRA of a model for `peft.PeftModel.from_pretrained(model, directory)`.

    Args:
        model: what `add_lora` changed and peft would wrap: a transformers model itself, such as
            `vlm.language.model`.
        directory: made where it is missing; each file is written whole or not at all.
        base_model: name or directory of the base, for the reader.
        within: where `model` lies in the model that peft will wrap: "language_model" makes a LoRA
            for the official mPLUG-Owl.

    Returns:
        The directory.

    Raises:
        ValueError: when there is no LoRA, or its layers differ in r, alpha or dropout.
    """
    layers, directory = lora_layers(model), Path(directory)
    settings = {(layer.r, layer.alpha, layer.lora_dropout.p) for layer in layers.values()}
    if len(settings) > 1:
        raise ValueError(
            f"The layers differ in (r, alpha, dropout): {sorted(settings)}. Save LoRAs of one kind."
        )
    r, alpha, dropout = settings.pop()
    start = f"{within}." if within else ""
    config = {
        "peft_type": "LORA",
        "task_type": None if within else _task_type(model),
        "base_model_name_or_path": base_model or None,
        "r": r,
        "lora_alpha": int(alpha) if alpha == int(alpha) else alpha,
        "lora_dropout": dropout,
        "target_modules": _target_modules(model, list(layers), start),
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
    }
    tensors = lora_state_dict(model)
    named = {f"base_model.model.{start}{k}.weight": v.cpu().clone() for k, v in tensors.items()}
    directory.mkdir(parents=True, exist_ok=True)
    with atomic_path(directory / _WEIGHTS) as path:
        save_file(named, path, metadata={"format": "pt"})
    with atomic_path(directory / _CONFIG) as path:
        path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return directory


def _task_type(model: nn.Module) -> str | None:
    config = getattr(model, "config", None)
    if config is None:
        return None
    return "SEQ_2_SEQ_LM" if getattr(config, "is_encoder_decoder", False) else "CAUSAL_LM"


def _target_modules(model: nn.Module, layers: list[str], start: str) -> list[str]:
    """Names the layers by their last parts where these fit no other module, else in full."""
    ends = {name.rpartition(".")[2] for name in layers}
    alike = [name for name, _ in model.named_modules() if name.rpartition(".")[2] in ends]
    return sorted(ends) if not start and alike == layers else [start + name for name in layers]


def load_peft_lora(model: nn.Module, directory: str | Path, within: str = "") -> list[str]:
    """Puts a LoRA that peft saved on a model that has none yet; all else is frozen (`add_lora`).

    Args:
        model: the base, such as `vlm.language.model`.
        directory: with adapter_config.json and adapter_model.safetensors.
        within: where `model` lies in the model that peft wrapped (see `save_peft_lora`).

    Returns:
        The names of the layers.

    Raises:
        ValueError: when a file is missing or damaged, the LoRA is of a kind that ours is not, or
            of another base, naming layers and shapes; the model is then as it was.
    """
    directory = Path(directory)
    config = _read_config(directory / _CONFIG)
    tensors, _ = read_tensors(directory / _WEIGHTS, _REMEDY)
    own = _own_names(tensors, f"{within}." if within else "", str(directory))
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in own))
    _check_base(model, own, config["r"], str(directory))
    settings = (config["r"], config["lora_alpha"], config.get("lora_dropout", 0.0))
    names = add_lora(model, layers, *settings)
    load_lora_state_dict(model, own)
    return names


def _read_config(path: Path) -> dict:
    try:
        config = dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ValueError(f"{path} is not there: {_REMEDY}.") from None
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error}): {_REMEDY}.") from error
    if config.get("peft_type") != "LORA" or not {"r", "lora_alpha"} <= config.keys():
        raise ValueError(
            f"{path} describes an adapter of the type {config.get('peft_type')!r}: a LoRA with r "
            "and lora_alpha is needed."
        )
    others = {k: v for k, v in config.items() if k not in _KNOWN and v and v != "none"}
    start = config.get("init_lora_weights", True)
    if start not in _PLAIN_STARTS:
        others["init_lora_weights"] = start
    if others:
        listed = ", ".join(f"{key}={value!r}" for key, value in sorted(others.items()))
        raise ValueError(
            f"{path} asks for {listed}, which the plain LoRA here does not have: merge it with "
            "peft (merge_and_unload) and load the merged model."
        )
    return config


def _own_names(tensors: Mapping[str, torch.Tensor], start: str, source: str) -> Tensors:
    matches = {name: _NAME.fullmatch(name) for name in tensors}
    unknown = [k for k, m in matches.items() if m is None or not m[1].startswith(start)]
    check_names([], unknown, source)
    return {f"{m[1].removeprefix(start)}.{m[2]}": tensors[k] for k, m in matches.items()}


def _check_base(model: nn.Module, own: Tensors, r: int, source: str) -> None:
    """Raises where a layer is not there, has one matrix alone, or is of another size."""
    modules = dict(model.named_modules())
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in own))
    pairs = [f"{layer}.{ab}" for layer in layers for ab in ("lora_A", "lora_B")]
    unknown = [layer for layer in layers if not hasattr(modules.get(layer), "in_features")]
    check_names([pair for pair in pairs if pair not in own], unknown, source)
    for layer in layers:
        linear = modules[layer]
        wanted = {"lora_A": (r, linear.in_features), "lora_B": (linear.out_features, r)}
        for ab, shape in wanted.items():
            found = tuple(own[f"{layer}.{ab}"].shape)
            if found != shape:
                raise ValueError(
                    f"{source}: {layer}.{ab} has the shape {found}, this base needs {shape}: load "
                    "the base that the LoRA was trained on."
                )
