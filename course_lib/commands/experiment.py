"""`course experiment`: one experiment, or a group of them, run where it was stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

# Nothing heavier is imported here: the console script reads this file at every start.
from course_lib.commands.run_bar import run_bar
from course_lib.experiments.runner import (
    RESULTS,
    missing_runs,
    named_experiments,
    run_experiment,
)


def experiment(
    name: Annotated[str, typer.Argument(help="an experiment, or a group such as vpgtrans")],
    seeds: Annotated[int, typer.Option(help="runs of each variant", min=1)] = 3,
    steps: Annotated[int | None, typer.Option(help="fewer steps, for a trial", min=1)] = None,
    json_: Annotated[
        bool, typer.Option("--json", help="One JSON object on standard output.")
    ] = False,
) -> None:
    """Try a claim of a paper, or all of a group; goes on where it was stopped."""
    names = named_experiments(name)
    rows = run_all(name, names, tuple(range(seeds)), steps, Console(stderr=True))
    if json_:
        print(json.dumps({"experiment": name, "rows": [row for one in rows for row in one]}))
        return
    for title, found in zip(names, rows, strict=True):
        Console().print(_table(title, found))


def run_all(
    name: str,
    names: tuple[str, ...],
    seeds: tuple[int, ...],
    steps: int | None,
    console: Console,
    folder: Path = RESULTS,
) -> list[list[dict]]:
    """Runs what is missing of experiments, one after the other, with one bar for all runs.

    Args:
        name: what the bar is called.
        names: of the experiments, in order.
        seeds: of each.
        steps: fewer steps, for a trial.
        console: told of every run; the bar is drawn where it is a terminal.
        folder: where the rows are kept.

    Returns:
        All rows of each experiment.
    """
    todo = sum(len(missing_runs(one, seeds, steps, folder)) for one in names)
    with run_bar(name, todo, console) as say:
        return [run_experiment(one, seeds, steps, folder, say) for one in names]


def _table(title: str, rows: list[dict]) -> Table:
    table = Table("variant", "seed", "steps", "measured", title=title)
    for row in rows:
        numbers = {k: v for k, v in row["scores"].items() if isinstance(v, int | float)}
        scores = " ".join(f"{k} {v:.3f}" for k, v in numbers.items() if "." not in k)
        table.add_row(row["arm"], str(row["seed"]), str(row["steps"]), scores)
    return table
