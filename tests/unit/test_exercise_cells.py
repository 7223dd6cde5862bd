"""Exercises in notebooks: the committed ones are whole, faults are named, solutions go in."""

import copy

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_lib.devtools import exercise_cells, solutions
from course_lib.devtools.environment import chapter_of, find_notebooks, number_of
from course_lib.devtools.exercise_cells import exercise_of, exercise_problems, renewed, words
from course_lib.devtools.solutions import solved_source, with_solutions
from course_lib.teach.task import exercise_ids, find_exercise

OPEN = "○ {} not attempted: going on with the reference\n"
STUB = '''def itg_mask(num_queries: int, num_text: int) -> torch.Tensor:
    """Returns the mask."""
    return ...


itg_mask = exercise(itg_mask, "03.itg_mask")'''


@pytest.mark.parametrize("path", find_notebooks(), ids=lambda path: path.stem)
def test_committed_exercises_are_whole(path):
    notebook = nbformat.read(path, as_version=4)
    assert exercise_problems(notebook, number_of(path)) == []


def test_notebook_03_holds_its_exercises():
    (path,) = find_notebooks(["03"])
    cells = nbformat.read(path, as_version=4).cells
    held = [exercise_of(cell) for cell in cells if exercise_of(cell)]
    assert sorted(set(held)) == [name for name in exercise_ids() if name.startswith("03.")]
    assert len(held) == 16


def pair(name="03.itg_mask", stub=STUB, printed=None):
    mark = {"tags": [f"exercise:{name}"]}
    text = OPEN.format(name) if printed is None else printed
    outputs = [new_output("stream", name="stdout", text=text)]
    return [
        new_markdown_cell(words("03.itg_mask", find_exercise("03.itg_mask")), metadata=mark),
        new_code_cell(stub, metadata=copy.deepcopy(mark), outputs=outputs),
    ]


@pytest.fixture
def alone(monkeypatch):
    """Makes 03.itg_mask the only exercise there is, and enough for a notebook."""
    monkeypatch.setattr(exercise_cells, "exercise_ids", lambda: ["03.itg_mask"])
    monkeypatch.setattr(exercise_cells, "quiz_objectives", lambda: {"quiz 03.1": "03.2"})
    monkeypatch.setattr(exercise_cells, "FEWEST", 1)


def problems_of(*cells):
    return exercise_problems(new_notebook(cells=list(cells)), "03")


def test_a_whole_exercise_has_no_problem(alone):
    table = new_markdown_cell("| id | you can |\n|---|---|\n| 03.4 | draw |\n| 03.2 | say |")
    assert problems_of(table, *pair()) == []
    assert problems_of(table) == []  # a notebook without exercises is not asked for any


def test_each_fault_is_named(alone):
    text, stub = pair()
    assert "right above its stub" in problems_of(stub, text)[0]
    assert "right above its stub" in problems_of(text, new_markdown_cell("x"), stub)[0]
    assert "right above its stub" in problems_of(stub)[0]
    assert "no cell holds this exercise" in problems_of(text)[0]
    assert "it is here twice" in problems_of(text, stub, *pair())[0]
    old = pair()
    old[0].source += "!"
    assert problems_of(*old) == ["03.itg_mask: its words are not those of its file: make them anew"]
    table = new_markdown_cell("| 03.4 | draw |\n| 03.1 | compute |\n| 04.1 | elsewhere |")
    assert problems_of(table, text, stub) == ["03.1: no check is about it"]


def test_two_files_of_a_chapter_share_its_exercises_by_objective(alone):
    objective = find_exercise("03.itg_mask").objective
    mine = new_markdown_cell(f"| {objective} | draw |\n| 03.2 | say |\n| 04.1 | elsewhere |")
    other = new_markdown_cell("| 03.2 | say |\n| 03.9 | see |")
    text, stub = pair()

    def problems(number, *cells):
        return exercise_problems(new_notebook(cells=list(cells)), number)

    assert problems("03a", mine, text, stub) == []
    assert problems("03a", mine, text)[0] == "03.itg_mask: no cell holds this exercise"
    found = problems("03b", other, text, stub)
    assert found == ["03.itg_mask: notebook 03b has no such exercise"] * 2 + [
        "03.9: no check is about it"
    ]


def test_every_exercise_of_a_chapter_that_is_there_is_in_one_of_its_notebooks():
    held, there = [], {}
    for path in find_notebooks():
        cells = nbformat.read(path, as_version=4).cells
        held += [exercise_of(c) for c in cells if c.cell_type == "code" and exercise_of(c)]
        there.setdefault(chapter_of(number_of(path)), []).append(number_of(path))
    whole = {chapter for chapter, numbers in there.items() if numbers != [f"{chapter}a"]}
    wanted = [name for name in exercise_ids() if name.split(".")[0] in whole]
    assert sorted(name for name in held if name.split(".")[0] in whole) == sorted(wanted)


STUB_FAULTS = {
    "another id": (STUB.replace("03.itg_mask", "03.itg"), "the last line should be"),
    "result thrown away": (STUB.replace("itg_mask = ", ""), "the last line should be"),
    "another name": (STUB.replace("def itg_mask", "def mask"), "should stand `itg_mask`"),
    "more than a stub": (f"x = 1\n{STUB}", "should stand `itg_mask` and nothing else"),
    "other parameters": (STUB.replace("num_text:", "words:"), "differ in their parameters"),
    "no types": (STUB.replace(" -> torch.Tensor", ""), "differ in their parameters"),
    "solved": (STUB.replace("...", "torch.ones(1)"), "should return `...`"),
    "more in the body": (STUB.replace("    return", "    x = 1\n    return"), "return `...`"),
}


@pytest.mark.parametrize("name", STUB_FAULTS)
def test_each_fault_of_a_stub_is_named(alone, name):
    stub, sentence = STUB_FAULTS[name]
    problems = problems_of(*pair(stub=stub))
    assert len(problems) == 1 and sentence in problems[0]


def test_the_stored_output_is_that_of_a_stub(alone):
    (problem,) = problems_of(*pair(printed="✓ 03.itg_mask: right\n"))
    assert "execute the notebook" in problem


def test_strangers_and_numbers_are_named(monkeypatch, alone):
    problems = problems_of(*pair(), *pair("03.itg_masks"))
    assert problems == ["03.itg_masks: notebook 03 has no such exercise"] * 2
    monkeypatch.setattr(exercise_cells, "FEWEST", 5)
    assert problems_of(*pair()) == ["it has 1 exercises, 5 to 8 are wanted"]
    elsewhere = exercise_problems(new_notebook(cells=pair()), "99")
    assert elsewhere == ["03.itg_mask: notebook 99 has no such exercise"] * 2


def test_words_are_written_anew():
    notebook = new_notebook(cells=[*pair(), new_markdown_cell("other")])
    assert renewed(notebook) == 0
    notebook.cells[0].source = "old"
    assert renewed(notebook) == 1
    text = notebook.cells[0].source
    assert text == words("03.itg_mask", find_exercise("03.itg_mask"))
    assert text.count("<details>") == text.count("</details>") == 4
    notebook.cells[0].metadata["tags"] = ["exercise:03.itg_masks"]
    with pytest.raises(ValueError, match=r"did you mean '03.itg_mask'"):
        renewed(notebook)


def test_the_solution_takes_the_place_of_the_stub():
    solved = solved_source(STUB, "03.itg_mask")
    assert "..." not in solved and ".tril()" in solved
    assert solved.endswith('\n\n\nitg_mask = exercise(itg_mask, "03.itg_mask")')
    marked = solved_source(f"first = 1\n\n\n@torch.no_grad()\n{STUB}", "03.itg_mask")
    assert marked == f"first = 1\n\n\n{solved}"
    with pytest.raises(ValueError, match="defines no itg_mask"):
        solved_source(STUB.replace("def itg_mask", "def mask"), "03.itg_mask")


def test_what_trains_is_left_out():
    tags = ["train", "learned", "bands", "needs-training", "settings"]
    cells = [new_code_cell(tag, metadata={"tags": [tag]}) for tag in tags]
    notebook = new_notebook(cells=[new_code_cell("set up"), *cells, *pair()])
    before = copy.deepcopy(notebook)
    solved = with_solutions(notebook)
    assert notebook == before
    kept = [cell.source for cell in solved.cells if cell.cell_type == "code"]
    assert kept[:2] == ["set up", "settings"] and "tril" in kept[2] and len(kept) == 3
    assert not any(cell.outputs for cell in solved.cells if cell.cell_type == "code")


def run(tmp_path, monkeypatch, cells, ran):
    """Runs a notebook whose kernel is replaced: cell `i` prints `ran[i]`."""

    def fake(path, folder=None):
        notebook = nbformat.read(path, as_version=4)
        assert path.parent != tmp_path and folder == tmp_path
        assert "progress.jsonl" in solutions.os.environ[KEY]
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        for cell, text in zip(code, ran, strict=True):
            cell.outputs = [new_output("stream", name="stdout", text=text)]
        return notebook

    monkeypatch.setattr(solutions, "run_notebook", fake)
    nbformat.write(new_notebook(cells=cells), tmp_path / "03_x.ipynb")
    return solutions.run_with_solutions(tmp_path / "03_x.ipynb")


KEY = "COURSE_PROGRESS"


def test_a_run_tells_what_failed_and_what_changed(tmp_path, monkeypatch):
    monkeypatch.delenv(KEY, raising=False)
    behind = new_code_cell("print(1)", outputs=[new_output("stream", text="1\n")])
    cells = [*pair(), behind]
    good = run(tmp_path, monkeypatch, cells, ["✓ 03.itg_mask: right\n", "1\n", "12.5\n"])
    assert (good.failed(), good.changed, good.seconds) == ([], [], 12.5)
    bad = run(tmp_path, monkeypatch, cells, ["✗ 03.itg_mask, values\n", "2\n", "12.5\n"])
    assert (bad.failed(), bad.changed) == (["03.itg_mask"], [behind.id])
    assert KEY not in solutions.os.environ
    assert solutions.has_exercises(tmp_path / "03_x.ipynb")
