"""MiniGPT-4's clinic: four functions as they were found, repaired, and repaired wrongly."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from course_lib.teach.task import Case, call


def wrap_prompt_as_found(
    before: list[int], after: list[int], image_id: int, places: int, bos: int
) -> list[int]:
    """Puts an image into a prompt: both parts tokenised, the image's places between them."""
    return [bos, *before, *[image_id] * places, bos, *after]


def wrap_prompt(
    before: list[int], after: list[int], image_id: int, places: int, bos: int
) -> list[int]:
    """Begins with the start token, once; the second part goes on with the first one's text."""
    return [bos, *before, *[image_id] * places, *after]


def wrapped(before, after, image_id, places, bos):
    whole = [bos, *before, image_id, *after]
    cut = 1 + len(before)
    return whole[:cut] + [image_id] * (places - 1) + whole[cut:]


def no_start(before, after, image_id, places, bos):
    return wrapped(before, after, image_id, places, bos)[1:]


def image_first(before, after, image_id, places, bos):
    return [image_id] * places + [bos, *before, *after]


def one_place(before, after, image_id, places, bos):
    return wrapped(before, after, image_id, 1, bos)


def start_behind(before, after, image_id, places, bos):
    return [*before, *[image_id] * places, bos, *after]


def set_modes_as_found(model: nn.Module, trained: tuple[str, ...]) -> None:
    """Makes a model ready for a stage in which the parts `trained` train."""
    for name, part in model.named_children():
        part.requires_grad_(name in trained)
    model.train()


def set_modes(model: nn.Module, trained: tuple[str, ...]) -> None:
    """Freezes what does not train, in both senses: no gradient, and eval mode."""
    for name, part in model.named_children():
        part.requires_grad_(name in trained)
        part.train(name in trained)


def modes(model: nn.Module, trained: tuple[str, ...]) -> None:
    model.eval().requires_grad_(False)
    for name in trained:
        model.get_submodule(name).train().requires_grad_(True)


def all_eval(model, trained):
    set_modes(model, trained)
    model.eval()


def modes_alone(model, trained):
    for name, part in model.named_children():
        part.train(name in trained)


def turned(model, trained):
    for name, part in model.named_children():
        part.requires_grad_(name not in trained)
        part.train(name not in trained)


def run_modes(answer: Any, case: Case) -> Any:
    """Runs an answer and reads modes and gradients off the model."""
    (model, _) = case.args
    given = call(answer, case)
    if given is ...:
        return given
    found = {}
    for name, part in model.named_children():
        found[f"modes of {name}"] = sorted({m.training for m in part.modules()})
        found[f"gradients of {name}"] = sorted({p.requires_grad for p in part.parameters()})
    return found


def rms_norm_as_found(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """Divides each token (T, D) by the root of the mean of its squares, in the dtype of x."""
    mean = (x * x).mean(dim=-1, keepdim=True)
    return weight * (x * torch.rsqrt(mean + eps))


def rms_norm(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """Computes the mean of squares in float32 and comes back to the dtype of x."""
    wide = x.float()
    scale = torch.rsqrt((wide * wide).mean(dim=-1, keepdim=True) + eps)
    return weight * (wide * scale).to(x.dtype)


def normed(x, weight, eps):
    return weight * F.rms_norm(x.double(), x.shape[-1:], eps=eps).to(x.dtype)


def stays_wide(x, weight, eps):
    return weight.float() * rms_norm(x.float(), weight.float(), eps)


def mean_taken_off(x, weight, eps):
    return weight * F.layer_norm(x.float(), x.shape[-1:], eps=eps).to(x.dtype)


def cut_off(x, weight, eps):
    return rms_norm(x.clamp(-100, 100), weight, eps)


def sum_of_squares(x, weight, eps):
    wide = x.float()
    return weight * (wide * torch.rsqrt((wide * wide).sum(-1, keepdim=True) + eps)).to(x.dtype)


def end_labels_as_found(
    input_ids: torch.Tensor, attention_mask: torch.Tensor, pad_id: int
) -> torch.Tensor:
    """Returns the labels of padded answers, (B, S), -100 at padding."""
    return input_ids.masked_fill(input_ids == pad_id, -100)


def end_labels(input_ids: torch.Tensor, attention_mask: torch.Tensor, pad_id: int) -> torch.Tensor:
    """Leaves out what the mask calls padding, whatever its id is: the end is learned."""
    return input_ids.masked_fill(attention_mask == 0, -100)


def labelled(input_ids, attention_mask, pad_id):
    return torch.where(attention_mask.bool(), input_ids, -100)


def everything(input_ids, attention_mask, pad_id):
    return input_ids.clone()


def zeros(input_ids, attention_mask, pad_id):
    return input_ids * attention_mask


def first_end_lost(input_ids, attention_mask, pad_id):
    lengths = attention_mask.sum(dim=1, keepdim=True)
    return torch.where(torch.arange(input_ids.shape[1]) < lengths - 1, input_ids, -100)


def prompt_cases() -> list[Case]:
    return [
        Case("an image of 3 places", ([4, 5], [6], 9, 3, 1)),
        Case("nothing in front of the image", ([], [6, 7], 9, 2, 1)),
    ]


def model_cases() -> list[Case]:
    def model() -> nn.ModuleDict:
        with torch.random.fork_rng(devices=[]):
            part = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.1))
            return nn.ModuleDict({"head": part, "projector": nn.Linear(2, 2)})

    return [Case(f"{names} train", (model(), names)) for names in (("projector",), ("head",))]


def half_cases() -> list[Case]:
    made = torch.Generator().manual_seed(0)
    quiet, weight = torch.randn(2, 8, generator=made), torch.rand(8, generator=made)
    loud = quiet.clone()
    loud[:, 0] = 300.0
    return [
        Case("quiet tokens, float16", (quiet.half(), weight.half(), 1e-6)),
        Case("one loud channel, float16", (loud.half(), weight.half(), 1e-6)),
    ]


def padded_cases() -> list[Case]:
    ids, mask = torch.tensor([[5, 6, 2], [7, 2, 2]]), torch.tensor([[1, 1, 1], [1, 1, 0]])
    turns, all_ones = torch.tensor([[5, 2, 6, 2]]), torch.ones(1, 4, dtype=torch.long)
    return [
        Case("two answers, padded with their end token", (ids, mask, 2)),
        Case("an end in the middle, too", (turns, all_ones, 2)),
    ]
