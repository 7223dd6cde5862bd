"""A LoRA merged into its weight, and taken off again."""

from typing import Any

import torch
from torch import nn

from course_lib.lora import LoRALinear
from course_lib.teach.task import Case, Exercise, Mistake, call

Tensor = torch.Tensor


def lora_merge(
    weight: torch.Tensor,
    lora_a: torch.Tensor,
    lora_b: torch.Tensor,
    alpha: float,
    merged: bool,
) -> torch.Tensor:
    """Returns (out, in): the weight with its LoRA in it; without it where it is `merged`."""
    delta = alpha / lora_a.shape[0] * (lora_b @ lora_a)
    delta = delta.to(weight.dtype)
    return weight - delta if merged else weight + delta


def reference(weight: Tensor, lora_a: Tensor, lora_b: Tensor, alpha: float, merged: bool) -> Tensor:
    """The library's layer, merged or unmerged in place."""
    out, wide = weight.shape
    linear = nn.Linear(wide, out, bias=False, device="meta")
    linear.weight = nn.Parameter(weight.clone())
    with torch.random.fork_rng(devices=[]):  # what it draws for A is no part of a notebook
        layer = LoRALinear(linear, len(lora_a), alpha, dropout=0.0)
    layer.merged = merged
    with torch.no_grad():
        layer.lora_A.copy_(lora_a)
        layer.lora_B.copy_(lora_b)
    layer.unmerge() if merged else layer.merge()
    return layer.weight.detach()


def _run(answer: Any, case: Case) -> Any:
    """Merges, and takes off what the answer itself has merged."""
    weight, *lora = case.args
    made = call(answer, Case(case.says, (weight, *lora, False)))
    if not isinstance(made, torch.Tensor):
        return made
    made = made.detach().clone()  # `weight` itself is not to come back
    back = call(answer, Case(case.says, (made.clone(), *lora, True)))
    return {"merged": made, "taken off again": back}


def _moved(delta):
    """Makes an answer of another update, a function of (A, B, alpha)."""

    def answer(weight, lora_a, lora_b, alpha, merged):
        update = delta(lora_a, lora_b, alpha).to(weight.dtype)
        return weight - update if merged else weight + update

    return answer


def _adds_twice(weight, lora_a, lora_b, alpha, merged):
    return weight + (lora_b @ lora_a * alpha / len(lora_a)).to(weight.dtype)


def _wrong_way(weight, lora_a, lora_b, alpha, merged):
    return lora_merge(weight, lora_a, lora_b, alpha, not merged)


def _update_alone(weight, lora_a, lora_b, alpha, merged):
    update = (lora_b @ lora_a * alpha / len(lora_a)).to(weight.dtype)
    return weight - update if merged else update


def _in_float32(weight, lora_a, lora_b, alpha, merged):
    update = lora_b @ lora_a * alpha / len(lora_a)
    return weight.float() - update if merged else weight.float() + update


def _back_without_scale(weight, lora_a, lora_b, alpha, merged):
    scale = 1.0 if merged else alpha / len(lora_a)
    update = (scale * lora_b @ lora_a).to(weight.dtype)
    return weight - update if merged else weight + update


def _in_place(weight, lora_a, lora_b, alpha, merged):
    update = (lora_b @ lora_a * alpha / len(lora_a)).to(weight.dtype)
    weight += -update if merged else update
    return weight


def _cases() -> list[Case]:
    def case(says: str, weight: list, a: list, b: list, alpha: float, dtype=torch.float32) -> Case:
        lora_a, lora_b = torch.tensor(a), torch.tensor(b)
        return Case(says, (torch.tensor(weight, dtype=dtype), lora_a, lora_b, alpha))

    square = [[1.0, 0.0], [0.0, 1.0]]
    wide = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    a, b = [[1.0, 0.0, 2.0], [0.0, 1.0, 1.0]], [[1.0, -1.0], [2.0, 0.5]]
    return [
        case("(2, 2), r = 1, alpha = 3", square, [[1.0, 4.0]], [[2.0], [1.0]], 3.0),
        case("(2, 3), r = 2, alpha = 8", wide, a, b, 8.0),
        case("(2, 2), r = 2, alpha = 3", square, [[1.0, 2.0], [0.0, 1.0]], b, 3.0),
        case("(2, 3) in half precision, r = 2, alpha = 6", wide, a, b, 6.0, torch.float16),
    ]


EXERCISE = Exercise(
    objective="09.3",
    title="merge, and take off again",
    difficulty=2,
    minutes=8,
    contract=(
        "`weight` is (out, in), `lora_a` (r, in), `lora_b` (out, r), `alpha` a number.",
        "With `merged=False` the weight is the frozen one: gives the one matrix that does what "
        "$W x + \\frac{\\alpha}{r} B A x$ does. With `merged=True` the weight has the LoRA in it "
        "already: gives the frozen one back.",
        "The check merges first, and then asks to take off what **your** answer merged: the weight "
        "of before has to come out.",
        "The result is a new tensor in the dtype of `weight`, which may be half precision where A "
        "and B are float32; `weight` itself stays as it was.",
    ),
    hints=(
        "$W x + M x = (W + M) x$: whatever M is, adding it to the weight once saves the second "
        "road at every step. And what was added can be subtracted.",
        "M is alpha over r times B times A, in this order: only then is it as large as the weight. "
        "Bring it to the weight's dtype. Add it, or, where it is merged, subtract it.",
        "`lora_b @ lora_a` is (out, in), and `lora_a.shape[0]` is r. `delta.to(weight.dtype)` "
        "changes the type. `weight + delta` makes a new tensor, `weight += delta` does not.",
    ),
    solution=lora_merge,
    reference=reference,
    cases=_cases,
    run=_run,
    mistakes=(
        Mistake(
            _moved(lambda a, b, alpha: b @ a),
            "the update is scaled",
            "B A was added as it is, without alpha over r",
        ),
        Mistake(
            _moved(lambda a, b, alpha: alpha * b @ a),
            "alpha is divided by r",
            "the update was multiplied by alpha alone",
        ),
        Mistake(
            _moved(lambda a, b, alpha: len(a) / alpha * b @ a),
            "alpha over r",
            "alpha and r are exchanged in the fraction",
        ),
        Mistake(
            _moved(lambda a, b, alpha: alpha / len(a) * a @ b),
            "B times A",
            "A B is (r, r), and where r is 1 it is a single number that is added everywhere",
        ),
        Mistake(
            _moved(lambda a, b, alpha: alpha / len(a) * (b @ a).T),
            "the update is (out, in)",
            "the update was transposed",
        ),
        Mistake(
            _adds_twice,
            "what was added is taken off",
            "`merged` has no part in it, and the update is added a second time",
        ),
        Mistake(
            _wrong_way,
            "merging adds",
            "merging subtracts here and unmerging adds",
        ),
        Mistake(
            _update_alone,
            "the frozen weight stays in it",
            "the update alone came out, and what was pretrained is lost",
        ),
        Mistake(
            _in_float32,
            "the weight's dtype",
            "a merged half-precision weight came out as float32 and takes twice the memory",
        ),
        Mistake(
            _back_without_scale,
            "both ways the same update",
            "what is taken off is not scaled, so a part of the update stays",
        ),
        Mistake(
            _in_place,
            "the weight stays as it was",
            "`+=` changes the tensor that came in, and whoever merges it again has the LoRA twice",
        ),
    ),
)
