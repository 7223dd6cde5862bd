"""The cells of a bug clinic, and what its template asks for.

Each of the four cases is, in this order: what is seen (tag `symptom`), a question for a hypothesis,
a diagnosis (tag `diagnosis`), the repair (two cells, tag `repair:ID`), its effect (tag `effect`).
"""

from __future__ import annotations

import ast
import textwrap
from inspect import getsource
from pathlib import Path

import nbformat

from course_lib.clinics.tasks import find_repair, repairs_of
from course_lib.devtools.exercise_cells import exercise_of, stub_of, words
from course_lib.teach.task import Exercise

TAG = "repair:"
CASE = ("symptom", "diagnosis", TAG, "effect")
CASES = 4


def repair_of(cell: nbformat.NotebookNode) -> str | None:
    """Returns the id of the repair that a cell belongs to."""
    return exercise_of(cell, TAG)


def repair_words(name: str, task: Exercise) -> str:
    """Returns the Markdown of a repair: contract, three hints and solution, collapsed."""
    return words(name, task).replace("### Exercise ", "### Repair ", 1)


def repair_stub(name: str) -> str:
    """Returns the learner's cell: the signature of the solution, nothing behind it."""
    return stub_of(name, find_repair(name), TAG)


def repair_cells(name: str, label: str) -> list[nbformat.NotebookNode]:
    """Returns the two cells of a repair; `label` begins their ids."""
    data = {"tags": [f"{TAG}{name}"]}
    said, stub = repair_words(name, find_repair(name)), repair_stub(name)
    return [
        nbformat.v4.new_markdown_cell(said, id=f"{label}m", metadata=data),
        nbformat.v4.new_code_cell(stub, id=f"{label}c", metadata=data),
    ]


def with_repairs(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Returns a notebook whose stubs are replaced, in place, by the solutions."""
    for cell in notebook.cells:
        name = repair_of(cell)
        if name and cell.cell_type == "code":
            solution = find_repair(name).solution
            call = ast.unparse(ast.parse(cell.source).body[-1])
            cell.source = f"{textwrap.dedent(getsource(solution)).rstrip()}\n\n\n{call}"
    return notebook


def clinic_problems(notebook: nbformat.NotebookNode, path: Path) -> list[str]:
    """Returns in what a clinic departs from the template, one sentence a fault."""
    model = path.stem.partition("_")[2]
    parts = [part for cell in notebook.cells if (part := _part(cell))]
    problems = []
    if parts != [*CASE] * CASES:
        problems.append(f"its cases are {parts}, they should be {CASES} times {CASE}")
    held = [repair_of(c) for c in notebook.cells if c.cell_type == "code" and repair_of(c)]
    if sorted(held) != sorted(repairs_of(model)):
        problems.append(f"it holds the repairs {held}, its model has {[*repairs_of(model)]}")
    for cell in notebook.cells:
        name = repair_of(cell)
        if (
            name
            and cell.cell_type == "markdown"
            and cell.source != repair_words(name, find_repair(name))
        ):
            problems.append(f"{name}: its words are not those of its file")
        if name and cell.cell_type == "code":
            if cell.source != repair_stub(name):
                problems.append(f"{name}: the stub is not that of its file")
            printed = "".join(output.get("text", "") for output in cell.outputs)
            if printed != f"○ {name} not attempted: going on with the reference\n":
                problems.append(f"{name}: its stored output is {printed!r}")
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    asked = sum("**Your hypothesis.**" in text for text in texts)
    if asked != CASES:
        problems.append(f"{asked} cells ask for a hypothesis, {CASES} should")
    if not any(text.startswith("## What to look at first") for text in texts):
        problems.append("no section says what to look at first")
    return problems


def _part(cell: nbformat.NotebookNode) -> str | None:
    if cell.cell_type != "code":
        return None
    tags = cell.metadata.get("tags", [])
    return next(
        (
            part
            for part in CASE
            for tag in tags
            if tag == part or (part == TAG and tag.startswith(TAG))
        ),
        None,
    )
