"""Starts a test's worker on several processes, as `torchrun` does."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def torchrun(worker: Path, *arguments: object, processes: int = 2) -> subprocess.CompletedProcess:
    """Runs a script once a process and waits for all of them."""
    options = ["--standalone", "--nproc_per_node", processes]
    return launched(["torch.distributed.run", *options], worker, *arguments)


def launched(launcher: list, worker: Path, *arguments: object) -> subprocess.CompletedProcess:
    """Runs a launcher (its module and its options) with a script and the script's arguments."""
    command = [sys.executable, "-m", *map(str, (*launcher, worker, *arguments))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
