"""Two linear layers as one: the source's projector, and the converter behind it."""

import torch
from torch.nn import functional as F

from course_lib.teach.task import Case, Exercise, Mistake

Layer = tuple[torch.Tensor, torch.Tensor]


def merge_projectors(
    projector: tuple[torch.Tensor, torch.Tensor], converter: tuple[torch.Tensor, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns weight (T, H) and bias (T,) of one layer that does what both do."""
    (source_weight, source_bias), (word_weight, word_bias) = projector, converter
    return word_weight @ source_weight, word_weight @ source_bias + word_bias


def reference(projector: Layer, converter: Layer) -> Layer:
    """Asks both layers one after the other about a token of zeros, then about each unit token."""
    width = projector[0].shape[1]
    tokens = torch.cat([torch.zeros(1, width), torch.eye(width)])
    told = F.linear(F.linear(tokens, *projector), *converter)
    return (told[1:] - told[0]).T, told[0]


def _printed(projector, converter):
    return merge_projectors(converter, projector)


def _printed_bias(projector, converter):
    weight, _ = merge_projectors(projector, converter)
    return weight, projector[0] @ converter[1] + projector[1]


def _biases_added(projector, converter):
    return converter[0] @ projector[0], projector[1] + converter[1]


def _converter_s_bias_alone(projector, converter):
    return converter[0] @ projector[0], converter[1].clone()


def _no_converter_bias(projector, converter):
    return converter[0] @ projector[0], converter[0] @ projector[1]


def _bias_through_both(projector, converter):
    weight = converter[0] @ projector[0]
    return weight, converter[0] @ (projector[1] + converter[1])


def _transposed(projector, converter):
    weight, bias = merge_projectors(projector, converter)
    return weight.T, bias


def _number_by_number(projector, converter):
    return converter[0] * projector[0], converter[0] @ projector[1] + converter[1]


def _cases() -> list[Case]:
    chance = torch.Generator().manual_seed(0)

    def layer(out: int, width: int) -> Layer:
        weight = torch.randn(out, width, generator=chance)
        return weight, torch.randn(out, generator=chance)

    turn = torch.tensor([[0.0, 1.0], [2.0, 0.0]]), torch.tensor([1.0, 10.0])
    stretch = torch.tensor([[3.0, 0.0], [1.0, 1.0]]), torch.tensor([100.0, 1000.0])
    return [
        Case("H, S and T are 2", (turn, stretch)),
        Case("H is 3, S 4 and T 5", (layer(4, 3), layer(5, 4))),
        Case("H is 4, S 3 and T 4", (layer(3, 4), layer(4, 3))),
    ]


EXERCISE = Exercise(
    objective="10.3",
    title="two layers in one",
    difficulty=2,
    minutes=10,
    contract=(
        "`projector` is the source's: a weight (S, H) and a bias (S,), from visual tokens of width "
        "H to the source's words. `converter` leads on to the target's: (T, S) and (T,).",
        "Gives weight and bias of one layer with which, for every visual token $v$, comes out what "
        "projector and converter give one after the other.",
        "The widths may all differ, and where all are equal nothing complains about a wrong order: "
        "check with a token of your own.",
    ),
    hints=(
        "Write the two layers as one expression: put what the first gives into the second, and "
        "multiply out. There are three terms; which of them still hold $v$?",
        "Behind the first layer stands $W_s v + b_s$. The second multiplies all of that with "
        "$W_w$, the bias included, and adds $b_w$. What stands before $v$ is the new weight, the "
        "rest is the new bias.",
        "`A @ B` applies B first. A weight (T, S) times one of (S, H) is (T, H); a weight (T, S) "
        "times a bias (S,) is (T,). The new bias is a sum of two vectors of length T.",
    ),
    solution=merge_projectors,
    reference=reference,
    cases=_cases,
    tolerance=1e-3,
    mistakes=(
        Mistake(
            _printed,
            "the projector comes first",
            "this is the order that the paper prints: there the converter reads visual tokens, "
            "and the projector words",
        ),
        Mistake(
            _printed_bias,
            "the bias goes the same way",
            "the weights are in the right order and the biases in the printed one",
        ),
        Mistake(
            _biases_added,
            "the first bias goes through the second layer",
            "the two biases were added as they are, but the converter multiplies the first",
        ),
        Mistake(
            _converter_s_bias_alone,
            "no bias is lost",
            "the projector's bias is missing: the converter reads it with the rest",
        ),
        Mistake(
            _no_converter_bias,
            "no bias is lost",
            "the converter's own bias is missing",
        ),
        Mistake(
            _bias_through_both,
            "the second bias comes last",
            "the converter's bias was multiplied by its own weight, too",
        ),
        Mistake(
            _transposed,
            "a weight is (out, in)",
            "the merged weight is (H, T), and a linear layer keeps it as (T, H)",
        ),
        Mistake(
            _number_by_number,
            "layers multiply as matrices",
            "the weights were multiplied number by number",
        ),
    ),
)
