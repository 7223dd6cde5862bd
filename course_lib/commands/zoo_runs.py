"""The zoo's trained recipes: how each is made, the bars it has to pass, and what ships of it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import torch

from course_lib.commands.blip2 import evaluate, train_stage
from course_lib.errors import unknown_name_error
from course_lib.training.checkpoint import read_config, write_config
from course_lib.training.tensor_files import read_tensors, write_tensors
from course_lib.zoo.build import write_card
from course_lib.zoo.check import check_backbone, with_verdict
from course_lib.zoo.load import names
from course_lib.zoo.paths import RUNS, model_dir
from course_lib.zoo.registry import builders

# What `course train` is asked for; stage 2 starts from the stage 1 that ships.
ZOO_RUNS = {
    "blip2-stage1": {"stage": "1"},
    "blip2-opt": {"stage": "2", "language": "opt", "init": "blip2-stage1"},
    "blip2-t5": {"stage": "2", "language": "t5", "init": "blip2-stage1"},
}
SUMMARIES = {
    "blip2-stage1": "A Q-Former after BLIP-2's stage 1 (ITC, ITM, ITG) on the zoo's CLIP.",
    "blip2-opt": "BLIP-2 after stage 2: that Q-Former and a linear layer into the zoo's OPT.",
    "blip2-t5": "BLIP-2 after stage 2: that Q-Former and a linear layer into the zoo's T5.",
}
STAGE1_BARS = {"r_at_1": 0.90}
STAGE2_BARS = {"things_right": 0.80, "vqa": 0.60, "vqa_over_blind": 0.20, "after_caption": 0.75}


def bars_of(name: str) -> dict[str, float]:
    """Returns what a trained run of the zoo has to reach on held-out scenes."""
    return STAGE1_BARS if ZOO_RUNS[name]["stage"] == "1" else STAGE2_BARS | STAGE1_BARS


def scores_of(found: dict) -> dict[str, float]:
    """Picks from `evaluate` the numbers that bars speak of, and the exact captions."""
    scores = {"r_at_1": found["retrieval"]["r_at_1"]} if found["retrieval"] else {}
    if found["vqa"] is None:
        return scores
    vqa = found["vqa"]
    return scores | {
        "things_right": found["captions"]["things_right"],
        "exact": found["captions"]["exact"],
        "vqa": vqa["all"],
        "vqa_over_blind": vqa["all"] - vqa["blind"]["all"],
        "after_caption": vqa["after_caption"]["all"],
    }


def check_run(name: str, seed: int = 0, n: int = 200) -> dict:
    """Evaluates a trained run of the zoo as it ships.

    Returns:
        {scores, gates, passed}.
    """
    return with_verdict(scores_of(evaluate(name, seed=seed, n=n)), bars_of(name))


def check_zoo(wanted: list[str] | None = None) -> dict:
    """Measures the gates of the zoo's backbones and the bars of its trained runs.

    Args:
        wanted: names; None measures everything that is there.

    Returns:
        {passed, models: {name: {scores, gates, passed}}}.

    Raises:
        ValueError: for a name that the zoo does not hold, or a file that cannot be read.
    """
    known = (*builders(), *ZOO_RUNS)
    for name in wanted or ():
        if name not in known:
            raise unknown_name_error("zoo model", name, known)
    chosen = wanted or [name for name in known if name in names()]
    models = {n: check_run(n) if n in ZOO_RUNS else check_backbone(n) for n in chosen}
    passed = bool(models) and all(row["passed"] for row in models.values())
    return {"passed": passed, "models": models}


def build_run(name: str, *, steps: int | None = None, progress: bool = True) -> dict:
    """Trains a recipe for the zoo, or goes on with its training, and writes what ships.

    Args:
        name: a key of `ZOO_RUNS`.
        steps: fewer steps, for a trial.
        progress: shows a progress bar.

    Returns:
        The card.

    Raises:
        ValueError: for an unknown name.
    """
    if name not in ZOO_RUNS:
        raise unknown_name_error("trained run of the zoo", name, ZOO_RUNS)
    run_dir = RUNS / f"zoo-{name}"
    started = time.process_time()
    rows = train_stage(
        **ZOO_RUNS[name],
        out=run_dir,
        steps=steps,
        resume=(run_dir / "config.json").exists(),
        progress=progress,
    )
    seconds = time.process_time() - started
    export_run(run_dir, model_dir(name))
    measured = check_run(name)
    record = {
        "name": name,
        "summary": SUMMARIES[name],
        "command": f"course zoo build {name}",
        "seed": read_config(run_dir)["seed"],
        "data": f"{read_config(run_dir)['scenes']:,} scenes of the toy world, split train",
        "steps": rows[-1]["step"],
        "parameters": _size(model_dir(name)),
    }
    return write_card(model_dir(name), record, measured["scores"], measured["gates"], seconds)


def export_run(run_dir: Path, target: Path) -> None:
    """Writes a run's trained weights in float16 beside its configuration, without its state."""
    config = read_config(run_dir)
    tensors, header = read_tensors(run_dir / "model.safetensors")
    halves = {name: t.half() if t.is_floating_point() else t for name, t in tensors.items()}
    target.mkdir(parents=True, exist_ok=True)
    write_tensors(target / "model.safetensors", halves, header)
    write_config(target, config)
    # A card of an earlier build would speak of other weights; `names()` lists what has a card.
    (target / "card.json").write_text(json.dumps({"name": target.name}), encoding="utf-8")


def _size(directory: Path) -> int:
    tensors, _ = read_tensors(directory / "model.safetensors")
    return sum(t.numel() for t in tensors.values() if isinstance(t, torch.Tensor))
