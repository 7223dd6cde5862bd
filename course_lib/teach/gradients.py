"""A loss together with its gradients: checks compare both, so that a loss cut off is noticed."""

from collections.abc import Mapping
from typing import Any

import torch


def loss_with_gradients(loss: Any, free: Mapping[str, torch.Tensor]) -> Any:
    """Returns the loss and the gradient of each free tensor, zeros where none arrives.

    Args:
        loss: what an answer gave: a scalar if it is right, or anything else.
        free: name → tensor that wants a gradient and that the loss was computed from.

    Returns:
        {"loss": scalar, "gradient of NAME": tensor, ...}; what is no tensor stands there as it is,
        and a stub's `...` is handed through.
    """
    if loss is Ellipsis:
        return loss
    is_tensor = isinstance(loss, torch.Tensor)
    gradients = [None] * len(free)
    if is_tensor and loss.requires_grad:
        gradients = torch.autograd.grad(loss.sum(), list(free.values()), allow_unused=True)
    found = {"loss": loss.detach() if is_tensor else loss}
    for (name, tensor), gradient in zip(free.items(), gradients, strict=True):
        found[f"gradient of {name}"] = torch.zeros_like(tensor) if gradient is None else gradient
    return {name: v.detach() if isinstance(v, torch.Tensor) else v for name, v in found.items()}
