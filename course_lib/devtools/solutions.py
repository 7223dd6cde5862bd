"""Runs a notebook with every exercise solved: `python -m course_lib.devtools.solutions 03`.

The committed notebooks hold stubs, so what a learner's own code does to the cells behind it shows
in no stored output. Here the solutions take the stubs' places. Only set-up, building and exercise
cells run; left out is what carries one of these tags:

- `train`, `learned`, `bands`: see CONTRIBUTING.md;
- `needs-training`: serves the training alone, or reads what it left behind.

What is kept has to print what is stored: a learner's right answer changes no line behind it.
"""

import ast
import copy
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import nbformat

from course_lib.devtools.environment import find_notebooks
from course_lib.devtools.execute import prepare_kernels, run_notebook
from course_lib.devtools.exercise_cells import exercise_of, solution_source
from course_lib.teach.task import find_exercise

LEFT_OUT = frozenset({"train", "learned", "bands", "needs-training"})
MOST_SECONDS = 45.0
_REPORT = "import time as _time\nprint(_time.process_time())"


@dataclass(frozen=True)
class Solved:
    """What a run with solutions gave.

    Args:
        printed: exercise → what its cell printed.
        changed: ids of other cells that printed something else than what is stored.
        seconds: processor time of the kernel, imports included.
    """

    printed: dict[str, str]
    changed: list[str]
    seconds: float

    def failed(self) -> list[str]:
        """Returns the exercises whose check is not ✓."""
        return [name for name, text in self.printed.items() if not text.startswith("✓")]


def has_exercises(path: Path) -> bool:
    """Says whether a notebook holds any exercise."""
    return any(exercise_of(cell) for cell in nbformat.read(path, as_version=4).cells)


def with_solutions(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Returns a copy with solutions in place of stubs, without the cells that train or need it.

    Raises:
        ValueError: for a stub that has another name than its solution.
    """
    solved = copy.deepcopy(notebook)
    solved.cells = [c for c in solved.cells if not LEFT_OUT & set(c.metadata.get("tags", []))]
    for cell in solved.cells:
        if cell.cell_type != "code":
            continue
        cell.outputs, cell.execution_count = [], None
        if name := exercise_of(cell):
            cell.source = solved_source(cell.source, name)
    return solved


def solved_source(source: str, name: str) -> str:
    """Puts the solution of an exercise in the place of its stub; all other lines stay.

    Args:
        source: of the exercise's code cell.
        name: id of the exercise.

    Raises:
        ValueError: when the cell defines nothing of the solution's name.
    """
    exercise = find_exercise(name)
    wanted = exercise.solution.__name__
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == wanted:
            first = min([node.lineno, *(mark.lineno for mark in node.decorator_list)])
            lines = source.splitlines()
            new = [*lines[: first - 1], solution_source(exercise), *lines[node.end_lineno :]]
            return "\n".join(new)
    raise ValueError(f"The cell of {name} defines no {wanted}: its stub has to have that name.")


def run_with_solutions(path: Path) -> Solved:
    """Runs a notebook's set-up, building and exercise cells, every exercise solved.

    The environment of `prepare_kernels` has to be set. The learner's own progress is left alone.

    Args:
        path: the notebook; the file is not changed.

    Raises:
        NotebookFailed: when a cell raises.
    """
    stored = nbformat.read(path, as_version=4)
    notebook = with_solutions(stored)
    notebook.cells.append(nbformat.v4.new_code_cell(_REPORT))
    kept = os.environ.get("COURSE_PROGRESS")
    with tempfile.TemporaryDirectory(prefix="course-", ignore_cleanup_errors=True) as scratch:
        os.environ["COURSE_PROGRESS"] = str(Path(scratch) / "progress.jsonl")
        try:
            copy_path = Path(scratch) / path.name
            nbformat.write(notebook, copy_path)
            ran = run_notebook(copy_path, folder=path.parent)
        finally:
            if kept is None:
                del os.environ["COURSE_PROGRESS"]
            else:
                os.environ["COURSE_PROGRESS"] = kept
    *code, report = [cell for cell in ran.cells if cell.cell_type == "code"]
    printed = {exercise_of(cell): _text(cell) for cell in code if exercise_of(cell)}
    before = {cell.id: _text(cell) for cell in stored.cells if cell.cell_type == "code"}
    others = [cell for cell in code if not exercise_of(cell)]
    changed = [cell.id for cell in others if _text(cell) != before[cell.id]]
    return Solved(printed, changed, float(_text(report)))


def _text(cell: nbformat.NotebookNode) -> str:
    """Returns what a code cell printed, without figures and widgets."""
    return "".join(output.get("text", "") for output in cell.outputs)


def main(names: list[str]) -> int:
    """Runs the named notebooks with solutions, all without a name, and tells what was not right."""
    good = True
    with tempfile.TemporaryDirectory(prefix="course-", ignore_cleanup_errors=True) as scratch:
        prepare_kernels(Path(scratch))
        for path in filter(has_exercises, find_notebooks(names)):
            ran = run_with_solutions(path)
            print(f"{path.stem}: {len(ran.printed)} exercises, {ran.seconds:.0f} s of processor")
            for name in ran.failed():
                print(ran.printed[name])
            for cell in ran.changed:
                print(f"cell {cell} prints something else than what is stored")
            good = good and not ran.failed() and not ran.changed and ran.seconds < MOST_SECONDS
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
