"""The optimiser of every recipe: AdamW, with weight decay where it belongs."""

import torch
from torch import nn

from course_lib.training.sharding import is_share
from course_lib.training.stages import Stage


def adamw(model: nn.Module, stage: Stage, device: torch.device) -> torch.optim.AdamW:
    """Returns AdamW for the parameters that train.

    Args:
        model: with a stage applied.
        stage: names learning rate, betas and weight decay.
        device: where the model will be; on a CUDA device the whole step is one fused kernel.
    """
    groups = optimizer_groups(model, stage.weight_decay)
    fused = True if device.type == "cuda" else None
    return torch.optim.AdamW(groups, lr=stage.learning_rate, betas=stage.betas, fused=fused)


def optimizer_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Sorts the parameters that train: weight decay for those with two axes or more, else none.

    As in LAVIS and CLIP: biases, norms and the temperature (no axis) are not pulled towards zero.
    In a sharded model what is whole has a group of its own, since one kernel takes one kind alone.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    whole = [p for p in trained if not is_share(p)] if any(map(is_share, trained)) else []
    apart = set(whole)
    groups = [
        {"params": [p for p in trained if p.ndim >= 2 and p not in apart]},
        {"params": [p for p in trained if p.ndim < 2 and p not in apart]},
        {"params": whole},
    ]
    for group, decay in zip(groups, (weight_decay, 0.0, 0.0), strict=True):
        group["weight_decay"] = decay
    return [group for group in groups if group["params"]]


def moments_of(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Returns the optimiser's state by "key/name of the parameter"."""
    return {
        f"{key}/{name}": value
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def set_moment(
    optimizer: torch.optim.Optimizer, parameter: nn.Parameter, key: str, value: torch.Tensor
) -> None:
    """Puts one tensor of the state back, where the optimiser keeps it.

    AdamW has its moments beside the parameter and its step count on the CPU, or beside them, too,
    where the step is fused.
    """
    on_cpu = key == "step" and not optimizer.defaults.get("fused")
    optimizer.state[parameter][key] = value.to("cpu" if on_cpu else parameter.device)
