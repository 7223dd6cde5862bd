"""Which tensors of a trained model the next one inherits, with none lost in silence."""

from typing import Any

import torch

from course_lib.teach.comparing import kind_of
from course_lib.teach.task import Case, Exercise, Mistake, call

Tensors = dict[str, torch.Tensor]
HEAD = "vpg.head."


def inherit_keys(
    source: dict[str, torch.Tensor], target: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Returns the target's tensors with the source's Q-Former in them."""
    ours = {name for name in target if name.startswith("vpg.head.")}
    theirs = {name for name in source if name.startswith("vpg.head.")}
    if ours != theirs:
        raise ValueError(f"not in both: {sorted(ours ^ theirs)}")
    for name in ours:
        if source[name].shape != target[name].shape:
            raise ValueError(f"{name}: {source[name].shape} and {target[name].shape}")
    return {name: source[name] if name in ours else target[name] for name in target}


def reference(source: Tensors, target: Tensors) -> Tensors:
    """By torch: a module of the target's Q-Former loads the source's, strictly."""
    holder = torch.nn.Module()
    for name, value in target.items():
        if name.startswith(HEAD):
            plain = name.replace(".", "_")
            holder.register_parameter(plain, torch.nn.Parameter(value.clone(), requires_grad=False))
    given = {k.replace(".", "_"): v for k, v in source.items() if k.startswith(HEAD)}
    try:
        holder.load_state_dict(given, strict=True)
    except RuntimeError as error:
        raise ValueError(str(error)) from None
    return target | {name: source[name] for name in source if name.startswith(HEAD)}


PARTS = {
    "queries": "vpg.head.query_tokens",
    "ln_vision": "vpg.head.ln_vision.weight",
    "layer 0": "vpg.head.layers.0.weight",
    "layer 1": "vpg.head.layers.1.weight",
    "encoder": "vpg.encoder.weight",
    "projector": "projector.weight",
    "language model": "language.weight",
}


def _run(answer: Any, case: Case) -> Any:
    """Tells part by part whose tensor it is; for what does not fit, what was raised."""
    source, target = case.args
    try:
        made = call(answer, case)
    except ValueError:
        return {"outcome": "raises ValueError", **dict.fromkeys(PARTS, ""), "tensors in all": 0}
    if made is ...:
        return made
    if not isinstance(made, dict):
        raise TypeError(f"it should give a dictionary, not {kind_of(made)}")
    found = {part: _whose(made.get(name), name, source, target) for part, name in PARTS.items()}
    return {"outcome": "gives tensors", **found, "tensors in all": len(made)}


def _whose(value: Any, name: str, source: Tensors, target: Tensors) -> str:
    for owner, tensors in (("source", source), ("target", target)):
        same = isinstance(value, torch.Tensor) and name in tensors
        if same and value.shape == tensors[name].shape and torch.equal(value, tensors[name]):
            return owner
    return "missing" if value is None else "of somebody else"


def _what_both_have(source, target):
    fits = {n: v for n, v in source.items() if n.startswith(HEAD) and n in target}
    return target | {n: v for n, v in fits.items() if v.shape == target[n].shape}


def _more_is_fine(source, target):
    missing = [n for n in target if n.startswith(HEAD) and n not in source]
    if missing or any(v.shape != source[n].shape for n, v in target.items() if n.startswith(HEAD)):
        raise ValueError("missing")
    return {n: source[n] if n.startswith(HEAD) else v for n, v in target.items()}


def _fewer_is_fine(source, target):
    extra = [n for n in source if n.startswith(HEAD) and n not in target]
    fits = {n: v for n, v in source.items() if n.startswith(HEAD) and n not in extra}
    if extra or any(v.shape != target[n].shape for n, v in fits.items()):
        raise ValueError("too many")
    return target | fits


def _any_shape(source, target):
    ours = {n for n in target if n.startswith(HEAD)}
    if ours != {n for n in source if n.startswith(HEAD)}:
        raise ValueError("other names")
    return target | {n: source[n] for n in ours}


def _layers_alone(source, target):
    made = inherit_keys(source, target)
    layers = f"{HEAD}layers."
    return {n: v if n.startswith(layers) else target[n] for n, v in made.items()}


def _no_ln_vision(source, target):
    made = inherit_keys(source, target)
    return made | {n: v for n, v in target.items() if "ln_vision" in n}


def _projector_too(source, target):
    return inherit_keys(source, target) | {PARTS["projector"]: source[PARTS["projector"]]}


def _everything(source, target):
    return inherit_keys(source, target) | source


def _q_former_alone(source, target):
    return {n: v for n, v in inherit_keys(source, target).items() if n.startswith(HEAD)}


def _the_other_way(source, target):
    return inherit_keys(target, source)


def _by_place(source, target):
    inherit_keys(source, target)
    ours, theirs = ([n for n in t if n.startswith(HEAD)] for t in (target, source))
    return target | {a: source[b] for a, b in zip(ours, reversed(theirs), strict=True)}


def _model(seed: int, width: int, queries: int = 3, layers: int = 2) -> Tensors:
    chance = torch.Generator().manual_seed(seed)
    shapes = {"vpg.encoder.weight": (4, 4), "vpg.head.query_tokens": (1, queries, 4)}
    shapes["vpg.head.ln_vision.weight"] = (4,)
    shapes |= {f"vpg.head.layers.{i}.weight": (4, 4) for i in range(layers)}
    shapes |= {"projector.weight": (width, 4), "language.weight": (9, width)}
    return {name: torch.randn(shape, generator=chance) for name, shape in shapes.items()}


def _cases() -> list[Case]:
    return [
        Case("from a language model of width 5 to one of 7", (_model(0, 5), _model(1, 7))),
        Case("both of width 5", (_model(2, 5), _model(3, 5))),
        Case("3 queries into a target of 2", (_model(4, 5), _model(5, 7, queries=2))),
        Case("a source without layer 1", (_model(6, 5, layers=1), _model(7, 7))),
        Case("a source with a layer more", (_model(8, 5, layers=3), _model(9, 7))),
    ]


EXERCISE = Exercise(
    objective="10.4",
    title="inherit, and lose nothing",
    difficulty=2,
    minutes=10,
    contract=(
        "`source` and `target` map the names of a model's tensors to the tensors. Names begin with "
        "`vpg.encoder.`, `vpg.head.`, `projector.` or `language.`; the queries and `ln_vision` lie "
        "below `vpg.head.`, too.",
        "Gives all of the target's names: what lies below `vpg.head.` with the source's tensors, "
        "the rest with the target's own.",
        "Raises a `ValueError` unless the two have the same names below `vpg.head.`, no more and "
        "no fewer, in the same shapes.",
    ),
    hints=(
        "A file is read with `strict=False`, one name is misspelled, and a layer of the Q-Former "
        "stays random. Nobody notices: the loss falls all the same. Which three questions would "
        "have to be asked of names and shapes before anything is copied?",
        "Collect the names below `vpg.head.` of both. If the two sets differ, raise. If a tensor "
        "has another shape in the target, raise. Then go through the target's names and take each "
        "tensor from where it belongs.",
        "`ours ^ theirs` are the names that only one of two sets has. `name.startswith(...)` "
        "chooses. `{name: source[name] if name in ours else target[name] for name in target}` "
        "is the result.",
    ),
    solution=inherit_keys,
    reference=reference,
    cases=_cases,
    run=_run,
    mistakes=(
        Mistake(
            _what_both_have,
            "what does not fit raises",
            "whatever fitted was copied, and the rest stays random without a word",
        ),
        Mistake(
            _more_is_fine,
            "the source may have nothing more",
            "a layer of the source found no place, and nobody was told",
        ),
        Mistake(
            _fewer_is_fine,
            "the source may lack nothing",
            "a layer that the source does not have stays random, and nobody was told",
        ),
        Mistake(
            _any_shape,
            "shapes have to be the same",
            "the names were compared and the shapes were not",
        ),
        Mistake(
            _layers_alone,
            "queries and norm belong to the Q-Former",
            "the layers came over without the queries and the norm that they were trained with",
        ),
        Mistake(
            _no_ln_vision,
            "ln_vision is inherited",
            "the norm on the image features is still the target's",
        ),
        Mistake(
            _projector_too,
            "the projector is no part of the Q-Former",
            "the source's projector came along; it leads to another language model's words",
        ),
        Mistake(
            _everything,
            "the rest is the target's own",
            "everything was taken from the source, its language model included",
        ),
        Mistake(
            _q_former_alone,
            "all names of the target",
            "only the Q-Former is there, not the parts around it",
        ),
        Mistake(
            _the_other_way,
            "from the source to the target",
            "source and target were exchanged",
        ),
        Mistake(
            _by_place,
            "names decide",
            "tensors were matched by their order and not by their names",
        ),
    ),
)
