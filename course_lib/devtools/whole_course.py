"""Runs every notebook from top to bottom and tells what each model learned: `make course`.

The convention is what a learner reads anyway: a line `label: True` (or `False`), or one that begins
with ✓, ✗ or ○. A notebook calls nothing special for it. Where some cells carry the tag `learned`,
their lines alone are told. Executed copies go to runs/course; the committed files stay as they are.
"""

import argparse
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from course_lib.devtools.environment import ROOT, find_notebooks, number_of
from course_lib.devtools.execute import (
    NotebookFailed,
    prepare_kernels,
    run_notebook,
    write_notebook,
)

COPIES = ROOT / "runs" / "course"
_BAND = re.compile(r"^\s*(?P<label>\S.{0,98}?)\s*:\s*(?P<value>True|False)\s*$")
_MARK = re.compile(r"^\s*(?P<mark>[✓✗○])\s+(?P<label>\S.*?)\s*$")
_MARK_OF = {"True": "✓", "False": "✗"}


def learned_lines(notebook: nbformat.NotebookNode) -> list[tuple[str, str]]:
    """Returns (mark, label) for each line of printed output that states a result.

    The mark is ✓ (right), ✗ (not reached) or ○ (not attempted).
    """
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    tagged = [cell for cell in code if "learned" in cell.metadata.get("tags", [])]
    found = []
    for cell in tagged or code:
        for output in cell.outputs:
            text = output.get("text", "") or output.get("data", {}).get("text/plain", "")
            for line in text.splitlines():
                if match := _BAND.match(line):
                    found.append((_MARK_OF[match["value"]], match["label"]))
                elif match := _MARK.match(line):
                    found.append((match["mark"], match["label"]))
    return found


def run_course(notebooks: list[Path], console: Console) -> tuple[list[tuple], int]:
    """Runs notebooks in order, with a bar over their cells.

    Returns:
        One row (name, minutes, failure or None, lines) for each notebook that ended, and the
        number of notebooks that were not reached because somebody interrupted the run.
    """
    rows: list[tuple] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        overall = progress.add_task("the course", total=len(notebooks))
        for path in notebooks:
            task = progress.add_task(path.stem, total=None)
            started = time.monotonic()
            failure, lines = None, []

            def tick(done: int, total: int, task=task) -> None:
                progress.update(task, completed=done, total=total)

            try:
                notebook = run_notebook(path, on_cell=tick)
                COPIES.mkdir(parents=True, exist_ok=True)
                write_notebook(notebook, COPIES / path.name)
                lines = learned_lines(notebook)
            except NotebookFailed as error:
                failure = str(error).splitlines()[0]
            except KeyboardInterrupt:
                return rows, len(notebooks) - len(rows)
            rows.append((path.stem, (time.monotonic() - started) / 60, failure, lines))
            progress.advance(overall)
    return rows, 0


def learned_table(rows: list[tuple]) -> Table:
    """Builds the table: notebook, minutes, and a line for each result."""
    table = Table(title="What was learned", show_lines=True)
    table.add_column("notebook", no_wrap=True)
    table.add_column("minutes", justify="right")
    table.add_column("results", overflow="fold")
    for name, minutes, failure, lines in rows:
        told = [f"{mark} {label}" for mark, label in lines] or ["ran to its end"]
        table.add_row(name, f"{minutes:.1f}", f"stopped: {failure}" if failure else "\n".join(told))
    return table


def main() -> int:
    """Runs the course from the notebook named, prints the table and how many notebooks ran."""
    parser = argparse.ArgumentParser(description="Run every notebook and tell what was learned.")
    parser.add_argument("--start", default="", help="begin with this notebook, such as 04")
    options = parser.parse_args()
    notebooks = [path for path in find_notebooks() if path.name >= options.start]
    console = Console()
    with tempfile.TemporaryDirectory(prefix="course-", ignore_cleanup_errors=True) as scratch:
        prepare_kernels(Path(scratch))
        rows, unreached = run_course(notebooks, console)
    if rows:
        console.print(learned_table(rows), markup=False)
    passed = sum(failure is None for _, _, failure, _ in rows)
    if unreached:
        stopped = notebooks[len(rows)]
        print(f"\nInterrupted in {stopped.stem}. Go on with: make course FROM={number_of(stopped)}")
        return 130
    print(f"\ncourse: {passed} passed, {len(rows) - passed} failed")
    return 0 if passed == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
