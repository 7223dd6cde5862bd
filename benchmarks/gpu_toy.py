"""Does a toy recipe on a GPU give what it gives on the CPU?

    python benchmarks/gpu_toy.py llava            # on a GPU: trains the toy recipe, about as long
    python benchmarks/gpu_toy.py llava --quick    # the first losses alone
    python benchmarks/gpu_toy.py                  # without a GPU: the CPU beside itself, quick

First `course train` takes a few steps on both devices, and losses are compared. Then, on a GPU, the
whole recipe trains there, and its scores are held against the bars of the CPU. Each is a process of
its own; the one for the CPU sees no GPU.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from course_lib.commands.bars import bars_of, scores_of
from course_lib.commands.runs import RECIPES

NOT_RUN = "The GPU part was not run: there is no CUDA device. The CPU was compared with itself."
TOLERANCE = 1e-3  # relative: float32 sums in another order, three steps of AdamW
STEPS, SCENES = 3, 64


def course(*words: str, gpu: bool) -> str:
    """Runs the course's command in a process of its own; returns its standard output.

    Raises:
        RuntimeError: when it fails, with its last line.
    """
    hidden = {} if gpu else {"CUDA_VISIBLE_DEVICES": ""}
    call = [sys.executable, "-c", "from course_lib.cli import main; main()", *words]
    done = subprocess.run(call, capture_output=True, text=True, env=os.environ | hidden)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RuntimeError(f"course {' '.join(words)} failed: {last}")
    return done.stdout


def first_losses(recipe: str, folder: Path, gpu: bool) -> list[float]:
    """Trains the first stage for a few steps; returns their losses.

    Args:
        recipe: of `RECIPES`.
        folder: new, for the run.
        gpu: whether the process may see a GPU.
    """
    words = ["train", recipe, "--stage", "1", "--out", str(folder)]
    if recipe == "vpgtrans":  # its first stage starts from a run of its source
        words += ["--language", "opt-large", "--init", "blip2-opt"]
    course(*words, "--steps", str(STEPS), "--scenes", str(SCENES), gpu=gpu)
    rows = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(row)["loss"] for row in rows]


def largest_difference(ours: list[float], theirs: list[float]) -> float:
    """Returns the largest relative difference of two lists of losses.

    Raises:
        RuntimeError: where they are not as many.
    """
    if len(ours) != len(theirs) or not ours:
        raise RuntimeError(f"{len(ours)} losses on one device, {len(theirs)} on the other.")
    return max(abs(a - b) / max(abs(b), 1e-12) for a, b in zip(ours, theirs, strict=True))


def whole_recipe(recipe: str, folder: Path) -> dict[str, tuple[float, float]]:
    """Trains all of a recipe on the GPU; returns what its bars ask for: (score, bar)."""
    course("train", recipe, "--out", str(folder), gpu=True)
    stages = [path.parent for path in folder.parent.glob(f"{folder.name}*/config.json")]
    last = max(stages, key=lambda run: (run / "config.json").stat().st_mtime)
    found = json.loads(course("evaluate", str(last), "--json", gpu=True))
    scores = scores_of(found)
    bars = bars_of(found["recipe"], found["stage"])
    return {name: (scores[name], bar) for name, bar in bars.items()}


def main(words: list[str] | None = None) -> int:
    """Compares the devices; returns 0 where the GPU gives what the CPU gives."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", nargs="?", default="llava", choices=RECIPES)
    parser.add_argument("--quick", action="store_true", help="the first losses alone")
    options = parser.parse_args(words)
    gpu = torch.cuda.is_available()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        sides = {"cpu": False, "other": gpu}
        losses = [first_losses(options.recipe, root / name, side) for name, side in sides.items()]
        apart = largest_difference(*losses)
        good = apart <= TOLERANCE
        print(f"{options.recipe}: losses {apart:.1e} apart, at most {TOLERANCE:.0e}: {good}")
        if gpu and not options.quick:
            for name, (score, bar) in whole_recipe(options.recipe, root / "whole").items():
                print(f"{options.recipe}: {name} {score:.3f}, at least {bar:.2f}: {score >= bar}")
                good = good and score >= bar
    if not gpu:
        print(NOT_RUN, file=sys.stderr)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
