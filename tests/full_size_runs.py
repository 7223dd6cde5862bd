"""Starts real processes that train at `small` on tiny backbones, and reads what they left."""

import json
import os
from pathlib import Path
from unittest.mock import patch

from tests import full_size_dirs as dirs
from tests.processes import launched, torchrun

WORKER = Path(__file__).parent / "gloo_full_size_worker.py"
FSDP = {"ACCELERATE_USE_FSDP": "true", "FSDP_ACTIVATION_CHECKPOINTING": "true"}


def words_of(root: Path) -> tuple[str, ...]:
    """Returns the words of a training of LLaVA's stage 1, without its run directory."""
    places = ("--vision", dirs.clip_dir(root / "clip"))
    places += ("--language", dirs.language_dir(root / "llama", "llama"))
    data = ("--data", dirs.captions_dir(root / "data"))
    return ("llava", "--scale", "small", "--stage", "1", *places, *data, "--micro", "2")


def run(folder, out, words, processes=2, kill_at=0, fails=False, launcher=None, **environment):
    """Trains; returns (what each process noted of itself, the losses)."""
    said = (folder, out, kill_at, *words, "--out", folder / out)
    with patch.dict(os.environ, environment):
        if launcher is None:
            done = torchrun(WORKER, *said, processes=processes)
        else:
            done = launched(launcher, WORKER, *said)
    assert (done.returncode != 0) == fails, done.stderr[-3000:]
    told = [json.loads((folder / f"{out}-{rank}.json").read_text()) for rank in range(processes)]
    assert [found["world"] for found in told] == [processes] * processes
    return told, losses(folder / out)


def losses(run_dir: Path) -> list[float]:
    """Reads the losses of a run."""
    lines = (run_dir / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines]
