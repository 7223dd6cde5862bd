"""mPLUG-Owl's clinic: four functions as they were found, repaired, and repaired wrongly."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from course_lib.teach.task import Case

State = dict[str, Any]


def tokens_read_as_found(
    hidden_states: tuple[torch.Tensor, ...], norm: nn.LayerNorm
) -> torch.Tensor:
    """Returns what the abstractor reads of a CLIP, (B, 1 + N, E)."""
    return hidden_states[-2]


def tokens_read(hidden_states: tuple[torch.Tensor, ...], norm: nn.LayerNorm) -> torch.Tensor:
    """Returns the last block's tokens, class token included, each through the final norm."""
    return norm(hidden_states[-1])


def normed(hidden_states, norm):
    last = hidden_states[len(hidden_states) - 1]
    return F.layer_norm(last, norm.normalized_shape, norm.weight, norm.bias, norm.eps)


def no_norm(hidden_states, norm):
    return hidden_states[-1].clone()


def second_last_normed(hidden_states, norm):
    return norm(hidden_states[-2])


def class_normed(hidden_states, norm):
    last = hidden_states[-1].clone()
    last[:, 0] = norm(last[:, 0])
    return last


def no_class(hidden_states, norm):
    return norm(hidden_states[-1])[:, 1:]


def lora_weight_as_found(
    weight: torch.Tensor, a: torch.Tensor, b: torch.Tensor, r: int, alpha: float
) -> torch.Tensor:
    """Makes one weight of W (out, in), A (r, in) and B (out, r)."""
    return weight + b @ a


def lora_weight(
    weight: torch.Tensor, a: torch.Tensor, b: torch.Tensor, r: int, alpha: float
) -> torch.Tensor:
    """Adds the update to the weight, at the scale it was trained at."""
    return weight + b @ a * (alpha / r)


def merged(weight, a, b, r, alpha):
    return torch.baddbmm(weight[None], b[None], a[None], alpha=alpha / r)[0]


def scaled_by_alpha(weight, a, b, r, alpha):
    return weight + alpha * (b @ a)


def scaled_twice(weight, a, b, r, alpha):
    return weight + b @ a * (alpha / r) ** 2


def inverse(weight, a, b, r, alpha):
    return weight + b @ a * (r / alpha)


def switch_mode_as_found(state: dict[str, Any], training: bool) -> dict[str, Any]:
    """Merges a LoRA for evaluation, takes it off for training."""
    weight, delta = state["weight"], state["delta"]
    new = weight - delta if training else weight + delta
    return {"weight": new, "delta": delta, "merged": not training}


def switch_mode(state: dict[str, Any], training: bool) -> dict[str, Any]:
    """Merges for evaluation, takes off for training, and does nothing a second time."""
    weight, delta = state["weight"], state["delta"]
    if training and state["merged"]:
        weight = weight - delta
    if not training and not state["merged"]:
        weight = weight + delta
    return {"weight": weight, "delta": delta, "merged": not training}


def switched(state, training):
    step = int(not training) - int(state["merged"])
    weight = state["weight"] + step * state["delta"]
    return {"weight": weight, "delta": state["delta"], "merged": not training}


def flag_forgotten(state, training):
    return {**switched(state, training), "merged": state["merged"]}


def never_off(state, training):
    if training:
        return {**state, "merged": False}
    return switched(state, training)


def never_on(state, training):
    return {**state, "merged": not training}


def picture_of_row_as_found(has_image: list[bool]) -> list[int]:
    """Says which of the packed pictures each row reads, -1 for a row of text."""
    pictures = sum(has_image)
    return [row % pictures if has else -1 for row, has in enumerate(has_image)]


def picture_of_row(has_image: list[bool]) -> list[int]:
    """Counts the pictures as they come: a row of text takes none."""
    found, taken = [], 0
    for has in has_image:
        found.append(taken if has else -1)
        taken += has
    return found


def counted(has_image):
    return [sum(has_image[:row]) if has else -1 for row, has in enumerate(has_image)]


def one_late(has_image):
    return [sum(has_image[: row + 1]) if has else -1 for row, has in enumerate(has_image)]


def text_takes_first(has_image):
    return [max(0, number) for number in counted(has_image)]


def from_the_end(has_image):
    return [n if n < 0 else sum(has_image) - 1 - n for n in counted(has_image)]


def state_cases() -> list[Case]:
    made = torch.Generator().manual_seed(0)
    states = tuple(torch.randn(2, 3, 4, generator=made) for _ in range(4))
    norm = nn.LayerNorm(4)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0, 0.5, 1.5]))
        norm.bias.copy_(torch.tensor([0.1, 0.0, -0.2, 0.3]))
    return [Case("an encoder of three blocks", (states, norm.requires_grad_(False)))]


def weight_cases() -> list[Case]:
    made = torch.Generator().manual_seed(0)
    w, a, b = (torch.randn(*size, generator=made) for size in ((3, 4), (2, 4), (3, 2)))
    return [Case("rank 2, alpha 8", (w, a, b, 2, 8.0)), Case("alpha 3", (w, a, b, 2, 3.0))]


def mode_cases() -> list[Case]:
    def case(says: str, merged_now: bool, training: bool) -> Case:
        state = {"weight": torch.ones(2, 2), "delta": torch.full((2, 2), 0.5)}
        return Case(says, ({**state, "merged": merged_now}, training))

    return [
        case("to evaluation, not merged", False, False),
        case("to evaluation, merged already", True, False),
        case("to training, merged", True, True),
        case("to training, not merged", False, True),
    ]


def row_cases() -> list[Case]:
    return [
        Case("a picture, a text, a picture", ([True, False, True],)),
        Case("text first", ([False, True, False, True, True],)),
        Case("text alone, and two pictures", ([False, True, True],)),
    ]
