"""Runs an experiment arm by arm and seed by seed, and goes on where it was stopped.

Every finished (arm, seed) is one JSON line in `course_lib/results/NAME.jsonl`, with the command
that makes it; what is there is not run again.
"""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from course_lib.errors import unknown_name_error

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results"
SEEDS = (0, 1, 2)
VERSION = 1  # of the rows; what came before versions is of the first
# Experiments that one name runs one after the other, in the order of the paper.
GROUPS = {
    "flamingo": ("flamingo_shots", "flamingo_gates", "flamingo_data", "flamingo_places"),
    "vpgtrans": ("vpgtrans_size", "vpgtrans_rate", "vpgtrans_type"),
}


@dataclass(frozen=True)
class Experiment:
    """One claim and how it is tried.

    Args:
        claim: what the paper says, in our words, with its place.
        arms: the variants that are compared.
        measure: (arm, seed, steps) → scores; everything random depends on the seed.
        steps: training steps of a run.
        minutes: core-minutes of one run, measured.
        shared: {arm: (experiment, arm)} that are one and the same run: the row is taken over from
            there where it is finished.
    """

    claim: str
    arms: tuple[str, ...]
    measure: Callable[[str, int, int], dict]
    steps: int
    minutes: float
    shared: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def experiment_names() -> list[str]:
    """Returns the names of all experiments."""
    # Files beside them hold what several share; to import each would take seconds.
    return sorted(
        path.stem for path in HERE.glob("*.py") if _MARK in path.read_text(encoding="utf-8")
    )


_MARK = "\nEXPERIMENT = Experiment("


def named_experiments(name: str) -> tuple[str, ...]:
    """Returns the experiments that a name stands for: those of a group, or the one itself.

    Raises:
        ValueError: for an unknown name, with the nearest known one.
    """
    if name in GROUPS:
        return GROUPS[name]
    if name not in experiment_names():
        known = sorted((*experiment_names(), *GROUPS))
        raise unknown_name_error("experiment", name, known)
    return (name,)


def find_experiment(name: str) -> Experiment:
    """Returns an experiment by name.

    Raises:
        ValueError: for an unknown name, with the nearest known one.
    """
    if name not in experiment_names():
        raise unknown_name_error("experiment", name, experiment_names())
    return importlib.import_module(f"course_lib.experiments.{name}").EXPERIMENT


def read_rows(name: str, folder: Path = RESULTS) -> list[dict]:
    """Returns the rows of an experiment, oldest first; a line cut short by a kill is left out.

    Raises:
        ValueError: for a line of another version, or one that is no row.
    """
    path = folder / f"{name}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        version = row.get("version", VERSION) if isinstance(row, dict) else None
        if version != VERSION:
            found = "no row" if version is None else f"a row of version {version}"
            raise foreign_line_error(path, number, found, VERSION, f"course experiment {name}")
        rows.append(row)
    return rows


def foreign_line_error(
    path: Path, number: int, found: str, version: int, command: str
) -> ValueError:
    """Returns what a reader of results raises for a line that it does not know.

    Args:
        path: the file.
        number: of the line, from 1.
        found: what it is.
        version: of the rows that are read.
        command: makes the file.
    """
    return ValueError(
        f"{path.name}, line {number}, is {found}, and this course reads version {version}: "
        f"move the file away and run `{command}` again, or take the version of the course that "
        "wrote it."
    )


def missing_runs(
    name: str, seeds: tuple[int, ...] = SEEDS, steps: int | None = None, folder: Path = RESULTS
) -> list[tuple[str, int]]:
    """Returns (arm, seed) of each run that an experiment still lacks; see `run_experiment`."""
    found = find_experiment(name)
    count = found.steps if steps is None else steps
    done = {(row["arm"], row["seed"], row["steps"]) for row in read_rows(name, folder)}
    return [(arm, seed) for seed in seeds for arm in found.arms if (arm, seed, count) not in done]


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
        ValueError: for an unknown experiment, or a file of another version.
    """
    found, todo = find_experiment(name), missing_runs(name, seeds, steps, folder)
    count = found.steps if steps is None else steps
    for number, (arm, seed) in enumerate(todo, start=1):
        left = f"about {found.minutes * (len(todo) - number + 1):.0f} core-minutes left"
        say(f"{name}: run {number} of {len(todo)}, {arm}, seed {seed}; {left}")
        started = time.process_time()
        taken = _finished(*found.shared[arm], seed, count, folder) if arm in found.shared else None
        scores = found.measure(arm, seed, count) if taken is None else taken["scores"]
        row = {"experiment": name, "arm": arm, "seed": seed, "steps": count, "scores": scores}
        row |= {"command": f"course experiment {name}", "version": VERSION}
        row |= {} if taken is None else {"taken_from": taken["experiment"]}
        row["cpu_seconds"] = round(time.process_time() - started)
        _append(folder / f"{name}.jsonl", row)
    return read_rows(name, folder)


def _finished(name: str, arm: str, seed: int, steps: int, folder: Path) -> dict | None:
    """Returns the row of a run that is finished."""
    for row in read_rows(name, folder):
        if (row["arm"], row["seed"], row["steps"]) == (arm, seed, steps):
            return row
    return None


def _append(path: Path, row: dict) -> None:
    """Adds a line; one that a kill cut short before is ended first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as stream:
        if stream.tell() > 0:
            stream.seek(-1, 2)
            cut = stream.read(1) != b"\n"
            stream.write(b"\n" if cut else b"")
        stream.write(json.dumps(row).encode() + b"\n")
