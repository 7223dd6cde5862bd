"""Freezing: everything but a list, gradients and modes, and no name may miss."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from course_lib.teach.task import Case, Exercise, Mistake, call
from course_lib.training.stages import Stage, apply_stage


def train_only(model: nn.Module, names: Sequence[str]) -> int:
    """Freezes all of a model but the named modules; returns how many numbers train."""
    modules = dict(model.named_modules())
    for name in names:
        if name not in modules:
            raise ValueError(f"the model has no {name!r}; it has {sorted(modules)}")
    model.requires_grad_(False).eval()
    for name in names:
        modules[name].requires_grad_(True).train()
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def reference(model: nn.Module, names: Sequence[str]) -> int:
    """The library's stage, which takes the same list."""
    stage = Stage("exercise", tuple(names), steps=1, batch_size=1, learning_rate=1.0)
    trained = set(apply_stage(model, stage))
    return sum(p.numel() for name, p in model.named_parameters() if name in trained)


PARTS = ("vpg.encoder", "vpg.head", "projector", "language.words", "language.projector")


def _state(model: nn.Module) -> dict[str, str]:
    """Says of each part whether it trains, and its mode."""
    state = {}
    for part in PARTS:
        module = model.get_submodule(part)
        wants = {parameter.requires_grad for parameter in module.parameters()}
        modes = {child.training for child in module.modules()}
        trains = "trains in part" if len(wants) > 1 else ("trains" if wants == {True} else "frozen")
        mode = "both modes" if len(modes) > 1 else f"{'train' if modes == {True} else 'eval'} mode"
        state[part] = f"{trains}, {mode}"
    return state


def _run(answer: Any, case: Case) -> Any:
    """Tells what became of each part; for a name that misses, what was raised."""
    model, names = case.args
    before = _state(model)
    if all(name in PARTS for name in names):
        made = call(answer, case)
        return made if made is ... else {**_state(model), "numbers that train": made}
    try:
        made = call(answer, case)
    except ValueError:
        changed = "changed" if _state(model) != before else "as it was"
        return f"raises ValueError, the model is {changed}"
    return made if made is ... else "raises nothing"


def _numbers(model):
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def _check(model, names):
    missing = set(names) - set(dict(model.named_modules()))
    if missing:
        raise ValueError(f"no such module: {sorted(missing)}")


def _frozen_still_train_mode(model, names):
    _check(model, names)
    model.requires_grad_(False)
    for name in names:
        model.get_submodule(name).requires_grad_(True)
    model.train()
    return _numbers(model)


def _all_eval(model, names):
    train_only(model, names)
    model.eval()
    return _numbers(model)


def _only_modes(model, names):
    _check(model, names)
    model.eval()
    for name in names:
        model.get_submodule(name).train()
    return _numbers(model)


def _nothing_frozen_first(model, names):
    _check(model, names)
    model.eval()
    for name in names:
        model.get_submodule(name).requires_grad_(True).train()
    return _numbers(model)


def _frozen_last(model, names):
    train_only(model, names)
    model.requires_grad_(False)
    return _numbers(model)


def _part_of_a_name(model, names):
    _check(model, names)
    model.requires_grad_(False).eval()
    for name, module in model.named_modules():
        if any(wanted in name for wanted in names):
            module.requires_grad_(True).train()
    return _numbers(model)


def _misses_in_silence(model, names):
    model.requires_grad_(False).eval()
    for name, module in model.named_modules():
        if name in names:
            module.requires_grad_(True).train()
    return _numbers(model)


def _raises_late(model, names):
    modules = dict(model.named_modules())
    model.requires_grad_(False).eval()
    for name in names:
        if name not in modules:
            raise ValueError(f"no such module: {name}")
        modules[name].requires_grad_(True).train()
    return _numbers(model)


def _counts_all(model, names):
    train_only(model, names)
    return sum(p.numel() for p in model.parameters())


def _model(seed: int) -> nn.Module:
    """Makes a model of parts with dropout, all in train mode, two of them frozen before."""

    def part(wide: int, out: int) -> nn.Module:
        return nn.Sequential(nn.Linear(wide, out), nn.Dropout(0.1))

    with torch.random.fork_rng(devices=[]):  # new layers draw from torch's global generator
        torch.manual_seed(seed)
        vpg = nn.ModuleDict({"encoder": part(3, 4), "head": part(4, 4)})
        language = nn.ModuleDict({"words": nn.Embedding(9, 5), "projector": part(5, 2)})
        model = nn.ModuleDict({"vpg": vpg, "projector": part(4, 5), "language": language})
    vpg["encoder"].requires_grad_(False)
    model["projector"].requires_grad_(False)
    return model


def _cases() -> list[Case]:
    return [
        Case("names: projector", (_model(0), ("projector",))),
        Case("names: vpg.head, projector", (_model(1), ("vpg.head", "projector"))),
        Case("names: vpg.head, projektor", (_model(2), ("vpg.head", "projektor"))),
    ]


EXERCISE = Exercise(
    objective="04.6",
    title="freeze all but a list",
    difficulty=2,
    minutes=10,
    contract=(
        "`names` are dotted names of modules, such as `vpg.head`. Whatever lies in one of them "
        "trains: its parameters want a gradient, its modules are in train mode.",
        "Everything else is frozen, whatever it was before: no parameter wants a gradient, every "
        "module is in eval mode (dropout off).",
        "A name is meant whole: `projector` is not `language.projector`. One that the model does "
        "not have raises a `ValueError`, and then nothing has changed yet.",
        "Gives how many numbers train.",
    ),
    hints=(
        "A model remembers two things about a part: whether its parameters want a gradient, and "
        "in which mode it is. Neither follows from the other. And a list of what trains is safer "
        "than a list of what is frozen: what nobody thought of stays frozen.",
        "Look for every name before you touch anything. Freeze the whole model, both ways. Then "
        "open the named modules again, both ways. Count last.",
        "`dict(model.named_modules())` has every module under its dotted name. "
        "`module.requires_grad_(…)`, `.eval()` and `.train()` act on all that lies below, and "
        "each of them gives the module back.",
    ),
    solution=train_only,
    reference=reference,
    cases=_cases,
    run=_run,
    mistakes=(
        Mistake(
            _frozen_still_train_mode,
            "frozen parts are in eval mode",
            "only gradients were taken care of: dropout of frozen parts is on",
        ),
        Mistake(
            _all_eval,
            "what trains is in train mode",
            "all of the model is in eval mode, what trains included",
        ),
        Mistake(
            _only_modes,
            "frozen parameters want no gradient",
            "only the modes were set; eval mode freezes no parameter",
        ),
        Mistake(
            _nothing_frozen_first,
            "frozen parameters want no gradient",
            "the list was opened, but nothing closed what was open before",
        ),
        Mistake(
            _frozen_last,
            "what is listed trains",
            "everything was frozen after the list had been opened",
        ),
        Mistake(
            _part_of_a_name,
            "a name is meant whole",
            "a module was taken because its name contains one of the list",
        ),
        Mistake(
            _misses_in_silence,
            "a name that misses raises",
            "a typing mistake would freeze the part that should train, and nobody would notice",
        ),
        Mistake(
            _raises_late,
            "a name that misses changes nothing",
            "the names were looked for on the way, when half of the work was done",
        ),
        Mistake(
            _counts_all,
            "only what trains is counted",
            "these are all numbers of the model, frozen ones included",
        ),
    ),
)
