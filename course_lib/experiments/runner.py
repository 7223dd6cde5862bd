"""Runs an experiment arm by arm and seed by seed, and goes on where it was stopped.

Every finished (arm, seed) is one JSON line in `course_lib/results/NAME.jsonl`, with the command
that makes it; what is there is not run again.
"""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from course_lib.errors import unknown_name_error

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results"
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Experiment:
    """One claim and how it is tried.

    Args:
        claim: what the paper says, in our words, with its place.
        arms: the variants that are compared.
        measure: (arm, seed, steps) → scores; everything random depends on the seed.
        steps: training steps of a run.
        minutes: core-minutes of one run, measured.
    """

    claim: str
    arms: tuple[str, ...]
    measure: Callable[[str, int, int], dict]
    steps: int
    minutes: float


def experiment_names() -> list[str]:
    """Returns the names of all experiments."""
    # Files beside them hold what several share; to import each would take seconds.
    return sorted(
        path.stem for path in HERE.glob("*.py") if _MARK in path.read_text(encoding="utf-8")
    )


_MARK = "\nEXPERIMENT = Experiment("


def find_experiment(name: str) -> Experiment:
    """Returns an experiment by name.

    Raises:
        ValueError: for an unknown name, with the nearest known one.
    """
    if name not in experiment_names():
        raise unknown_name_error("experiment", name, experiment_names())
    return importlib.import_module(f"course_lib.experiments.{name}").EXPERIMENT


def read_rows(name: str, folder: Path = RESULTS) -> list[dict]:
    """Returns the rows of an experiment, oldest first; a line cut short by a kill is left out."""
    path = folder / f"{name}.jsonl"
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def run_experiment(
    name: str,
    seeds: tuple[int, ...] = SEEDS,
    steps: int | None = None,
    folder: Path = RESULTS,
    say: Callable[[str], None] = print,
) -> list[dict]:
    """Runs what is missing of an experiment, seed by seed, so that every arm has as many.

    Args:
        name: of a file beside this one.
        seeds: at least three make a verdict.
        steps: fewer steps, for a trial; the rows say so and never count as finished runs.
        folder: where the rows are kept.
        say: told of every run before it starts.

    Returns:
        All rows of the experiment.

    Raises:
        ValueError: for an unknown experiment.
    """
    found = find_experiment(name)
    count = found.steps if steps is None else steps
    done = {(row["arm"], row["seed"], row["steps"]) for row in read_rows(name, folder)}
    todo = [(arm, seed) for seed in seeds for arm in found.arms if (arm, seed, count) not in done]
    for number, (arm, seed) in enumerate(todo, start=1):
        left = f"about {found.minutes * (len(todo) - number + 1):.0f} core-minutes left"
        say(f"{name}: run {number} of {len(todo)}, {arm}, seed {seed}; {left}")
        started = time.process_time()
        scores = found.measure(arm, seed, count)
        row = {"experiment": name, "arm": arm, "seed": seed, "steps": count, "scores": scores}
        row["command"] = f"course experiment {name}"
        row["cpu_seconds"] = round(time.process_time() - started)
        _append(folder / f"{name}.jsonl", row)
    return read_rows(name, folder)


def _append(path: Path, row: dict) -> None:
    """Adds a line; one that a kill cut short before is ended first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as stream:
        if stream.tell() > 0:
            stream.seek(-1, 2)
            cut = stream.read(1) != b"\n"
            stream.write(b"\n" if cut else b"")
        stream.write(json.dumps(row).encode() + b"\n")
