"""Everything random in training as a function of numbers: no generator has a past to restore.

A run that is killed and resumed repeats itself exactly when the order of the data, the dropout and
the augmentation of step s depend on (seed, s) alone, and not on what was drawn before.
"""

import hashlib
import random
from functools import lru_cache

import numpy as np
import torch

BLOCK = 8


def derive_seed(*numbers: int) -> int:
    """Mixes integers, in order, into one seed of 63 bits that is the same on every machine.

    Neighbouring inputs give unrelated seeds: (seed, step, rank) for a step, (seed, epoch, item) for
    the augmentation of one item.
    """
    text = ",".join(str(int(number)) for number in numbers)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def seed_everything(*numbers: int) -> None:
    """Seeds the global generators of Python, NumPy and torch (CPU, CUDA) from these numbers."""
    seed = derive_seed(*numbers)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 (a caller's augmentation may draw from it)
    # torch.manual_seed would also queue a call, with a traceback of 1 ms, for each GPU not in use.
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)


@lru_cache(maxsize=2)
def _permutation(num_items: int, seed: int, epoch: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(derive_seed(seed, epoch))
    return torch.randperm(num_items, generator=generator)


def batch_indices(
    step: int,
    batch_size: int,
    num_items: int,
    seed: int,
    lengths: torch.Tensor | None = None,
) -> list[int]:
    """Returns which items make the batch of one step: shuffled anew in every epoch, stateless.

    Args:
        step: 0-based step (any number of steps is fine: epochs follow one another).
        batch_size: items a batch; the incomplete batch that ends an epoch is left out, so no item
            comes twice in a batch (for a contrastive loss it would be its own negative).
        num_items: items in the data set.
        seed: the run's seed.
        lengths: (num_items,) how long each item is; with it, items of like length share a batch
            (eight batches' worth of shuffled items are sorted and cut, the batches shuffled), which
            saves padding. For a contrastive loss such batches are the harder ones, too.

    Returns:
        `batch_size` different indices below `num_items`.

    Raises:
        ValueError: when the data set is smaller than one batch.
    """
    if not 0 < batch_size <= num_items:
        raise ValueError(
            f"A batch of {batch_size} cannot be drawn from {num_items} items: use a batch size "
            f"between 1 and {num_items}."
        )
    batches = num_items // batch_size
    epoch, place = divmod(step, batches)
    order = _permutation(num_items, seed, epoch)
    if lengths is not None:
        block, place = divmod(place, BLOCK)
        count = min(BLOCK, batches - block * BLOCK)
        order = order[block * BLOCK * batch_size :][: count * batch_size]
        order = order[lengths[order].argsort(stable=True)]
        generator = torch.Generator().manual_seed(derive_seed(seed, epoch, block))
        place = int(torch.randperm(count, generator=generator)[place])
    return order[place * batch_size :][:batch_size].tolist()
