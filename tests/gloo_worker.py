"""One of two processes that compute the contrastive loss of a common batch; a test starts it."""

import os
import sys
from pathlib import Path

import torch
from torch import distributed
from torch.nn import functional as F

from course_lib.losses import gather_with_gradient, itc_loss, itc_similarity
from course_lib.losses.contrastive import own_columns


def global_batch():
    """Draws a trained matrix, images (6, queries, width) and texts (6, width)."""
    generator = torch.Generator().manual_seed(0)
    kind = {"generator": generator, "dtype": torch.float64}
    weights = torch.randn(5, 4, **kind).requires_grad_()
    return weights, torch.randn(6, 3, 5, **kind), torch.randn(6, 5, **kind)


def loss_of(weights, images, texts, gather=gather_with_gradient):
    """Computes what one process computes: own rows against the rows of all."""
    images, texts = F.normalize(images @ weights, dim=-1), F.normalize(texts @ weights, dim=-1)
    all_images, all_texts = gather(images), gather(texts)
    sims = itc_similarity(images, all_texts), itc_similarity(all_images, texts).T
    return itc_loss(*sims, 0.1, targets=own_columns(len(texts)))


def averaged(tensor, world):
    """Does what DDP does with a gradient."""
    distributed.all_reduce(tensor)
    return tensor / world


def detached_gather(tensor):
    """Does what LAVIS does: others' rows without gradient, own rows (here too) without."""
    return gather_with_gradient(tensor).detach()


def main(folder: Path, rank: int, world: int) -> None:
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder / 'store'}", rank=rank, world_size=world
    )
    weights, images, texts = global_batch()
    rows = slice(rank * 3, rank * 3 + 3)
    loss = loss_of(weights, images[rows], texts[rows])
    (grad,) = torch.autograd.grad(loss, weights)
    wrong = loss_of(weights, images[rows], texts[rows], detached_gather)
    (wrong_grad,) = torch.autograd.grad(wrong, weights)
    result = {
        "loss": averaged(loss.detach().clone(), world),
        "grad": averaged(grad, world),
        "detached": averaged(wrong_grad, world),
    }
    torch.save(result, folder / f"{rank}.pt")
    distributed.barrier()
    # Nothing is torn down: gloo aborts a process whose peer closes the connection while it closes
    # its own, which happened once on a busy machine.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
