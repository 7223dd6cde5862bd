"""The names of LLaVA's tensors: as the authors and older versions wrote them, and as they are."""

from typing import Any

import torch

from course_lib.interop.llava import current_names, projector_from_original
from course_lib.teach.comparing import difference, kind_of
from course_lib.teach.task import Case, Exercise, Mistake, call

Tensors = dict[str, torch.Tensor]


def rename_keys(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Returns the same tensors under the names of transformers 5."""
    begins = {
        "model.mm_projector.0.": "model.multi_modal_projector.linear_1.",
        "model.mm_projector.2.": "model.multi_modal_projector.linear_2.",
        "multi_modal_projector.": "model.multi_modal_projector.",
        "language_model.model.": "model.language_model.",
        "language_model.lm_head.": "lm_head.",
        "vision_tower.vision_model.": "model.vision_tower.",
        "model.vision_tower.vision_model.": "model.vision_tower.",
    }
    renamed = {}
    for name, tensor in tensors.items():
        for old, new in begins.items():
            if name.startswith(old):
                name = new + name.removeprefix(old)
                break
        renamed[name] = tensor
    return renamed


def reference(tensors: Tensors) -> Tensors:
    """The library's renaming, and its reader of the authors' projector."""
    if not any(name.startswith("model.mm_projector.") for name in tensors):
        return current_names(tensors)
    projector = projector_from_original(tensors)
    layers = {"linear_1": projector.up, "linear_2": projector.down}
    return {
        f"model.multi_modal_projector.{place}.{kind}": tensor
        for place, layer in layers.items()
        for kind, tensor in layer.state_dict().items()
    }


def _run(answer: Any, case: Case) -> Any:
    """Tells of each tensor under which name it is found, in the place of the tensors."""
    before = dict(case.args[0])
    made = call(answer, case)
    if made is ...:
        return made
    if not isinstance(made, dict):
        raise TypeError(f"it should give a dictionary, not {kind_of(made)}")
    found = {}
    for old, tensor in before.items():
        same = [n for n, t in made.items() if isinstance(difference(t, tensor, 0.0), float)]
        found[old] = " and ".join(map(str, same)) or "lost"
    return {**found, "tensors in all": len(made)}


FIRST, SECOND = "model.mm_projector.0.", "model.mm_projector.2."
PROJECTOR, LANGUAGE, HEAD = "multi_modal_projector.", "language_model.model.", "lm_head."
VISION, VISION_4_52 = "vision_tower.vision_model.", "model.vision_tower.vision_model."


def _rules() -> dict[str, str]:
    """Returns what the solution replaces, for the wrong answers to change a rule of."""
    return {
        FIRST: "model.multi_modal_projector.linear_1.",
        SECOND: "model.multi_modal_projector.linear_2.",
        PROJECTOR: "model.multi_modal_projector.",
        LANGUAGE: "model.language_model.",
        "language_model.lm_head.": HEAD,
        VISION: "model.vision_tower.",
        VISION_4_52: "model.vision_tower.",
    }


def _by(tensors, changed):
    rules = {**_rules(), **changed}
    renamed = {}
    for name, tensor in tensors.items():
        old = next((old for old in rules if name.startswith(old)), "")
        renamed[rules.get(old, "") + name.removeprefix(old)] = tensor
    return renamed


def _second_is_1(tensors):
    return _by(tensors, {SECOND: SECOND, "model.mm_projector.1.": _rules()[SECOND]})


def _numbers_stay(tensors):
    new = "model.multi_modal_projector."
    return _by(tensors, {FIRST: f"{new}0.", SECOND: f"{new}2."})


def _no_biases(tensors):
    return {name: t for name, t in rename_keys(tensors).items() if name.endswith("weight")}


def _model_in_front(tensors):
    fine = ("model.", HEAD)
    front = {k if k.startswith(fine) else f"model.{k}": t for k, t in tensors.items()}
    return _by(front, {VISION_4_52: VISION_4_52})


def _level_lost(tensors):
    return _by(tensors, {LANGUAGE: "model."})


def _head_under_model(tensors):
    return _by(tensors, {"language_model.lm_head.": "model.lm_head."})


def _vision_level_stays(tensors):
    return _by(tensors, {VISION: f"model.{VISION}", VISION_4_52: VISION_4_52})


def _anywhere(tensors):
    renamed = {}
    for name, tensor in tensors.items():
        for old, new in _rules().items():
            name = name.replace(old, new)
        renamed[name] = tensor
    return renamed


def _others_lost(tensors):
    return {name: t for name, t in rename_keys(tensors).items() if name not in tensors}


def _cases() -> list[Case]:
    chance = torch.Generator().manual_seed(0)

    def file(*names: str) -> tuple[Tensors]:
        return ({name: torch.randn(4, 4, generator=chance) for name in names},)

    def projector(first: str, second: str) -> tuple[Tensors]:
        (weights,) = file(f"{first}.weight", f"{second}.weight")
        biases = {f"{name}.bias": torch.randn(4, generator=chance) for name in (first, second)}
        return (weights | biases,)

    old_projector = projector(f"{PROJECTOR}linear_1", f"{PROJECTOR}linear_2")
    now = ("model.language_model.norm.weight", "lm_head.weight")
    return [
        Case("the authors' mm_projector.bin", projector(FIRST[:-1], SECOND[:-1])),
        Case("a projector of transformers 4.51", old_projector),
        Case(
            "a model of transformers 4.51",
            file(
                "language_model.model.embed_tokens.weight",
                "language_model.model.layers.0.self_attn.q_proj.weight",
                "language_model.lm_head.weight",
                "multi_modal_projector.linear_2.bias",
                "vision_tower.vision_model.encoder.layers.0.mlp.fc1.bias",
            ),
        ),
        Case("transformers 4.52", file("model.vision_tower.vision_model.pre_layrnorm.bias", *now)),
        Case("transformers 5", file("model.multi_modal_projector.linear_1.bias", *now)),
    ]


EXERCISE = Exercise(
    objective="07.6",
    title="old names, new names",
    difficulty=2,
    minutes=12,
    contract=(
        "`tensors` maps names to tensors, as one file holds them. Gives all of them, each "
        "unchanged under its name in transformers 5, weights and biases alike.",
        "The authors' `mm_projector.bin`: their projector is an `nn.Sequential` of layer, GELU, "
        "layer, so its names are `model.mm_projector.0.weight`, `model.mm_projector.2.weight` and "
        "the biases. Today the layers are `model.multi_modal_projector.linear_1` and `linear_2`.",
        "transformers up to 4.51 (the files of llava-hf on the Hub): "
        "`multi_modal_projector.linear_1`, `language_model.model.layers.0`, "
        "`language_model.lm_head` and "
        "`vision_tower.vision_model.encoder`. Today: `model.multi_modal_projector.linear_1`, "
        "`model.language_model.layers.0`, `lm_head` and `model.vision_tower.encoder`.",
        "transformers 4.52 to 4.57: as today, but for `model.vision_tower.vision_model.encoder`. A "
        "name that is already right stays as it is.",
    ),
    hints=(
        "Write the old beginnings in one column and the new ones beside them. What stands behind "
        "a beginning never changes. And which of the old beginnings can also be found in the "
        "middle of a new name?",
        "Make a dictionary of beginnings with 7 lines. For each name look for the beginning that "
        "it has, put the new one in its place, at the beginning and nowhere else, and keep the "
        "name where there is none. Store the tensor under what you have.",
        "`name.startswith(old)` asks, `new + name.removeprefix(old)` replaces; `break` leaves the "
        "inner loop, so that a new name is not looked at again. `name.replace(old, new)` would "
        "also change what stands in the middle.",
    ),
    solution=rename_keys,
    reference=reference,
    cases=_cases,
    run=_run,
    mistakes=(
        Mistake(
            _second_is_1,
            "the second layer is number 2",
            "the layers were counted 0 and 1, but number 1 of the authors' sequence is the GELU, "
            "which has no tensors",
        ),
        Mistake(
            _numbers_stay,
            "the layers have names today",
            "the authors' numbers were kept; transformers calls the layers linear_1 and linear_2",
        ),
        Mistake(
            _no_biases,
            "biases have names too",
            "only weights were renamed, and the biases are lost; a file read with strict=False "
            "would not complain",
        ),
        Mistake(
            _model_in_front,
            "the language model has lost a level",
            "`model.` was put in front of every old name, and the levels inside are still the old "
            "ones",
        ),
        Mistake(
            _level_lost,
            "the language model has a name",
            "`language_model` is gone, so these are the names of a model that has nothing but text",
        ),
        Mistake(
            _head_under_model,
            "the head stands outside",
            "the head was put under `model.`, where everything else is",
        ),
        Mistake(
            _vision_level_stays,
            "CLIP has lost a level",
            "the level `vision_model` is still there",
        ),
        Mistake(
            _anywhere,
            "a beginning is a beginning",
            "texts were replaced wherever they stand, so names that were right, or had just become "
            "right, got a second `model.`",
        ),
        Mistake(
            _others_lost,
            "a name that is right stays",
            "only what needed a new name was stored, and the rest of the file is lost",
        ),
    ),
)
