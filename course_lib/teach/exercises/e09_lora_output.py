"""What a linear layer with a LoRA beside it gives."""

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from course_lib.lora import LoRALinear
from course_lib.teach.task import Case, Exercise, Mistake

Tensor = torch.Tensor


def lora_output(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    lora_a: torch.Tensor,
    lora_b: torch.Tensor,
    alpha: float,
) -> torch.Tensor:
    """Returns [..., out] for x [..., in]: the frozen layer, and its LoRA beside it."""
    scale = alpha / lora_a.shape[0]
    update = x @ lora_a.T @ lora_b.T  # [..., in] -> [..., r] -> [..., out]
    return x @ weight.T + bias + scale * update


def reference(
    x: Tensor, weight: Tensor, bias: Tensor, lora_a: Tensor, lora_b: Tensor, alpha: float
) -> Tensor:
    """The library's layer with these matrices."""
    out, wide = weight.shape
    linear = nn.Linear(wide, out, device="meta")  # draws no number
    layer = LoRALinear(linear, len(lora_a), alpha, dropout=0.0)
    tensors = {"weight": weight, "bias": bias, "lora_A": lora_a, "lora_B": lora_b}
    return functional_call(layer, tensors, (x,))


def _scaled(scale):
    """Makes an answer with another scale, a function of (A, B, alpha)."""

    def answer(x, weight, bias, lora_a, lora_b, alpha):
        update = F.linear(F.linear(x, lora_a), lora_b)
        return F.linear(x, weight, bias) + scale(lora_a, lora_b, alpha) * update

    return answer


def _all_scaled(x, weight, bias, lora_a, lora_b, alpha):
    update = F.linear(F.linear(x, lora_a), lora_b)
    return (F.linear(x, weight, bias) + update) * alpha / len(lora_a)


def _update_alone(x, weight, bias, lora_a, lora_b, alpha):
    return F.linear(F.linear(x, lora_a), lora_b) * alpha / len(lora_a)


def _no_bias(x, weight, bias, lora_a, lora_b, alpha):
    return F.linear(x, weight) + _update_alone(x, weight, bias, lora_a, lora_b, alpha)


def _bias_inside(x, weight, bias, lora_a, lora_b, alpha):
    update = F.linear(F.linear(x, lora_a), lora_b) + bias
    return F.linear(x, weight) + update * alpha / len(lora_a)


def _behind(x, weight, bias, lora_a, lora_b, alpha):
    made = F.linear(x, weight, bias)
    return made + F.linear(F.linear(made, lora_a), lora_b) * alpha / len(lora_a)


def _exchanged(x, weight, bias, lora_a, lora_b, alpha):
    return F.linear(x, weight, bias) + x @ lora_b @ lora_a * alpha / len(lora_a)


def _one_vector(x, weight, bias, lora_a, lora_b, alpha):
    return weight @ x + bias + alpha / len(lora_a) * (lora_b @ (lora_a @ x))


def _bent(x, weight, bias, lora_a, lora_b, alpha):
    update = F.linear(F.relu(F.linear(x, lora_a)), lora_b)
    return F.linear(x, weight, bias) + update * alpha / len(lora_a)


def _first_rank(x, weight, bias, lora_a, lora_b, alpha):
    update = F.linear(F.linear(x, lora_a[:1]), lora_b[:, :1])
    return F.linear(x, weight, bias) + update * alpha / len(lora_a)


def _cases() -> list[Case]:
    chance = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=chance)

    by_pencil = ([1.0, 2.0], [[1.0, 3.0], [0.0, 2.0]], [10.0, 20.0], [[1.0, -1.0]], [[2.0], [1.0]])
    rows = (draw(3, 4), draw(4, 4), draw(4), draw(2, 4), draw(4, 2), 8.0)
    batch = (draw(2, 3, 4), draw(5, 4), draw(5), draw(3, 4), draw(5, 3), 1.5)
    return [
        Case("1 vector of 2 numbers, r = 1, alpha = 3", (*map(torch.tensor, by_pencil), 3.0)),
        Case("3 tokens of 4 numbers, r = 2, alpha = 8", rows),
        Case("2 rows of 3 tokens, 4 numbers to 5, r = 3, alpha = 1.5", batch),
    ]


EXERCISE = Exercise(
    objective="09.3",
    title="a layer with its LoRA",
    difficulty=1,
    minutes=6,
    contract=(
        "`weight` is (out, in) and `bias` (out,), the frozen layer as `nn.Linear` stores it. "
        "`lora_a` is (r, in) and `lora_b` (out, r); `alpha` is a number.",
        "Gives $W x + b + \\frac{\\alpha}{r} B A x$ for each vector of `x`, which is [..., in]: "
        "one vector, a row of tokens, or a batch of rows. The result is [..., out].",
        "Both paths read the same `x`. Nothing is dropped and nothing is bent on the way.",
    ),
    hints=(
        "Two roads from `in` to `out`: the wide one through W, and a footpath through a space of "
        "r numbers. Walk both with the same luggage and add what arrives.",
        "Frozen road: multiply with the weight and add the bias. Footpath: A first, it makes "
        "`in` numbers into r, then B makes r into `out`. Scale the footpath alone by alpha over "
        "r, and r is a side of A. Add.",
        "`x @ weight.T` works for any number of axes in front, `weight @ x` for one vector alone. "
        "`lora_a.shape[0]` is r. `x @ lora_a.T @ lora_b.T` is the footpath.",
    ),
    solution=lora_output,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _scaled(lambda a, b, alpha: 1.0),
            "the update is scaled",
            "alpha has no part in it",
        ),
        Mistake(
            _scaled(lambda a, b, alpha: alpha),
            "alpha is divided by r",
            "the update is multiplied by alpha alone; with a larger r it would grow along",
        ),
        Mistake(
            _scaled(lambda a, b, alpha: len(a) / alpha),
            "alpha over r",
            "alpha and r are exchanged in the fraction",
        ),
        Mistake(
            _scaled(lambda a, b, alpha: alpha / a.shape[1]),
            "r is the small side of A",
            "alpha was divided by the width of the layer and not by the rank",
        ),
        Mistake(
            _scaled(lambda a, b, alpha: alpha / len(a) ** 0.5),
            "alpha over r",
            "alpha was divided by the root of r, as a later variant does",
        ),
        Mistake(
            _all_scaled,
            "the frozen layer is not scaled",
            "everything was scaled, and a LoRA of zeros would change the output",
        ),
        Mistake(
            _update_alone,
            "the frozen layer stays",
            "only the LoRA's part is there: it stands beside the layer, not in its place",
        ),
        Mistake(_no_bias, "the bias stays", "the layer's bias got lost"),
        Mistake(
            _bias_inside,
            "the bias is not scaled",
            "the bias is inside the brackets that alpha over r multiplies",
        ),
        Mistake(
            _behind,
            "both paths read x",
            "the LoRA reads what the frozen layer gives: behind it and not beside it",
        ),
        Mistake(
            _exchanged,
            "A first, then B",
            "x met B before A: the two matrices are exchanged",
        ),
        Mistake(
            _one_vector,
            "any axes in front",
            "that is right for one vector, and a batch of rows does not fit or is mixed up",
        ),
        Mistake(
            _bent,
            "nothing bends the path",
            "there is a nonlinearity between A and B, so the update could not be merged",
        ),
        Mistake(
            _first_rank,
            "all r ranks count",
            "only the first row of A and the first column of B were used",
        ),
    ),
)
