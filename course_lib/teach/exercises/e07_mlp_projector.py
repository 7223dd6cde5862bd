"""LLaVA's two projectors: one linear layer, or two with an exact GELU between them."""

import torch
from torch.nn import functional as F

from course_lib.projector import LinearProjector, MLPProjector
from course_lib.teach.task import Case, Exercise, Mistake

Layers = list[tuple[torch.Tensor, torch.Tensor]]


def mlp_projector(
    features: torch.Tensor, layers: list[tuple[torch.Tensor, torch.Tensor]]
) -> torch.Tensor:
    """Returns (B, N, D): features (B, N, E) through one layer (v1) or two (v1.5)."""
    for number, (weight, bias) in enumerate(layers):
        if number > 0:
            features = F.gelu(features)
        features = features @ weight.T + bias
    return features


def reference(features: torch.Tensor, layers: Layers) -> torch.Tensor:
    """The library's projectors with these weights."""
    out, wide = layers[0][0].shape
    one = len(layers) == 1
    projector = LinearProjector(wide, out) if one else MLPProjector(wide, out)
    parts = [projector] if one else [projector.up, projector.down]
    with torch.no_grad():
        for part, (weight, bias) in zip(parts, layers, strict=True):
            part.weight.copy_(weight)
            part.bias.copy_(bias)
        return projector(features)


def _through(features, layers, bend, linear=F.linear):
    """Goes through the layers like the solution, with another bend or another linear step."""
    for number, (weight, bias) in enumerate(layers):
        features = linear(bend(features) if number > 0 else features, weight, bias)
    return features


def _after_each(features, layers):
    for weight, bias in layers:
        features = F.gelu(F.linear(features, weight, bias))
    return features


def _before_each(features, layers):
    for weight, bias in layers:
        features = F.linear(F.gelu(features), weight, bias)
    return features


def _after_the_last(features, layers):
    return F.gelu(_through(features, layers, lambda x: x))


def _no_gelu(features, layers):
    return _through(features, layers, lambda x: x)


def _tanh(features, layers):
    return _through(features, layers, lambda x: F.gelu(x, approximate="tanh"))


def _quick(features, layers):
    return _through(features, layers, lambda x: x * torch.sigmoid(1.702 * x))


def _relu(features, layers):
    return _through(features, layers, F.relu)


def _no_bias(features, layers):
    return _through(features, layers, F.gelu, lambda x, weight, bias: x @ weight.T)


def _late_bias(features, layers):
    *inner, (weight, bias) = layers
    for first, shift in inner:
        features = F.gelu(features @ first.T) + shift
    return features @ weight.T + bias


def _transposed(features, layers):
    return _through(features, layers, F.gelu, lambda x, weight, bias: x @ weight + bias)


def _first_layer_alone(features, layers):
    return _through(features, layers[:1], F.gelu)


def _cases() -> list[Case]:
    chance = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=chance)

    by_pencil = (torch.tensor([[1.0, 2.0], [0.0, 1.0]]), torch.tensor([10.0, -20.0]))
    one = torch.tensor([[[3.0, 4.0]]])
    two_layers = [(draw(4, 3), draw(4)), (draw(4, 4), draw(4))]
    return [
        Case("v1, 1 patch of 2 numbers", (one, [by_pencil])),
        Case("v1, 2 images of 3 patches", (draw(2, 3, 3), [(draw(5, 3), draw(5))])),
        Case("v1.5, 2 images of 3 patches", (2 * draw(2, 3, 3), two_layers)),
    ]


EXERCISE = Exercise(
    objective="07.2",
    title="both projectors",
    difficulty=1,
    minutes=8,
    contract=(
        "`features` is (B, N, E). `layers` holds a weight and a bias for each layer, in order: one "
        "pair is the projector of v1, two pairs are that of v1.5.",
        "A weight is (out, in) and a bias (out,), as `nn.Linear` stores them and as checkpoints "
        "hold them.",
        "Between two layers stands a GELU, the exact one, $x\\,\\Phi(x)$. Nothing stands before "
        "the first or behind the last.",
        "Gives (B, N, D): each patch goes through by itself.",
    ),
    hints=(
        "A projector with one layer has no place for a GELU, one with two layers has one place. "
        "Write down where a third layer would put the second GELU, and you have the rule.",
        "Go through the layers. Before every layer but the first, bend what you have. Multiply "
        "with the weight so that `in` meets the width of the patches, and add the bias.",
        "`features @ weight.T + bias` is one layer, for any number of axes in front. "
        "`F.gelu(features)` is exact unless somebody asks for `approximate='tanh'`. "
        "`enumerate(layers)` tells the first layer from the others.",
    ),
    solution=mlp_projector,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _after_each,
            "nothing stands behind the last layer",
            "every layer got a GELU behind it, so no visual token can have an entry below -0.17",
        ),
        Mistake(
            _before_each,
            "nothing stands before the first layer",
            "CLIP's features were bent before the first layer read them",
        ),
        Mistake(
            _after_the_last,
            "the GELU stands between the layers",
            "the GELU came behind both layers: between them there is nothing, and behind them too "
            "much",
        ),
        Mistake(
            _no_gelu,
            "two layers are more than one",
            "nothing bends between the layers, so both together are one linear layer",
        ),
        Mistake(
            _tanh,
            "the GELU is exact",
            "this is the approximation by tanh: close to it, and a checkpoint shows the difference",
        ),
        Mistake(
            _quick,
            "the GELU is exact",
            "this is the quick GELU, which CLIP has inside; the projector has another",
        ),
        Mistake(_relu, "the bend is a GELU", "this is a ReLU: what is negative became 0"),
        Mistake(_no_bias, "each layer has a bias", "no bias was added"),
        Mistake(
            _late_bias,
            "a bias belongs to its layer",
            "the first bias was added behind the GELU, but it is a part of what the GELU reads",
        ),
        Mistake(
            _transposed,
            "a weight is (out, in)",
            "the weight was used as (in, out); with a square one nothing complains",
        ),
        Mistake(
            _first_layer_alone,
            "all layers are used",
            "the second layer was never reached",
        ),
    ),
)
