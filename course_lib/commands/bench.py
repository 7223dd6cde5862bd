"""`course bench`: our models and transformers' on one CPU thread, all rows in one table."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

# Nothing heavier is imported here: the console script reads this file at every start.
from course_lib.errors import unknown_name_error

SCRIPTS = {"blip2": "BLIP-2", "llava": "LLaVA", "flamingo": "Flamingo"}
HEAD = ("milliseconds of CPU time", "ours", "reference", "ratio", "spread", "limit", "")


def bench(
    models: Annotated[
        str, typer.Option(help="blip2, llava, flamingo with commas between; all where none")
    ] = "",
    repeats: Annotated[int, typer.Option(help="turns of each comparison", min=2)] = 15,
    json_: Annotated[
        bool, typer.Option("--json", help="One JSON object on standard output.")
    ] = False,
) -> None:
    """Time our models against transformers' on the CPU; fails where a limit is missed."""
    chosen = [name.strip() for name in models.split(",") if name.strip()] or list(SCRIPTS)
    for name in chosen:
        if name not in SCRIPTS:
            raise unknown_name_error("benchmark", name, tuple(SCRIPTS))
    try:
        found = measure(chosen, repeats, benchmarks_folder())
    except KeyboardInterrupt:
        print("course: stopped, nothing was kept; the same command begins anew.", file=sys.stderr)
        raise typer.Exit(130) from None
    if json_:
        print(json.dumps(found))
    else:
        _show(found)
    if not found["passed"]:
        raise typer.Exit(1)


def benchmarks_folder(root: Path | None = None) -> Path:
    """Finds the scripts.

    Args:
        root: of a checkout; None = the folder that this package lies in.

    Raises:
        ValueError: where the package is installed without them.
    """
    folder = (root or Path(__file__).resolve().parents[2]) / "benchmarks"
    if any(not (folder / f"{name}.py").is_file() for name in SCRIPTS):
        raise ValueError(
            f"The scripts of benchmarks/ are not at {folder}: they come with the course's "
            "repository and not with the installed package. Get the repository, install it with "
            "`pip install -e .`, and run the command again."
        )
    return folder


def measure(models: list[str], repeats: int, folder: Path) -> dict:
    """Runs the scripts one after another, each in a process of its own.

    Args:
        models: keys of `SCRIPTS`.
        repeats: turns of each comparison.
        folder: where the scripts lie.

    Returns:
        {"passed", "rows": what the scripts print with "model" and "met" (None without a limit),
        versions and machine}.

    Raises:
        ValueError: when a script stops, with its last line.
    """
    rows, about = [], {}
    for name in models:
        printed = _run(folder / f"{name}.py", repeats, lambda line: print(line, file=sys.stderr))
        about = {key: value for key, value in printed.items() if key != "rows"}
        for row in printed["rows"]:
            met = None if row["limit"] is None else row["ratio"] <= row["limit"]
            rows.append({"model": name, **row, "met": met})
    return {"passed": all(row["met"] is not False for row in rows), "rows": rows, **about}


def _run(script: Path, repeats: int, tell: Callable[[str], object]) -> dict:
    """Runs a script with --json; tells which part it measures."""
    call = [sys.executable, str(script), "--json", "--repeats", str(repeats)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}
    last = "it said nothing"
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out:
        with subprocess.Popen(
            call, stdout=out, stderr=subprocess.PIPE, env=environment, encoding="utf-8"
        ) as process:
            for line in process.stderr:
                last = line.strip() or last
                if line.startswith("measuring:"):
                    tell(f"{script.stem}: {line.strip()}")
        out.seek(0)
        printed = out.read()
    if process.returncode:
        raise ValueError(f"benchmarks/{script.name} stopped and timed nothing more: {last}")
    return json.loads(printed)


def _show(found: dict) -> None:
    table = Table(*HEAD)
    for column in table.columns[1:]:
        column.justify, column.no_wrap = "right", True
    model = ""
    for row in found["rows"]:
        if row["model"] != model:
            model = row["model"]
            table.add_section()
            table.add_row(f"[bold]{SCRIPTS[model]}[/bold]")
        limit = "" if row["limit"] is None else f"{row['limit']:.2f}"
        numbers = (f"{row['ours_ms']:.2f}", f"{row['reference_ms']:.2f}")
        ratios = (f"{row['ratio']:.3f}", f"{row['spread']:.3f}")
        mark = {True: "✓", False: "✗", None: ""}[row["met"]]
        table.add_row(row["work"], *numbers, *ratios, limit, mark)
    console = Console()
    console.print(table)
    limited = [row["met"] for row in found["rows"] if row["met"] is not None]
    versions = f"torch {found['torch']}, transformers {found['transformers']}, one thread"
    console.print(f"{sum(limited)} of {len(limited)} limits met; {versions}", soft_wrap=True)
