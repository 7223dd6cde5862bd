"""One of several processes of `course train … --scale small` on tiny backbones.

gloo_full_size_worker.py FOLDER OUT STEP WORD …   says `course train WORD …`; at STEP (0: never)
the last process is killed. What the process was is noted in FOLDER/OUT-RANK.json.
"""

import json
import os
import signal
import sys
from pathlib import Path

import pytest
import torch
from accelerate import PartialState

from course_lib import cli
from course_lib.full_size import training
from course_lib.training.sharding import is_share
from tests.full_size_dirs import tiny_scales

SAVE_EVERY = 2


def main(folder: str, out: str, kill_at: str, *words: str) -> None:
    """Trains with the sizes of the tests, a checkpoint every other step."""
    whole, noted = training.train, Path(folder)

    def train(model, *args, **options):
        state = PartialState()

        def on_step(step: int, row: dict) -> None:
            shares = any(is_share(parameter) for parameter in model.parameters())
            told = {"world": state.num_processes, "kind": str(state.backend), "sharded": shares}
            (noted / f"{out}-{state.process_index}.json").write_text(json.dumps(told))
            if step == int(kill_at) and state.process_index == state.num_processes - 1:
                os.kill(os.getpid(), signal.SIGKILL)

        options |= {"save_every": SAVE_EVERY, "log_every": 1, "on_step": on_step}
        return whole(model, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        tiny_scales(patch)
        patch.setattr(training, "train", train)
        patch.setattr("sys.argv", ["course", "train", *words])
        torch.set_num_threads(1)
        try:
            cli.main()
        except SystemExit as stopped:
            sys.stderr.flush()
            os._exit(stopped.code or 0)  # as in gloo_worker.py: nothing is torn down


if __name__ == "__main__":
    main(*sys.argv[1:])
