"""Writes exercises into notebooks: `python -m course_lib.devtools.exercise_cells 03`.

An exercise is two cells: words (contract, three hints, solution, collapsed) and a stub. Both come
from the exercise's file, so the notebook cannot drift from it; a cell that is to hold exercise
03.itg_mask says so by the tag `exercise:03.itg_mask`. The words are written anew; the code cell is
the notebook's own, and `exercise_problems` names what is wrong with it.
"""

import ast
import inspect
import re
import sys
import textwrap
from pathlib import Path

import nbformat

from course_lib.devtools.environment import chapter_of, find_notebooks
from course_lib.teach.quizzes import quiz_objectives
from course_lib.teach.task import Exercise, exercise_ids, find_exercise

TAG = "exercise:"
FEWEST, MOST = 5, 8
COUNTED = ("01", "02", "03", "04", "05", "06", "07", "08", "09a", "10", "11", "12")
_OBJECTIVE = re.compile(r"^\|\s*(\d\d\.\d+)\s*\|", re.MULTILINE)
STARS = {1: "★☆☆", 2: "★★☆", 3: "★★★"}


def exercise_of(cell: nbformat.NotebookNode, kind: str = TAG) -> str | None:
    """Returns the id of the exercise that a cell belongs to; `kind` begins its tag."""
    tags = [tag for tag in cell.metadata.get("tags", []) if tag.startswith(kind)]
    return tags[0].removeprefix(kind) if tags else None


def stub_of(name: str, exercise: Exercise, kind: str = TAG) -> str:
    """Returns the learner's cell: the solution's signature and docstring, nothing behind them."""
    solution = exercise.solution
    source, says = inspect.getsource(solution), solution.__doc__
    end = source.index(says) + len(says) + len('"""')
    own = solution.__name__
    return f'{source[:end]}\n    return ...\n\n\n{own} = {kind.rstrip(":")}({own}, "{name}")'


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


def exercise_problems(notebook: nbformat.NotebookNode, number: str) -> list[str]:
    """Returns what is wrong with the exercises of a notebook, one sentence a fault.

    Args:
        notebook: a committed one; without any exercise it has no problem.
        number: which one it is, such as "03"; "09b" holds the exercises of chapter 09 whose
            objectives stand in its table.
    """
    names = [exercise_of(cell) for cell in notebook.cells]
    code = [cell.cell_type == "code" for cell in notebook.cells]
    used = [name for name, is_code in zip(names, code, strict=True) if name and is_code]
    if not any(names):
        return []
    own = {name for name in exercise_ids() if name.split(".")[0] == chapter_of(number)}
    if number != chapter_of(number):
        listed = objectives_of(notebook, number)
        own = {name for name in own if find_exercise(name).objective in listed}
    problems = [f"{name}: no cell holds this exercise" for name in sorted(own - set(used))]
    problems += [f"{name}: it is here twice" for name in sorted(set(used)) if used.count(name) > 1]
    for index, (name, is_code) in enumerate(zip(names, code, strict=True)):
        if name is None:
            continue
        beside = index - 1 if is_code else index + 1
        if names[beside : beside + 1] != [name] or code[beside] == is_code:
            problems.append(f"{name}: its words have to stand right above its stub")
        if name not in own:
            problems.append(f"{name}: notebook {number} has no such exercise")
        elif is_code:
            problems += [f"{name}: {fault}" for fault in stub_problems(notebook.cells[index], name)]
        elif notebook.cells[index].source != words(name, find_exercise(name)):
            problems.append(f"{name}: its words are not those of its file: make them anew")
    if number in COUNTED and not FEWEST <= len(used) <= MOST:
        problems.append(f"it has {len(used)} exercises, {FEWEST} to {MOST} are wanted")
    return problems + [f"{name}: no check is about it" for name in unchecked(notebook, number)]


def stub_problems(cell: nbformat.NotebookNode, name: str) -> list[str]:
    """Returns what is wrong with the code cell of an exercise.

    Args:
        cell: holds one function or class that returns `...`, and the call.
        name: id of the exercise.
    """
    solution = find_exercise(name).solution
    wanted, problems = solution.__name__, []
    *stubs, last = ast.parse(cell.source).body
    if ast.unparse(last) != f"{wanted} = exercise({wanted}, '{name}')":
        problems.append(f'the last line should be `{wanted} = exercise({wanted}, "{name}")`')
    if [getattr(stub, "name", None) for stub in stubs] != [wanted]:
        return [*problems, f"above the call should stand `{wanted}` and nothing else"]
    theirs = ast.parse(solution_source(find_exercise(name))).body[0]
    if _signatures(stubs[0]) != _signatures(theirs):
        problems.append("the stub and the solution differ in their parameters or types")
    if not all(_is_open(stub) for stub in _functions(stubs[0])):
        problems.append("the stub should return `...` and do nothing else")
    printed = "".join(output.get("text", "") for output in cell.outputs)
    if printed != f"○ {name} not attempted: going on with the reference\n":
        problems.append(f"its stored output is {printed!r}: execute the notebook")
    return problems


def unchecked(notebook: nbformat.NotebookNode, number: str) -> list[str]:
    """Returns the objectives of a notebook's table that no exercise and no question is about."""
    exercises = filter(None, (exercise_of(cell) for cell in notebook.cells))
    checked = {find_exercise(name).objective for name in exercises if name in exercise_ids()}
    checked |= set(quiz_objectives().values())
    return sorted(objectives_of(notebook, number) - checked)


def objectives_of(notebook: nbformat.NotebookNode, number: str) -> set[str]:
    """Returns the objectives of a notebook's table; rows about other chapters do not count."""
    texts = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    found = _OBJECTIVE.findall(texts)
    return {name for name in found if name.split(".")[0] == chapter_of(number)}


def _functions(node: ast.stmt) -> list[ast.FunctionDef]:
    return [inner for inner in ast.walk(node) if isinstance(inner, ast.FunctionDef)]


def _signatures(node: ast.stmt) -> dict[str, str]:
    """Returns function → its arguments and what it returns; of a class of its public methods."""
    return {
        function.name: f"({ast.unparse(function.args)}) -> {ast.unparse(function.returns)}"
        if function.returns
        else f"({ast.unparse(function.args)})"
        for function in ([node] if isinstance(node, ast.FunctionDef) else node.body)
        if isinstance(function, ast.FunctionDef)
    }


def _is_open(function: ast.FunctionDef) -> bool:
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return [ast.unparse(line) for line in body] == ["return ..."]


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
