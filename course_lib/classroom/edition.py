"""The instructor's edition of a notebook: solutions in place, nbgrader's cells, notes.

nbgrader makes the student's edition of it: what stands between the two marks becomes the stub that
does not raise, hidden tests and notes go. So both come from the committed notebook and from the
exercises' files, and cannot drift.
"""

import ast
import copy
import re
import textwrap

import nbformat

from course_lib.classroom.notes import exercise_notes, notebook_notes, points_of
from course_lib.devtools.exercise_cells import exercise_of, solution_source
from course_lib.teach.task import find_exercise

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
STUB = "return ..."
FOR_INSTRUCTORS = "instructor"
_SOLUTION = re.compile(r"\n*<details><summary>Solution</summary>.*?</details>", re.DOTALL)
_TIME = "**Time**:"


def instructor_edition(notebook: nbformat.NotebookNode, stem: str) -> nbformat.NotebookNode:
    """Returns a copy with everything that an instructor needs.

    Args:
        notebook: a committed one, with stubs.
        stem: its file name without ending.

    Raises:
        ValueError: for an exercise whose stub and solution do not fit each other.
    """
    made = copy.deepcopy(notebook)
    cells: list[nbformat.NotebookNode] = []
    names = [name for name in map(exercise_of, code_cells(made)) if name]
    for cell in made.cells:
        cells.append(cell)
        name = exercise_of(cell)
        if cell.cell_type == "markdown" and name:
            cell.source = _SOLUTION.sub("", cell.source)
        elif cell.cell_type == "code" and name:
            cell.source = with_markers(cell.source, name)
            cell.outputs, cell.execution_count = [], None
            cell.metadata["nbgrader"] = grader_metadata(name, solution=True)
            cells += [hidden_test(name), _note(exercise_notes(name), f"notes-{key(name)}")]
        elif cell.cell_type == "markdown" and _TIME in cell.source and names:
            cells.append(_note(notebook_notes(names, stem), "notes-of-the-notebook"))
            names = []  # once a notebook
    made.cells = cells
    return made


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """Returns the code cells of a notebook."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def key(name: str) -> str:
    """Returns an exercise's id in the letters that nbgrader allows: "03_itg_mask"."""
    return name.replace(".", "_", 1)


def grader_metadata(name: str, solution: bool) -> dict:
    """Returns nbgrader's metadata of the cell that holds the answer, or of the one that tests it.

    Args:
        name: id of the exercise.
        solution: whether it is the learner's cell.
    """
    about = {"schema_version": 3, "task": False, "solution": solution, "locked": not solution}
    if solution:
        return {**about, "grade": False, "grade_id": f"answer_{key(name)}"}
    return {**about, "grade": True, "grade_id": f"test_{key(name)}", "points": points_of(name)}


def hidden_test(name: str) -> nbformat.NotebookNode:
    """Returns the cell that nbgrader counts; in the student's edition one comment is left of it."""
    source = (
        f"# Points for exercise {name}: {points_of(name)}. Nothing to do here.\n"
        "### BEGIN HIDDEN TESTS\n"
        "from course_lib.classroom.in_kernel import assert_right\n"
        f'assert_right("{name}")\n'
        "### END HIDDEN TESTS"
    )
    cell = nbformat.v4.new_code_cell(source, id=f"test-{key(name).replace('_', '-')}"[:64])
    cell.metadata["nbgrader"] = grader_metadata(name, solution=False)
    return cell


def _note(text: str, identity: str) -> nbformat.NotebookNode:
    cell = nbformat.v4.new_markdown_cell(text, id=identity.replace("_", "-")[:64])
    cell.metadata["tags"] = [FOR_INSTRUCTORS]
    return cell


def with_markers(source: str, name: str) -> str:
    """Puts the solution into the stub, between nbgrader's marks; all other lines stay.

    Args:
        source: of the exercise's code cell, one `return ...` a function.
        name: id of the exercise.

    Raises:
        ValueError: when a function of the solution has no stub, or the other way round.
    """
    solution = solution_source(find_exercise(name))
    stubs, bodies = _functions(source), _functions(solution)
    if stubs.keys() != bodies.keys():
        raise ValueError(f"{name}: the stub has {sorted(stubs)}, the solution {sorted(bodies)}.")
    lines = source.splitlines()
    for function, stub in sorted(stubs.items(), key=lambda item: -item[1].lineno):
        last = stub.body[-1]
        if ast.unparse(last) != STUB:
            raise ValueError(f"{name}: the stub of {function} should end with `{STUB}`.")
        indent = " " * last.col_offset
        body = textwrap.indent(_body(solution, bodies[function]), indent)
        lines[last.lineno - 1 : last.end_lineno] = [indent + BEGIN, body, indent + END]
    return "\n".join(lines)


def _functions(source: str) -> dict[str, ast.FunctionDef]:
    """Returns the functions of a text, and the methods of its classes as `Class.method`."""
    found = {}
    for node in ast.parse(source).body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        front = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        found |= {front + f.name: f for f in inner if isinstance(f, ast.FunctionDef)}
    return found


def _body(source: str, function: ast.FunctionDef) -> str:
    """Returns a function's lines below its docstring, comments among them, without indent."""
    first = function.body[0]
    told = ast.get_docstring(function) is not None
    start = first.end_lineno if told else first.lineno - 1
    return textwrap.dedent("\n".join(source.splitlines()[start : function.end_lineno]))
