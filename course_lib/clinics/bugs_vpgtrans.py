"""VPGTrans's clinic: four functions as they were found, repaired, and repaired wrongly."""

import torch
from torch.nn import functional as F

from course_lib.teach.task import Case


def merge_as_found(
    w_s: torch.Tensor, b_s: torch.Tensor, w_w: torch.Tensor, b_w: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Merges the source's projector (W_s, b_s) and the word converter (W_w, b_w)."""
    return w_s @ w_w, w_s @ b_w + b_s


def merge(
    w_s: torch.Tensor, b_s: torch.Tensor, w_w: torch.Tensor, b_w: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Makes one layer of two: first the source's projector, then the converter."""
    return w_w @ w_s, w_w @ b_s + b_w


def merged(w_s, b_s, w_w, b_w):
    def both(v: torch.Tensor) -> torch.Tensor:
        return F.linear(F.linear(v, w_s, b_s), w_w, b_w)

    zero = both(torch.zeros(w_s.shape[1]))
    return (both(torch.eye(w_s.shape[1])) - zero).T, zero


def bias_left(w_s, b_s, w_w, b_w):
    return w_w @ w_s, b_w.clone()


def biases_added(w_s, b_s, w_w, b_w):
    return w_w @ w_s, b_s + b_w


def turned(w_s, b_s, w_w, b_w):
    return (w_w @ w_s).T, w_w @ b_s + b_w


def inherited_as_found(
    source: dict[str, torch.Tensor], wanted: list[str]
) -> dict[str, torch.Tensor]:
    """Picks from a saved model what the new Q-Former has."""
    return {name: tensor for name, tensor in source.items() if name in wanted}


def inherited(source: dict[str, torch.Tensor], wanted: list[str]) -> dict[str, torch.Tensor]:
    """Picks from a saved model, where they begin with `vpg.head.`, the tensors that are wanted."""
    return {name: source[f"vpg.head.{name}"] for name in wanted}


def renamed(source, wanted):
    named = {k.removeprefix("vpg.head."): v for k, v in source.items() if k.startswith("vpg.head.")}
    return {k: v for k, v in named.items() if k in wanted}


def names_kept(source, wanted):
    return {k: v for k, v in source.items() if k.startswith("vpg.head.")}


def too_little_off(source, wanted):
    return {k.removeprefix("vpg."): v for k, v in source.items() if k.startswith("vpg.head.")}


def everything(source, wanted):
    return {k.removeprefix("vpg.head."): v for k, v in source.items()}


def direction_loss_as_found(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Returns the mean of 1 - cos between converted words and their partners, (B, T, D)."""
    return (1 - F.cosine_similarity(made, wanted)).mean()


def direction_loss(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Returns the mean of 1 - cos, each word's vector being the last axis."""
    cosine = torch.cosine_similarity(made, wanted, dim=-1)
    return (1 - cosine).mean()


def angle(made, wanted):
    inner = (made * wanted).sum(dim=-1)
    return 1 - (inner / (made.norm(dim=-1) * wanted.norm(dim=-1))).mean()


def sign_lost(made, wanted):
    return F.cosine_similarity(made, wanted, dim=-1).mean()


def summed(made, wanted):
    return (1 - F.cosine_similarity(made, wanted, dim=-1)).sum()


def over_the_batch(made, wanted):
    return (1 - F.cosine_similarity(made, wanted, dim=0)).mean()


def rate_of_micro_step_as_found(micro_step: int, accumulate: int, rates: list[float]) -> float:
    """Returns the learning rate of a micro-batch; `rates` holds one for each update."""
    return rates[min(micro_step, len(rates) - 1)]


def rate_of_micro_step(micro_step: int, accumulate: int, rates: list[float]) -> float:
    """Returns the rate of the update that a micro-batch, counted from 0, belongs to."""
    return rates[min(micro_step // accumulate, len(rates) - 1)]


def rate(micro_step, accumulate, rates):
    every = [value for value in rates for _ in range(accumulate)]
    return (every + [rates[-1]] * (micro_step + 1))[micro_step]


def one_early(micro_step, accumulate, rates):
    return rates[min((micro_step + 1) // accumulate, len(rates) - 1)]


def multiplied(micro_step, accumulate, rates):
    return rates[min(micro_step * accumulate, len(rates) - 1)]


def first_for_ever(micro_step, accumulate, rates):
    return rates[0]


def layer_cases() -> list[Case]:
    made = torch.Generator().manual_seed(0)
    draws = (torch.randn(*size, generator=made) for size in ((3, 3), (3,), (3, 3), (3,)))
    return [Case("three numbers to three to three", tuple(draws))]


def tensor_cases() -> list[Case]:
    def source(**more: float) -> dict[str, torch.Tensor]:
        return {k.replace("__", "."): torch.tensor([v]) for k, v in more.items()}

    saved = source(vpg__head__query=1.0, vpg__head__norm__bias=2.0, projector__weight=3.0)
    return [
        Case("two tensors of the head, one of the projector", (saved, ["query", "norm.bias"])),
    ]


def vector_cases() -> list[Case]:
    made = torch.Generator().manual_seed(0)
    draws = tuple(torch.randn(2, 3, 4, generator=made) for _ in range(2))
    return [Case("two captions of three words", draws)]


def step_cases() -> list[Case]:
    rates = [5.0, 4.0, 3.0]
    return [Case(f"micro-batch {s} of updates of 2", (s, 2, rates)) for s in (0, 1, 2, 5, 6)]
