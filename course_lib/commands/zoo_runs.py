"""The zoo's trained recipes: how each is made, the bars it has to pass, and what ships of it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from course_lib.commands.bars import bars_of, scores_of
from course_lib.commands.runs import commands_of, evaluate
from course_lib.errors import unknown_name_error
from course_lib.training.checkpoint import read_config, write_config
from course_lib.training.tensor_files import read_tensors, write_tensors
from course_lib.zoo.build import write_card
from course_lib.zoo.check import check_backbone, with_verdict
from course_lib.zoo.load import names
from course_lib.zoo.paths import RUNS, model_dir
from course_lib.zoo.registry import builders


@dataclass(frozen=True)
class ZooRun:
    """A trained run that the zoo holds.

    Args:
        recipe: one of `commands.runs.RECIPES`.
        summary: one sentence for the card.
        train: arguments of the recipe's `train_stage`; later stages start from what ships.
    """

    recipe: str
    summary: str
    train: dict[str, str]


ZOO_RUNS = {
    "blip2-stage1": ZooRun(
        "blip2",
        "A Q-Former after BLIP-2's stage 1 (ITC, ITM, ITG) on the zoo's CLIP.",
        {"stage": "1"},
    ),
    "blip2-opt": ZooRun(
        "blip2",
        "BLIP-2 after stage 2: that Q-Former and a linear layer into the zoo's OPT.",
        {"stage": "2", "language": "opt", "init": "blip2-stage1"},
    ),
    "blip2-t5": ZooRun(
        "blip2",
        "BLIP-2 after stage 2: that Q-Former and a linear layer into the zoo's T5.",
        {"stage": "2", "language": "t5", "init": "blip2-stage1"},
    ),
    "flamingo": ZooRun(
        "flamingo",
        "Flamingo: a resampler and gated layers into the LLaMA of shots, on interleaved documents.",
        {"stage": "1"},
    ),
    "llava-stage1": ZooRun(
        "llava",
        "LLaVA's two-layer projector after stage 1, from the zoo's CLIP to its LLaMA.",
        {"stage": "1"},
    ),
    "llava": ZooRun(
        "llava",
        "LLaVA after stage 2: that projector and the LLaMA, tuned on instructions.",
        {"stage": "2", "init": "llava-stage1"},
    ),
    "minigpt4-stage1": ZooRun(
        "minigpt4",
        "MiniGPT-4's linear layer after stage 1: noisy pairs, without a prompt.",
        {"stage": "1"},
    ),
    "minigpt4": ZooRun(
        "minigpt4",
        "MiniGPT-4's linear layer after stage 2: a few hundred curated descriptions.",
        {"stage": "2", "init": "minigpt4-stage1"},
    ),
    "mplug_owl-stage1": ZooRun(
        "mplug_owl",
        "mPLUG-Owl after stage 1: the zoo's CLIP, trained on, and an abstractor into its LLaMA.",
        {"stage": "1"},
    ),
    "mplug_owl": ZooRun(
        "mplug_owl",
        "mPLUG-Owl after stage 2: the LoRA of that LLaMA, tuned on text and images together.",
        {"stage": "2", "init": "mplug_owl-stage1"},
    ),
    "vpgtrans-stage1": ZooRun(
        "vpgtrans",
        "VPGTrans after stage 1: the projector of BLIP-2 on OPT, converted and warmed up for a "
        "larger OPT.",
        {"stage": "1", "language": "opt-large", "init": "blip2-opt"},
    ),
    "vpgtrans": ZooRun(
        "vpgtrans",
        "VPGTrans after stage 2: that projector and the inherited Q-Former, tuned together.",
        {"stage": "2", "language": "opt-large", "init": "vpgtrans-stage1"},
    ),
}


def check_run(name: str, seed: int = 0, n: int = 200) -> dict:
    """Evaluates a trained run of the zoo as it ships.

    Returns:
        {scores, gates, passed}.
    """
    found = evaluate(name, seed=seed, n=n)
    return with_verdict(scores_of(found), bars_of(found["recipe"], found["stage"]))


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
    run = ZOO_RUNS[name]
    rows = commands_of(run.recipe).train_stage(
        **run.train,
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
        "summary": run.summary,
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
