"""Which objectives of the course are met: by every exercise and every quiz question about them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.markup import escape
from rich.table import Table

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
ROW = re.compile(r"^\|\s*((\d\d)\.\d+)\s*\|\s*(.*?)\s*\|\s*$", re.MULTILINE)
NO_WORDS = "(not in the notebook's table of objectives)"
NONE_YET = "No progress yet: the check of an exercise and the quiz of a notebook keep what you did."


def objectives_in(folder: Path = NOTEBOOKS) -> tuple[dict[str, str], list[str]]:
    """Reads the tables of objectives, rows `| 03.1 | … |`, of all notebooks.

    Args:
        folder: with the notebooks.

    Returns:
        objective → its words; and a sentence for each notebook that cannot be read.
    """
    found: dict[str, str] = {}
    troubles: list[str] = []
    for path in sorted(folder.glob("[0-9]*.ipynb")):
        try:
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            texts = ["".join(c["source"]) for c in cells if c["cell_type"] == "markdown"]
        except (OSError, ValueError, KeyError, TypeError):
            troubles.append(f"{path.name} cannot be read: its objectives stand without words.")
            continue
        rows = (row for text in texts for row in ROW.findall(text))
        own = path.name[:2]  # 09a and 09b share the numbers of one chapter
        found |= {objective: words for objective, notebook, words in rows if notebook == own}
    return found, troubles


def progress_report(
    words: Mapping[str, str], checks: Mapping[str, str], attempts: Mapping[str, bool]
) -> dict:
    """Counts what is done and open for every objective.

    Args:
        words: objective → its words.
        checks: "exercise 03.itg_mask" or "quiz 03.2" → objective.
        attempts: what was attempted → whether it was ever right.

    Returns:
        {met, of, notebooks: {"03": {met, of, attempted, objectives: [{id, words, met, done,
        open}]}}}; `done` and `open` list checks. An objective is met when it has checks and none is
        open.
    """
    notebooks: dict[str, dict] = {}
    for objective in sorted({*words, *checks.values()}, key=_order):
        mine = [what for what, about in checks.items() if about == objective]
        done = [what for what in mine if attempts.get(what, False)]
        row = {
            "id": objective,
            "words": words.get(objective, ""),
            "met": bool(mine) and done == mine,
            "done": done,
            "open": [what for what in mine if what not in done],
        }
        empty = {"met": 0, "of": 0, "attempted": False, "objectives": []}
        notebook = notebooks.setdefault(objective.split(".")[0], empty)
        notebook["met"] += row["met"]
        notebook["of"] += 1
        notebook["attempted"] |= any(what in attempts for what in mine)
        notebook["objectives"].append(row)
    total = {key: sum(one[key] for one in notebooks.values()) for key in ("met", "of")}
    return {**total, "notebooks": notebooks}


def _order(objective: str) -> tuple[str, int]:
    notebook, number = objective.split(".")
    return notebook, int(number)


def progress_lines(report: dict) -> Iterator[Table | str]:
    """Yields what the command prints: a table for each notebook begun, then sentences."""
    waiting = []
    for name, notebook in report["notebooks"].items():
        if not notebook["attempted"]:
            waiting.append(name)
            continue
        title = f"notebook {name}: {notebook['met']} of {notebook['of']} objectives met"
        table = Table("id", "you can", "done", "open", "", title=title, title_justify="left")
        for row in notebook["objectives"]:
            state = "✓ met" if row["met"] else "open" if row["done"] or row["open"] else "no check"
            counts = [str(len(row[key])) for key in ("done", "open")]
            table.add_row(row["id"], escape(row["words"] or NO_WORDS), *counts, state)
        yield table
        left = [what for row in notebook["objectives"] for what in row["open"]]
        if left:
            yield f"open in {name}: {escape(', '.join(left))}"
    if len(waiting) == len(report["notebooks"]):
        yield NONE_YET
    else:
        yield f"{report['met']} of {report['of']} objectives met."
    if waiting:
        yield f"not begun: {', '.join(waiting)}"
