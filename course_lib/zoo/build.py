"""Makes the zoo's models: trains, measures the gates, writes what ships.

What ships is a directory that `from_pretrained` opens (float16 safetensors, loaded as float32), its
tokenizer and a card. Training keeps checkpoints in a run directory, so a build that was stopped
goes on where it was.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import torch

from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.errors import unknown_name_error
from course_lib.training.loop import train
from course_lib.zoo.check import with_verdict
from course_lib.zoo.paths import RUNS, model_dir
from course_lib.zoo.registry import ZooEntry, builders


def build(
    name: str,
    *,
    steps: int | None = None,
    first_round: int = 1,
    resume: bool = True,
    progress: bool = True,
) -> dict:
    """Trains one model of the zoo, or goes on with its training, and writes its directory.

    Args:
        name: a key of `builders()`.
        steps: fewer steps a round than the entry says, for a trial; None takes the entry's.
        first_round: with 2, the training starts from what ships, which the first round made.
        resume: goes on from a checkpoint where there is one.
        progress: shows a progress bar.

    Returns:
        The card: scores, gates, whether each is passed, steps, seed, seconds of CPU time.

    Raises:
        ValueError: for an unknown name, or a round that the model does not have.
    """
    known = builders()
    if name not in known:
        raise unknown_name_error("zoo model", name, known)
    entry = known[name]()
    if not 1 <= first_round <= len(entry.rounds):
        raise ValueError(f"{name} has {len(entry.rounds)} rounds: round {first_round} is none.")
    module, done = entry.build(), 0
    if first_round > 1:
        start_from_shipped(entry, entry.model_of(module))
    started = time.process_time()
    for number, one in enumerate(entry.rounds, start=1):
        stage = one.stage
        if steps is not None:
            stage = replace(stage, steps=steps, warmup_steps=min(steps, stage.warmup_steps))
        done += stage.steps
        if number < first_round:
            continue
        run_dir = round_dir(name, number, stage.steps)
        train(
            module,
            stage,
            one.batch,
            run_dir,
            seed=entry.seed,
            config={"recipe": f"zoo-{name}"},
            resume=resume and run_dir.exists(),
            progress=progress,
            log_every=50,
            save_every=500,
        )
        # A round begins with what the one before it would ship, so that it may begin there, too.
        entry.model_of(module).half().float()
    seconds = time.process_time() - started
    return write(entry, entry.model_of(module).eval(), done, seconds)


def round_dir(name: str, number: int, steps: int) -> Path:
    """Returns the run directory of one round; trials of fewer steps have another."""
    return RUNS / f"zoo-{name}-{number}-{steps}"


def start_from_shipped(entry: ZooEntry, model: torch.nn.Module) -> None:
    """Loads the weights that ship into a model that was just built."""
    shipped = type(model).from_pretrained(model_dir(entry.name), dtype=torch.float32)
    model.load_state_dict(shipped.state_dict())


def write(entry: ZooEntry, model: torch.nn.Module, steps: int, seconds: float) -> dict:
    """Rounds a model to float16, measures it as it will be loaded, writes it with a card."""
    target = model_dir(entry.name)
    model.half().save_pretrained(target)
    tokenizer = build_tokenizer(*entry.tokenizer)
    if entry.chat_template:
        tokenizer.chat_template = entry.chat_template
    tokenizer.save_pretrained(target)
    measured = entry.measure(model.float())
    record = {
        "name": entry.name,
        "summary": entry.summary,
        "command": f"course zoo build {entry.name}",
        "seed": entry.seed,
        "data": entry.data,
        "steps": steps,
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    return write_card(target, record, measured["scores"], measured["gates"], seconds)


def write_card(target: Path, record: dict, scores: dict, gates: dict, seconds: float) -> dict:
    """Writes card.json and README.md beside a model, and returns the card.

    Args:
        target: the model's directory.
        record: name, summary, command, seed, data, steps, parameters.
        scores: what was measured.
        gates: what some of the scores have to reach.
        seconds: of CPU time that this process trained for.
    """
    card = {
        **record,
        **with_verdict({key: round(value, 4) for key, value in scores.items()}, gates),
        "cpu_seconds": round(seconds),
    }
    (target / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    (target / "README.md").write_text(card_page(card), encoding="utf-8")
    return card


def card_page(card: dict) -> str:
    """Writes a card as a page for people."""
    rows = "\n".join(
        f"| {key} | {value:.3f} | {card['gates'].get(key, '')} |"
        for key, value in card["scores"].items()
    )
    return (
        f"# {card['name']}\n\n{card['summary']}\n\n"
        f"- made by: `{card['command']}` (seed {card['seed']}, {card['steps']} steps)\n"
        f"- data: {card['data']}\n- parameters: {card['parameters']:,}\n\n"
        f"| measured on unseen scenes | score | gate |\n|---|---|---|\n{rows}\n"
    )
