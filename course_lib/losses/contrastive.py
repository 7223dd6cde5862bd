"""Image–text contrast (ITC): the right caption among all captions of the batch, and back.

Letters: B batch, Q queries, C width of the shared space.
"""

import torch
from torch import distributed
from torch.nn import functional as F


def itc_similarity(query_feats: torch.Tensor, text_feats: torch.Tensor) -> torch.Tensor:
    """Compares every image with every text: the best of its Q queries counts (section 3.2).

    Args:
        query_feats: (B, Q, C), each of length 1.
        text_feats: (B', C), each of length 1.

    Returns:
        (B, B') cosines, without temperature.
    """
    images, queries, _ = query_feats.shape
    cosines = query_feats.flatten(0, 1) @ text_feats.T
    return cosines.view(images, queries, -1).amax(dim=1)


def itc_loss(
    sim_i2t: torch.Tensor,
    sim_t2i: torch.Tensor,
    temperature: torch.Tensor | float,
    label_smoothing: float = 0.1,
    targets: torch.Tensor | None = None,
) -> torch.Tensor:
    """Computes the symmetric contrastive loss with in-batch negatives (BLIP-2, section 3.2).

    As in LAVIS's blip2_qformer.py: cosines divided by a learned temperature, label smoothing 0.1,
    no momentum encoder and no queue.

    Args:
        sim_i2t: (B, B') cosines, row i = image i against all texts.
        sim_t2i: (B, B') cosines, row i = text i against all images.
        temperature: positive scalar.
        label_smoothing: share of the target spread over the whole row.
        targets: (B,) column of each row's own pair; None = the diagonal.

    Returns:
        Scalar, mean of both directions.

    Raises:
        ValueError: without `targets` and with more columns than rows.
    """
    if targets is None:
        if sim_i2t.shape[0] != sim_i2t.shape[1]:
            raise ValueError(
                f"The similarities have the shape {tuple(sim_i2t.shape)}, so the own pair is not "
                "on the diagonal: pass targets, the column of each row's own pair."
            )
        targets = torch.arange(len(sim_i2t), device=sim_i2t.device)
    loss_i2t = F.cross_entropy(sim_i2t / temperature, targets, label_smoothing=label_smoothing)
    loss_t2i = F.cross_entropy(sim_t2i / temperature, targets, label_smoothing=label_smoothing)
    return (loss_i2t + loss_t2i) / 2


def gather_with_gradient(tensor: torch.Tensor) -> torch.Tensor:
    """Stacks the tensors of all processes, and lets gradients flow back to each of them.

    LAVIS gathers without gradient: what a process's features do as somebody else's negatives is
    then lost (about half of the gradient with two processes). With this one, DDP's mean over
    processes is exactly the gradient of the global batch.

    Args:
        tensor: (B, ...), of the same shape on every process.

    Returns:
        (processes * B, ...) in the order of ranks; the tensor itself in a single process.
    """
    if not _several():
        return tensor
    from torch.distributed.nn.functional import all_gather

    return torch.cat(all_gather(tensor.contiguous()))


def own_columns(batch: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """Returns where this process's pairs stand among the gathered ones: (B,) column numbers."""
    rank = distributed.get_rank() if _several() else 0
    return torch.arange(batch, device=device) + rank * batch


def gather_texts(tensor: torch.Tensor) -> torch.Tensor:
    """Stacks ids or masks of all processes, without gradient; shorter rows are filled up with 0.

    Args:
        tensor: (B, T) integers; B is the same on every process, T need not be.

    Returns:
        (processes * B, longest T) in the order of ranks; the tensor itself in a single process.
    """
    if not _several():
        return tensor
    longest = torch.tensor(tensor.shape[1], device=tensor.device)
    distributed.all_reduce(longest, op=distributed.ReduceOp.MAX)
    own = F.pad(tensor, (0, int(longest) - tensor.shape[1])).contiguous()
    found = [torch.empty_like(own) for _ in range(distributed.get_world_size())]
    distributed.all_gather(found, own)
    return torch.cat(found)


def _several() -> bool:
    """Says whether processes were joined, which builds of torch without them cannot do."""
    return distributed.is_available() and distributed.is_initialized()
