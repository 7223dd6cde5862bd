"""One of two processes that train a tiny mPLUG-Owl, one on text alone; a test starts it.

Step 0: process 0 has a part with images and one without, process 1 a part without any image.
"""

import os
import sys
from pathlib import Path

import torch
from accelerate import Accelerator

from course_lib.interop.mplug_owl import mplug_owl_from_config
from course_lib.training.accumulation import MicroBatches
from course_lib.training.loop import train
from course_lib.training.stages import Stage
from course_lib.vlm import VLM
from tests.mplug_owl_like import TINY
from tests.tiny_models import randomise

PLACES = TINY["num_query_tokens"] + 1
# Dropout would draw other numbers in every process.
STILL = {**TINY["visual_abstractor_config"], "attention_probs_dropout_prob": 0.0}
STAGE = Stage("owl", ("vpg", "projector"), 2, 4, 1e-2, grad_clip=None)


def model() -> VLM:
    return randomise(mplug_owl_from_config({**TINY, "visual_abstractor_config": STILL}), 3)


def part(seed: int, images: int, rows: int = 2, length: int = 11, answer: int = 4) -> dict:
    """Draws rows whose last words carry loss; the first ones show an image each."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(5, 90, (rows, length), generator=generator)
    labels = ids.clone()
    labels[:, : length - answer] = -100
    ids[:images, 1 : 1 + PLACES] = -1
    batch = {"input_ids": ids, "labels": labels, "attention_mask": torch.ones_like(ids)}
    if images:
        batch["pixel_values"] = torch.randn(images, 3, 16, 16, generator=generator)
    return batch


def micro(*parts: dict) -> MicroBatches:
    return MicroBatches(parts, [int((p["labels"][:, 1:] != -100).sum()) for p in parts])


def parts_of(index: int) -> list[dict]:
    """Returns the parts of step * 2 + rank, of different numbers of labelled words."""
    step, rank = divmod(index, 2)
    if rank == 0:
        return [part(10 * step, 2, answer=2), part(10 * step + 1, 0, rows=3, answer=6)]
    return [part(10 * step + 2, 0, rows=1, answer=5)]


def main(folder: Path, rank: int, world: int) -> None:
    # accelerate wants an address, and does not use it where a group is there already.
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_RANK": str(rank)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder / 'store'}", rank=rank, world_size=world
    )
    accelerator = Accelerator(cpu=True)
    assert accelerator.num_processes == world
    owl = model()
    rows = train(
        owl,
        STAGE,
        lambda index: micro(*parts_of(index)),
        seed=0,
        accelerator=accelerator,
        progress=False,
    )
    trained = {k: v for k, v in owl.state_dict().items() if not k.startswith("language")}
    losses = torch.tensor([row["loss"] for row in rows])
    torch.save({"losses": losses, **trained}, folder / f"{rank}.pt")
    torch.distributed.barrier()
    sys.stdout.flush()
    os._exit(0)  # as in gloo_worker.py


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
