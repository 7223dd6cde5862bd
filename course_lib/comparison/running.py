"""Runs what a comparison lacks, one contestant, budget and seed after the other, and keeps rows.

Every finished run is one JSON line in `course_lib/results/compare.jsonl` with the command that
makes it; what is there is not run again, so that a stopped comparison goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from course_lib.comparison.budget import Budget, Ledger, inherited_cost
from course_lib.comparison.contestants import SCENES, Contestant
from course_lib.comparison.measures import USUAL, Sizes, measured
from course_lib.data.line_file import append_line, finished_lines
from course_lib.experiments.runner import RESULTS, foreign_line_error

NAME, COMMAND, VERSION = "compare", "course compare", 1
_KEYS = {"model", "budget", "amount", "seed", "scores", "cost", "inherited"}


def read_comparison(folder: Path = RESULTS) -> list[dict]:
    """Returns the rows that are there, oldest first; a line cut short by a kill is left out.

    Raises:
        ValueError: for a line of another version, or one that is no row.
    """
    path, rows = folder / f"{NAME}.jsonl", []
    for number, row in finished_lines(path, f"run `{COMMAND}` again"):
        whole = isinstance(row, dict) and row.keys() >= _KEYS
        if isinstance(row, dict) and row.get("version") != VERSION:
            found = f"a row of version {row.get('version')}"
        elif not whole:
            found = "no row"
        else:
            rows.append(row)
            continue
        raise foreign_line_error(path, number, found, VERSION, COMMAND)
    return rows


def missing(
    contestants: Sequence[Contestant],
    budgets: Sequence[Budget],
    seeds: Sequence[int],
    rows: Sequence[dict],
) -> list[tuple[Contestant, Budget, int]]:
    """Returns what is still to be run, seed by seed and budget by budget."""
    done = {(row["model"], row["budget"], row["amount"], row["seed"]) for row in rows}
    return [
        (one, budget, seed)
        for seed in seeds
        for budget in budgets
        for one in contestants
        if (one.name, budget.kind, budget.amount, seed) not in done
    ]


def run_one(
    one: Contestant, budget: Budget, seed: int, scenes: int = SCENES, sizes: Sizes = USUAL
) -> dict:
    """Trains and measures one contestant.

    Args:
        one: the contestant.
        budget: of all its stages.
        seed: of everything random.
        scenes: training scenes.
        sizes: how much is measured.

    Returns:
        {model, budget, amount, seed, language, scores, cost, inherited, stages, command, version,
        cpu_seconds}; the last holds everything, what prepares and measures too.
    """
    started, ledger = time.process_time(), Ledger(budget, seed)
    opened = one.train(ledger, scenes)
    scores = measured(one.name, opened, one.language, seed, sizes)
    row = {"model": one.name, "budget": budget.kind, "amount": budget.amount, "seed": seed}
    row |= {"language": one.language, "scores": scores, "cost": ledger.cost()}
    row |= {"inherited": inherited_cost(one.inherits), "stages": ledger.stages}
    spent = round(time.process_time() - started)
    return row | {"command": COMMAND, "version": VERSION, "cpu_seconds": spent}


def run_missing(
    contestants: Sequence[Contestant],
    budgets: Sequence[Budget],
    seeds: Sequence[int],
    folder: Path = RESULTS,
    say: Callable[[int, str], None] = lambda number, words: None,
    run: Callable[[Contestant, Budget, int], dict] = run_one,
) -> list[dict]:
    """Runs what is missing and returns the rows of what was asked for.

    Args:
        contestants: of `chosen_contestants`.
        budgets: of `usual`.
        seeds: of the runs.
        folder: where the rows are kept.
        say: told before each run, with its number from 0.
        run: makes a row.

    Raises:
        ValueError: for a file of another version, before anything is trained.
    """
    todo = missing(contestants, budgets, seeds, read_comparison(folder))
    for number, (one, budget, seed) in enumerate(todo):
        say(number, f"{one.title}, {budget.amount:g} {budget.kind}, seed {seed}")
        append_line(folder / f"{NAME}.jsonl", run(one, budget, seed))
    names, kinds = {c.name for c in contestants}, {(b.kind, b.amount) for b in budgets}
    return [
        row
        for row in read_comparison(folder)
        if row["model"] in names
        and (row["budget"], row["amount"]) in kinds
        and row["seed"] in seeds
    ]
