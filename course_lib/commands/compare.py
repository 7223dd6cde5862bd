"""`course compare`: six recipes under equal conditions, run where it was stopped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

# Nothing heavier is imported here: the console script reads this file at every start.
from course_lib.commands.run_bar import run_bar


def compare(
    budget: Annotated[str, typer.Option(help="samples or seconds; both where none is named")] = "",
    models: Annotated[
        str, typer.Option(help="recipes with commas between them; all where none is named")
    ] = "",
    seeds: Annotated[int, typer.Option(help="runs of each", min=1)] = 1,
    json_: Annotated[
        bool, typer.Option("--json", help="One JSON object on standard output.")
    ] = False,
) -> None:
    """Compare the six recipes: the same encoder, LLaMA and scenes, two budgets."""
    from course_lib.comparison.budget import BUDGETS, usual
    from course_lib.comparison.contestants import chosen_contestants
    from course_lib.comparison.running import missing, read_comparison, run_missing

    budgets = [usual(kind) for kind in ([budget] if budget else BUDGETS)]
    named = tuple(name.strip() for name in models.split(",") if name.strip())
    chosen, wanted, console = chosen_contestants(named), range(seeds), Console(stderr=True)
    todo = len(missing(chosen, budgets, wanted, read_comparison()))
    with run_bar("compare", todo, console) as tell:

        def say(number: int, words: str) -> None:
            tell(f"compare: run {number + 1} of {todo}, {words}")

        rows = run_missing(chosen, budgets, wanted, say=say)
    if json_:
        print(json.dumps({"comparison": "compare", "rows": rows}))
    else:
        _show(rows, [one.kind for one in budgets], [one.name for one in chosen])


def _show(rows: list[dict], kinds: Sequence[str], models: Sequence[str]) -> None:
    from course_lib.comparison import table

    console = Console()
    for kind in kinds:
        found = table.of_budget(rows, kind)
        amount = f"{found[0]['amount']:,.0f} {kind}"
        console.print(_table(f"scores at {amount}", table.SCORE_HEAD, table.score_rows(found)))
        head, cells = table.type_rows(found)
        console.print(_table(f"questions, with|without the picture, at {amount}", head, cells))
        console.print(_table(f"cost at {amount}", table.COST_HEAD, table.cost_rows(found)))
        for line in table.verdicts(found):
            console.print(line, soft_wrap=True, highlight=False)
    for line in table.notes(models):
        console.print(line, soft_wrap=True, highlight=False)


def _table(title: str, head: Sequence[str], cells: Sequence[Sequence[str]]) -> Table:
    found = Table(*head, title=title)
    for line in cells:
        found.add_row(*line)
    return found
