"""`course evaluate`: a run on held-out toy scenes, or with --data on a published data set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from course_lib.errors import unknown_name_error

# Nothing heavier is imported here: the console script reads this file at every start.
_DATA = "coco, nocaps, vqav2, okvqa, gqa or scienceqa; without it toy scenes"
_SPLITS = ("test", "combos")
N, SEED = 200, 0


def show(found: dict, as_json: bool) -> None:
    """Prints what was found: one line of JSON, or the same for people."""
    if as_json:
        print(json.dumps(found))
    else:
        Console().print_json(json.dumps(found))


def evaluate(
    run: str,
    data: Annotated[str, typer.Option(help=_DATA)] = "",
    folder: Annotated[
        Path | None, typer.Option(help="of data_scripts; 'data' where none is named")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="so many examples of --data")] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="file for the answers to --data, in its official format")
    ] = None,
    batch: Annotated[int | None, typer.Option(help="examples of --data at a time")] = None,
    seed: Annotated[int | None, typer.Option(help=f"of the toy scenes; {SEED}")] = None,
    n: Annotated[int | None, typer.Option(help=f"toy scenes; {N}", min=10)] = None,
    split: Annotated[str, typer.Option(help="test or combos; with --data one of its own")] = "",
    json_: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Measure a run or a zoo model on held-out scenes, or on a published data set."""
    real = {"folder": folder, "limit": limit, "predictions": predictions, "batch": batch}
    toy = {"seed": seed, "n": n}
    _refuse(toy if data else real, bool(data))
    if data:
        from course_lib.commands.benchmark import benchmark

        chosen = {"split": split, "limit": limit, "out": predictions}
        found = benchmark(
            run, data, folder or Path("data"), batch=16 if batch is None else batch, **chosen
        )
        return show(found, json_)
    split = split or _SPLITS[0]
    if split not in _SPLITS:
        raise unknown_name_error("split", split, _SPLITS)
    from course_lib.commands.runs import evaluate as measure

    numbers = {"seed": SEED if seed is None else seed, "n": N if n is None else n}
    show(measure(run, **numbers, split=split), json_)


def _refuse(options: dict, with_data: bool) -> None:
    """Refuses options that the other way of evaluating has."""
    given = [f"--{name}" for name, value in options.items() if value is not None]
    if given and with_data:
        raise ValueError(f"{given[0]} is of toy scenes: leave it out, or leave out --data.")
    if given:
        raise ValueError(f"{given[0]} goes with --data: name a data set ({_DATA.split(';')[0]}).")
