"""Sharding with FSDP2: each process keeps a share of every tensor, and gathers what it needs.

The language model's blocks are gathered one by one, since they are most of the weights and run in
every pass. All else is gathered once a pass: an image encoder that is frozen, or that a process
without an image would not call at all while the others wait for it in vain. Numbers without an axis
(temperatures, gates) cannot be cut and stay whole everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import distributed, nn


def is_sharded(model: nn.Module) -> bool:
    """Tells whether `shard` was applied to the model."""
    return hasattr(model, "set_requires_gradient_sync")


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """Returns a tensor gathered from all processes, which all have to ask; others as they are."""
    return tensor.full_tensor() if is_share(tensor) else tensor


def most_of_all(count: int) -> int:
    """Returns the largest of the numbers that the processes give."""
    most = torch.tensor(count)
    if distributed.get_backend() == "nccl":
        most = most.cuda()
    distributed.all_reduce(most, op=distributed.ReduceOp.MAX)
    return int(most)


@contextmanager
def gradients_wait(model: nn.Module) -> Iterator[None]:
    """Lets gradients add up in each process, without an exchange, until the end of a `with`."""
    model.set_requires_gradient_sync(False)
    try:
        yield
    finally:
        model.set_requires_gradient_sync(True)


def is_share(parameter: torch.Tensor) -> bool:
    """Tells whether this process keeps a share of the tensor, and not all of it."""
    return hasattr(parameter, "to_local")


def average_unshared(model: nn.Module) -> None:
    """Averages over processes the gradients of what is not sharded, which FSDP2 leaves alone."""
    for parameter in model.parameters():
        if parameter.grad is not None and not is_share(parameter):
            distributed.all_reduce(parameter.grad)
            parameter.grad /= distributed.get_world_size()


def clip_gradients(parameters: Iterable[nn.Parameter], most: float) -> torch.Tensor:
    """Clips the whole gradient, shares and all, as `torch.nn.utils.clip_grad_norm_` does.

    torch's own cannot add up tensors of which some are shares and some are whole.

    Returns:
        The norm before clipping, over all processes.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    shares = [g.to_local() for g in gradients if is_share(g)]
    rest = [g for g in gradients if not is_share(g)]
    squares = torch.stack([g.square().sum() for g in shares]).sum()
    distributed.all_reduce(squares)
    norm = (squares + sum(g.square().sum() for g in rest)).sqrt()
    for gradient in (*shares, *rest):
        gradient *= (most / (norm + 1e-6)).clamp(max=1.0)
    return norm


def transformer_blocks(model: nn.Module, reads: str | None = None) -> list[nn.Module]:
    """Finds the blocks of the transformers models inside a model, in order.

    Args:
        model: holds any number of them.
        reads: "input_ids" for language models alone, "pixel_values" for image encoders alone.
    """
    from transformers import PreTrainedModel

    found: dict[int, nn.Module] = {}
    for part in model.modules():
        if not isinstance(part, PreTrainedModel) or reads not in (None, part.main_input_name):
            continue
        names = set(part._no_split_modules or ())
        for row in (m for m in part.modules() if isinstance(m, nn.ModuleList)):
            found |= {id(block): block for block in row if type(block).__name__ in names}
    return list(found.values())


def own_blocks(model: nn.Module) -> list[nn.Module]:
    """Finds the blocks that stand in rows outside the transformers models inside a model."""
    from transformers import PreTrainedModel

    inside: set[int] = set()
    for part in model.modules():
        if isinstance(part, PreTrainedModel):
            inside |= {id(module) for module in part.modules()}
    rows = (m for m in model.modules() if isinstance(m, nn.ModuleList) and id(m) not in inside)
    return list({id(block): block for row in rows for block in row}.values())


def _way_back(block: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """Lets the way back lead through a block in any case.

    A frozen language model that reads text alone has nothing to give gradients to; but a process
    that saw an image goes back through its blocks, and waits at each for the shares of the others.
    """
    hidden = args[0] if args else kwargs["hidden_states"]
    if not torch.is_grad_enabled() or hidden.requires_grad:
        return args, kwargs
    hidden = hidden.detach().requires_grad_()
    return ((hidden, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": hidden})


def shard(model: nn.Module, device: torch.device, processes: int) -> None:
    """Shards a model over all processes; what trains becomes that of process 0 before.

    Parameters that train need one type; frozen ones may have another. Use the model by calling it:
    other methods find their share of each tensor alone (`generate` gathers, as calling does).

    Args:
        model: the same on every process; changed in place and for good.
        device: of this process.
        processes: how many there are.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    mesh = init_device_mesh(device.type, (processes,))
    model.to(device)
    for parameter in model.parameters():
        if parameter.requires_grad:
            distributed.broadcast(parameter.data, 0)
    for block in transformer_blocks(model, "input_ids"):
        fully_shard(block, mesh=mesh)
        block.register_forward_pre_hook(_way_back, prepend=True, with_kwargs=True)
    fully_shard(model, mesh=mesh, ignored_params={p for p in model.parameters() if p.ndim == 0})
    if hasattr(model, "generate"):
        register_fsdp_forward_method(model, "generate")
