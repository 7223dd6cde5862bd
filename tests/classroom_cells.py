"""Code cells of submissions made from the committed notebooks, for the tests of the classroom."""

import ast
import inspect
from functools import cache
from pathlib import Path

import nbformat

from course_lib.classroom.answers import Cell
from course_lib.classroom.slicing import leaned_on, read, source_of, statements
from course_lib.devtools.environment import find_notebooks
from course_lib.devtools.exercise_cells import exercise_of
from course_lib.devtools.solutions import has_exercises, solved_source
from course_lib.teach.task import find_exercise

WITH_EXERCISES = [path for path in find_notebooks() if has_exercises(path)]


@cache
def stub_cells(path: Path) -> tuple[Cell, ...]:
    """Returns the code cells of the untouched notebook."""
    cells = (c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code")
    return tuple(Cell(c.source, (name,) if (name := exercise_of(c)) else ()) for c in cells)


@cache
def solved_cells(path: Path) -> tuple[Cell, ...]:
    """Returns them with every exercise solved."""
    return tuple(
        Cell(solved_source(cell.source, cell.names[0]), cell.names) if cell.names else cell
        for cell in stub_cells(path)
    )


def names_in(path: Path) -> list[str]:
    """Returns the ids of a notebook's exercises."""
    return [name for cell in stub_cells(path) for name in cell.names]


def replaced(cells: tuple[Cell, ...], name: str, source: str) -> tuple[Cell, ...]:
    """Returns cells with another text in the cell of one exercise."""
    return tuple(Cell(source, cell.names) if name in cell.names else cell for cell in cells)


def mistaken_sources(name: str) -> list[str]:
    """Returns the text of a cell for each known mistake: what it leans on, and the call."""
    task = find_exercise(name)
    found = statements([inspect.getsource(inspect.getmodule(task.solution))])
    made = next(one for one in found if "EXERCISE" in one.gives)
    words = {word.arg: word.value for word in made.node.value.keywords}
    sources = []
    for mistake in words["mistakes"].elts:
        named = {word.arg: word.value for word in mistake.keywords}
        value = mistake.args[0] if mistake.args else named["answer"]
        before = leaned_on(found, len(found), read(ast.Expr(value)).needs)
        call = f'{task.solution.__name__} = exercise({ast.unparse(value)}, "{name}")'
        sources.append("\n".join([source_of(before), call]))
    assert len(sources) == len(task.mistakes)
    return sources
