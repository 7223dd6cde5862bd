"""One of several processes that train, are killed in the middle, and go on; torchrun starts them.

gloo_run_worker.py FOLDER kill NAME       starts the run NAME and kills process 1 after step 5
gloo_run_worker.py FOLDER resume NAME …   goes on with these runs
"""

import os
import signal
import sys
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import distributed

from course_lib.training.layout import Layout
from course_lib.training.loop import train
from tests.gloo_recipes import CASES

STEPS, KILL_AT, SAVE_EVERY = 8, 5, 3
LAYOUTS = {
    "copies": Layout(),
    "shards": Layout(sharded=True),
    "two parts": Layout(parts=2),
}
CASE = CASES["llava stage 2"]


def run(folder: Path, name: str, **options) -> list[dict]:
    """Trains, or goes on with, the run of a layout's name."""
    settings = {"seed": 3, "config": {"recipe": "tiny"}, "save_every": SAVE_EVERY}
    settings |= {"eval_fn": written, **options}
    stage = CASE.stage(steps=STEPS, grad_clip=0.5, warmup_steps=2)
    layout = settings.pop("layout", LAYOUTS[name])
    settings["accelerator"] = Accelerator(cpu=True)
    return train(
        CASE.build(), stage, CASE.part, folder / name, layout=layout, progress=False, **settings
    )


def written(model) -> dict[str, int]:
    """Adds up the words that the model writes, which it does otherwise than it computes a loss."""
    batch = {k: v for k, v in CASE.part(0).items() if k != "labels"}
    batch["attention_mask"] = torch.ones_like(batch["attention_mask"])
    return {"words": sum(map(sum, model.generate(batch, 4, eos_token_id=())))}


def kill(step: int, row: dict) -> None:
    """Ends process 1 as the system does when memory runs out: nothing is cleaned up."""
    if step == KILL_AT and distributed.get_rank() == 1:
        os.kill(os.getpid(), signal.SIGKILL)


def main(folder: str, what: str, *names: str) -> None:
    for name in names:
        options = {"kill": {"on_step": kill}, "start": {}, "resume": {"resume": True}}[what]
        run(Path(folder), name, **options)
    distributed.barrier()
    sys.stdout.flush()
    os._exit(0)  # as in gloo_worker.py


if __name__ == "__main__":
    main(*sys.argv[1:])
