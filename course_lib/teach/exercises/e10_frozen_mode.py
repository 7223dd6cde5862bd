"""A runner calls model.train(): what is frozen has to be in eval mode all the same."""

from typing import Any

import torch
from torch import nn

from course_lib.teach.task import Case, Exercise, Mistake, call
from course_lib.training.stages import Stage, apply_stage


def frozen_mode(model: nn.Module) -> list[str]:
    """Puts the frozen parts of a model in eval mode, the others in train mode; names the frozen."""
    frozen = []
    for name, part in model.named_children():
        trains = any(parameter.requires_grad for parameter in part.parameters())
        part.train(trains)
        if not trains:
            frozen.append(name)
    return frozen


def reference(model: nn.Module) -> list[str]:
    """The library's stage, given the names of the parts that train."""
    wants = {name for name, p in model.named_parameters() if p.requires_grad}
    parts = [name for name, _ in model.named_children()]
    listed = tuple(part for part in parts if any(n.startswith(f"{part}.") for n in wants))
    apply_stage(model, Stage("exercise", listed, steps=1, batch_size=1, learning_rate=1.0))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in wants)
    return [part for part in parts if part not in listed]


def _run(answer: Any, case: Case) -> Any:
    """Calls model.train() as a runner would, then tells what became of every part."""
    (model,) = case.args
    wanted = {name: p.requires_grad for name, p in model.named_parameters()}
    chances = [m.p for m in model.modules() if isinstance(m, nn.Dropout)]
    model.train()
    frozen = call(answer, case)
    if frozen is ...:
        return frozen
    found: dict[str, Any] = {n: _modes(part) for n, part in model.named_children()}
    now = {name: p.requires_grad for name, p in model.named_parameters()}
    left = [m.p for m in model.modules() if isinstance(m, nn.Dropout)]
    found["what trains"] = "as before" if now == wanted else "changed"
    found["dropout"] = "as before" if left == chances else "changed"
    return {**found, "frozen": frozen}


def _modes(part: nn.Module) -> str:
    """Says the mode of a part, or who inside it has which."""
    modes = {"itself": part.training, "layers": part[0].training, "dropout": part[1][0].training}
    if len({module.training for module in part.modules()}) == 1:
        return "train" if part.training else "eval"
    return ", ".join(f"{name} {'train' if mode else 'eval'}" for name, mode in modes.items())


def _frozen(model):
    parts = dict(model.named_children())
    return [n for n, part in parts.items() if not any(p.requires_grad for p in part.parameters())]


def _nothing(model):
    return _frozen(model)


def _everything(model):
    frozen = _frozen(model)
    model.eval()
    return frozen


def _dropouts_alone(model):
    for name in _frozen(model):
        for module in model.get_submodule(name).modules():
            if isinstance(module, nn.Dropout):
                module.eval()
    return _frozen(model)


def _dropout_to_zero(model):
    for name in _frozen(model):
        for module in model.get_submodule(name).modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
    return _frozen(model)


def _part_alone(model):
    for name in _frozen(model):
        model.get_submodule(name).training = False
    return _frozen(model)


def _by_name(model):
    for name in ("encoder", "head", "language"):
        model.get_submodule(name).eval()
    return ["encoder", "head", "language"]


def _all_has_to_train(model):
    frozen = []
    for name, part in model.named_children():
        trains = all(parameter.requires_grad for parameter in part.parameters())
        part.train(trains)
        frozen += [] if trains else [name]
    return frozen


def _module_by_module(model):
    for module in model.modules():
        module.training = any(p.requires_grad for p in module.parameters())
    return _frozen(model)


def _freezes(model):
    for name, part in model.named_children():
        if name != "projector":
            part.requires_grad_(False).eval()
    return _frozen(model)


def _turned(model):
    frozen = _frozen(model)
    for name, part in model.named_children():
        part.train(name in frozen)
    return frozen


def _names_what_trains(model):
    frozen = frozen_mode(model)
    return [name for name, _ in model.named_children() if name not in frozen]


def _model(trains: tuple[str, ...]) -> nn.Module:
    """Makes four parts with dropout; `trains` names parts, or single tensors."""

    def part() -> nn.Module:
        return nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout(0.1), nn.Linear(2, 2)))

    with torch.random.fork_rng(devices=[]):  # new layers draw from torch's global generator
        torch.manual_seed(0)
        model = nn.ModuleDict({n: part() for n in ("encoder", "head", "projector", "language")})
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(trains))
    return model


def _cases() -> list[Case]:
    return [
        Case("stage 1, the projector trains", (_model(("projector",)),)),
        Case("stage 2, head and projector train", (_model(("head", "projector")),)),
        Case(
            "a projector, and one layer of the language model",
            (_model(("projector", "language.1")),),
        ),
    ]


EXERCISE = Exercise(
    objective="10.6",
    title="frozen and quiet",
    difficulty=2,
    minutes=8,
    contract=(
        "`model` has parts, its `named_children()`. Some are frozen: none of their parameters "
        "wants a gradient. A runner has just called `model.train()`, as it does before every "
        "epoch, so dropout draws everywhere.",
        "Puts each frozen part in eval mode, with all modules inside it, and each part in which "
        "anything trains in train mode, with all inside it.",
        "Changes nothing else: neither what wants a gradient, nor how much a dropout drops.",
        "Gives the names of the frozen parts, in the model's order.",
    ),
    hints=(
        "A model keeps two things apart: whether a weight moves, and whether a module draws. The "
        "released code took care of the first, and a call that comes later undid the second. Which "
        "of the two can you read off, so that no list of names is needed?",
        "Go through the parts. Ask whether any parameter of the part wants a gradient. Set the "
        "mode of the whole part to that answer. Note the name if the answer is no.",
        "`part.train(trains)` takes True or False and reaches every module inside, a dropout too, "
        "which has no parameters to ask. `any(p.requires_grad for p in part.parameters())` is the "
        "question.",
    ),
    solution=frozen_mode,
    reference=reference,
    cases=_cases,
    run=_run,
    mistakes=(
        Mistake(
            _nothing,
            "frozen parts are in eval mode",
            "the modes are still those that model.train() set: frozen weights behind dropout give "
            "another answer at every call",
        ),
        Mistake(
            _everything,
            "what trains is in train mode",
            "all parts are in eval mode, the one that trains included",
        ),
        Mistake(
            _dropouts_alone,
            "the whole part is in eval mode",
            "only modules of the kind nn.Dropout were set; other kinds ask for the mode as well",
        ),
        Mistake(
            _dropout_to_zero,
            "dropout itself stays",
            "dropout was set to 0, and in the next stage, where the part trains, it is gone",
        ),
        Mistake(
            _part_alone,
            "all modules inside the part",
            "the part got the mode and what lies inside it did not",
        ),
        Mistake(
            _by_name,
            "the gradients decide",
            "a list of names decided: in stage 2 the head trains and would stay in eval mode",
        ),
        Mistake(
            _all_has_to_train,
            "one layer that trains is enough",
            "a part in which only some layers train was taken for frozen",
        ),
        Mistake(
            _module_by_module,
            "a dropout follows its part",
            "each module was asked by itself, and a dropout has no parameters: it never trains",
        ),
        Mistake(
            _freezes,
            "what trains stays as it was",
            "gradients were changed: this is about modes alone",
        ),
        Mistake(
            _turned,
            "frozen is eval",
            "the modes are the wrong way round",
        ),
        Mistake(
            _names_what_trains,
            "the names of the frozen parts",
            "these are the names of the parts that train",
        ),
    ),
)
