"""A soft prompt found by plain gradient descent: vectors move, the language model does not."""

from collections.abc import Callable

import torch
from torch import nn

from course_lib.teach.task import Case, Exercise, Mistake

LossOf = Callable[[torch.Tensor], torch.Tensor]


def tune(
    loss_of: Callable[[torch.Tensor], torch.Tensor], start: torch.Tensor, steps: int, rate: float
) -> torch.Tensor:
    """Returns the vectors after `steps` steps downhill from `start`, which stays as it is."""
    vectors = start.detach().clone()
    for _ in range(steps):
        vectors.requires_grad_()
        (gradient,) = torch.autograd.grad(loss_of(vectors), vectors)
        vectors = (vectors - rate * gradient).detach()
    return vectors


def reference(loss_of: LossOf, start: torch.Tensor, steps: int, rate: float) -> torch.Tensor:
    """torch's own optimiser, on a copy."""
    moving = nn.Parameter(start.detach().clone())
    optimiser = torch.optim.SGD([moving], lr=rate)
    for _ in range(steps):
        optimiser.zero_grad()
        loss_of(moving).backward()
        optimiser.step()
    return moving.detach()


def _slope(loss_of, vectors):
    vectors = vectors.detach().requires_grad_()
    return torch.autograd.grad(loss_of(vectors), vectors)[0]


def _uphill(loss_of, start, steps, rate):
    return tune(loss_of, start, steps, -rate)


def _piles_up(loss_of, start, steps, rate):
    moving = nn.Parameter(start.detach().clone())
    optimiser = torch.optim.SGD([moving], lr=rate)
    for _ in range(steps):
        loss_of(moving).backward()
        optimiser.step()
    return moving.detach()


def _one_slope(loss_of, start, steps, rate):
    return start - steps * rate * _slope(loss_of, start)


def _always_from_start(loss_of, start, steps, rate):
    return start - rate * _slope(loss_of, start) if steps else start


def _no_rate(loss_of, start, steps, rate):
    return tune(loss_of, start, steps, 1.0)


def _same_memory(loss_of, start, steps, rate):
    moving = nn.Parameter(start)
    optimiser = torch.optim.SGD([moving], lr=rate)
    for _ in range(steps):
        optimiser.zero_grad()
        loss_of(moving).backward()
        optimiser.step()
    return moving.detach()


def _cases() -> list[Case]:
    chance = torch.Generator().manual_seed(0)
    goal, mixer = torch.tensor([[1.0, -1.0]]), torch.randn(4, 4, generator=chance)
    three, wish = (torch.randn(3, 4, generator=chance) for _ in range(2))

    def near_goal(vectors):
        return (vectors - goal).square().sum()

    def mixed(vectors):
        return (torch.tanh(vectors @ mixer) - wish).square().mean()

    return [
        Case("1 vector of 2 numbers, 1 step", (near_goal, torch.zeros(1, 2), 1, 0.1)),
        Case("the same, 3 steps", (near_goal, torch.zeros(1, 2), 3, 0.1)),
        Case("3 vectors of 4 numbers, 5 steps", (mixed, three, 5, 0.4)),
    ]


EXERCISE = Exercise(
    objective="04.1",
    title="find a soft prompt",
    difficulty=2,
    minutes=10,
    contract=(
        "`loss_of` maps vectors to a loss, one number, through a model that nobody may change; "
        "`start` are the vectors to begin with, of any shape.",
        "Gives the vectors after `steps` steps of plain gradient descent: each step subtracts "
        "`rate` times the gradient of the loss at where the vectors are now.",
        "`start` itself stays as it is.",
    ),
    hints=(
        "Training moves the weights of a model and leaves its input alone. Here it is the other "
        "way round. What does a step of training do, and to which tensor is it done now?",
        "Copy the start. Again and again: say that the copy wants a gradient, compute the loss, "
        "ask for the gradient with respect to the copy, and go a small step against it, from "
        "there on without the history of the step.",
        "`vectors.requires_grad_()` wants a gradient, "
        "`torch.autograd.grad(loss_of(vectors), vectors)` gives a tuple with it, and `.detach()` "
        "behind the subtraction ends the history. `torch.optim.SGD` on "
        "`nn.Parameter(start.clone())` is as good.",
    ),
    solution=tune,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _uphill,
            "the loss falls",
            "the gradient points to where the loss rises, and the vectors followed it",
        ),
        Mistake(
            _piles_up,
            "each step has its own gradient",
            "backward adds to the gradient that is there already: nothing cleared the old one",
        ),
        Mistake(
            _one_slope,
            "the gradient is asked for again",
            "one gradient, that of the start, was used for every step, though the slope changes "
            "on the way",
        ),
        Mistake(
            _always_from_start,
            "a step begins where the last one ended",
            "every step set out from the start again, so all of them together are one step",
        ),
        Mistake(
            _no_rate,
            "a step has the length that was asked for",
            "the gradient was subtracted whole: `rate` was not used",
        ),
        Mistake(
            _same_memory,
            "the start stays as it is",
            "`nn.Parameter(start)` is no copy: it has the same memory as `start`",
        ),
    ),
)
