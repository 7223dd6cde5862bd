"""Writes exercises into notebooks: `python -m course_lib.devtools.exercise_cells 03`.

An exercise is two cells: words (contract, three hints, solution, collapsed) and a stub. Both come
from the exercise's file, so the notebook cannot drift from it; a cell that is to hold exercise
03.itg_mask says so by the tag `exercise:03.itg_mask`. The words are written anew; of the code cell
only the last line, the call, is checked, since its stub is the notebook's own.
"""

import inspect
import sys
import textwrap
from pathlib import Path

import nbformat

from course_lib.devtools.environment import find_notebooks
from course_lib.teach.task import Exercise, find_exercise

TAG = "exercise:"
STARS = {1: "★☆☆", 2: "★★☆", 3: "★★★"}


def exercise_of(cell: nbformat.NotebookNode) -> str | None:
    """Returns the id of the exercise that a cell belongs to."""
    tags = [tag for tag in cell.metadata.get("tags", []) if tag.startswith(TAG)]
    return tags[0].removeprefix(TAG) if tags else None


def solution_source(exercise: Exercise) -> str:
    """Returns the solution's code; of a value that of the function that makes it."""
    return textwrap.dedent(inspect.getsource(exercise.solution)).rstrip()


def words(name: str, exercise: Exercise) -> str:
    """Returns the Markdown of an exercise: title, contract, collapsed hints and solution."""
    head = f"### Exercise {name}: {exercise.title}"
    facts = (
        f"{STARS[exercise.difficulty]} · about {exercise.minutes} minutes · objective "
        f"{exercise.objective}"
    )
    contract = "\n".join(f"- {line}" for line in exercise.contract)
    titles = ("Hint 1: the idea", "Hint 2: the steps", "Hint 3: almost the code")
    pairs = [*zip(titles, exercise.hints, strict=True)]
    pairs.append(("Solution", f"```python\n{solution_source(exercise)}\n```"))
    folded = "\n\n".join(
        f"<details><summary>{title}</summary>\n\n{text}\n\n</details>" for title, text in pairs
    )
    return f"{head}\n\n{facts}\n\n{contract}\n\n{folded}"


def renewed(notebook: nbformat.NotebookNode) -> int:
    """Writes the words of every exercise cell anew, in place; returns how many changed.

    Raises:
        ValueError: for a tag that names no exercise.
    """
    changed = 0
    for cell in notebook.cells:
        name = exercise_of(cell)
        if name is None or cell.cell_type != "markdown":
            continue
        source = words(name, find_exercise(name))
        changed += cell.source != source
        cell.source = source
    return changed


def main(names: list[str]) -> int:
    """Renews the exercise cells of the named notebooks, of all without a name."""
    for path in find_notebooks(names):
        notebook = nbformat.read(path, as_version=4)
        changed = renewed(notebook)
        if changed:
            nbformat.write(notebook, path)
        print(f"{Path(path).stem}: {changed} cells written anew")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
