"""`course plan`, and what `course train --dry-run` prints: the cost of a recipe before it runs."""

from __future__ import annotations

import json
from typing import Annotated

import typer

# Nothing heavier is imported here: the console script reads this file at every start.


def plan(
    recipe: Annotated[str, typer.Argument(help="blip2, llava, minigpt4, ...")] = "",
    scale: Annotated[str, typer.Option(help="toy, small or a100")] = "a100",
    gpu: Annotated[str, typer.Option(help="such as a100-80gb; a wrong one lists all")] = "",
    gpus: Annotated[int | None, typer.Option(help="how many")] = None,
    stage: Annotated[str, typer.Option(help="1, 2 or 3; all where none is named")] = "",
    variant: Annotated[str, typer.Option(help="language model, version or transfer")] = "",
    price: Annotated[float | None, typer.Option(help="USD of a GPU-hour")] = None,
    cached: Annotated[bool, typer.Option("--cached", help="frozen features are kept")] = False,
    papers: Annotated[bool, typer.Option("--papers", help="the papers' hours beside ours")] = False,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Tell what a recipe costs: parameters, FLOPs, memory, hours, price. Works offline."""
    if papers:
        print_papers(json_)
    else:
        chosen = {"stage": stage, "variant": variant, "cached": cached}
        print_plan(recipe, scale, gpu, gpus, price=price, as_json=json_, **chosen)


def print_plan(
    recipe: str,
    scale: str,
    gpu: str = "",
    gpus: int | None = None,
    *,
    stage: str = "",
    variant: str = "",
    price: float | None = None,
    cached: bool = False,
    steps: int | None = None,
    as_json: bool = False,
) -> None:
    """Prints the plan of a recipe; a machine that is not named is the usual one of the scale.

    Args:
        recipe: its name.
        scale: "toy", "small" or "a100".
        gpu: which kind, "" for the usual one.
        gpus: how many, None for the usual number.
        stage: its number, or "" for all.
        variant: language model, version or transfer, "" for the recipe's first.
        price: USD of a GPU-hour, None for the list price.
        cached: whether frozen features are kept.
        steps: another number of steps than the recipe's.
        as_json: one JSON object instead of words.

    Raises:
        ValueError: for a name that is not known, with those that are, or less than one GPU.
    """
    from course_lib.planner.gpus import USUAL
    from course_lib.planner.jobs import RECIPES
    from course_lib.planner.plan import plan_recipe
    from course_lib.planner.report import report_dict, report_lines

    if not recipe:
        raise ValueError(f"Name a recipe: {', '.join(RECIPES)}; or --papers.")
    if scale not in USUAL:
        raise ValueError(f"Unknown scale {scale!r}: choose one of {', '.join(USUAL)}.")
    if price is not None and price < 0:
        raise ValueError(f"--price {price} is below zero: give USD of a GPU-hour, such as 2.")
    usual, number = USUAL[scale]
    machine = (gpu or usual, number if gpus is None else gpus)
    chosen = {"stage": stage, "variant": variant, "cached": cached, "steps": steps}
    plans = plan_recipe(recipe, scale, *machine, **chosen)
    if as_json:
        print(json.dumps(report_dict(plans, scale, price)))
    else:
        print("\n".join(report_lines(plans, scale, price)))


def print_papers(as_json: bool = False) -> None:
    """Prints what the papers' runs took, beside what the planner says of them."""
    from statistics import median

    from course_lib.planner.papers import table
    from course_lib.planner.report import lasting

    rows = table()
    misses = [max(row["ratio"], 1 / row["ratio"]) for row in rows]
    if as_json:
        print(json.dumps({"rows": rows, "largest": max(misses), "median": median(misses)}))
        return
    for row in rows:
        ours = lasting(row["ours"])
        if "GPU-hours" in row["told"]:
            ours = f"{row['ours'] * row['gpus']:.1f} GPU-hours"
        print(
            f"{row['name']}, {row['gpus']} × {row['gpu']}: {row['told']} told, "
            f"{ours} planned, {row['ratio']:.2f} of it ({row['source']})"
            f"\n    {row['reason']}"
        )
    print(f"off by a factor of at most {max(misses):.2f}, median {median(misses):.2f}")
