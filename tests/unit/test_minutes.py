"""The minutes in a notebook's header are what counting and measuring gave."""

import json

import nbformat
import pytest

from course_lib.devtools import minutes
from course_lib.devtools.environment import find_notebooks, number_of
from course_lib.teach.task import find_exercise


def notebook(*cells):
    kinds = {"m": nbformat.v4.new_markdown_cell, "c": nbformat.v4.new_code_cell}
    return nbformat.v4.new_notebook(cells=[kinds[kind](source) for kind, source in cells])


def test_hints_addresses_and_alt_texts_are_not_read():
    folded = "one two <details><summary>Hint</summary>\n\nnot read\n\n</details> three"
    linked = "![a picture of](images/x.svg) [four](https://example.org/a-b) <br/>five"
    assert minutes.words_in(notebook(("m", folded), ("m", linked), ("c", "x = 1"))) == 5


def test_imports_stubs_and_empty_lines_are_not_counted():
    cells = notebook(("c", "import torch\n\nx = 1\n# why\n"), ("c", "def f():\n    return ..."))
    cells.cells[1].metadata["tags"] = ["exercise:03.itg_mask"]
    assert minutes.code_lines_in(cells) == 2


@pytest.mark.parametrize("path", find_notebooks(), ids=lambda path: path.stem)
def test_the_header_says_what_was_counted_and_measured(path):
    text = "\n".join(c.source for c in nbformat.read(path, 4).cells if c.cell_type == "markdown")
    assert minutes.LINE.search(text).group() == minutes.time_line(path), (
        f"run python -m course_lib.devtools.minutes {number_of(path)}"
    )


@pytest.mark.parametrize("path", find_notebooks(), ids=lambda path: path.stem)
def test_the_readme_says_how_long_a_notebook_runs(path):
    lines = minutes.README.read_text(encoding="utf-8").splitlines()
    row = next(line for line in lines if line.startswith("|") and path.name in line)
    assert row.split("|")[-2].strip() == str(minutes.computing(path))


def test_a_chapter_of_two_files_counts_each_ones_exercises(tmp_path, monkeypatch):
    monkeypatch.setattr(minutes, "RESULTS", tmp_path / "minutes.jsonl")
    rows = [{"notebook": f"03{letter}_x", "core_seconds": 61} for letter in "ab"]
    minutes.RESULTS.write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines = {}
    for letter, name in (("a", "03.itg_mask"), ("b", None)):
        cells = notebook(("m", "words"), ("c", "def f():\n    return ..."))
        cells.cells[1].metadata["tags"] = [f"exercise:{name}"] if name else []
        nbformat.write(cells, tmp_path / f"03{letter}_x.ipynb")
        lines[letter] = minutes.time_line(tmp_path / f"03{letter}_x.ipynb")
    wanted = minutes.tens(find_exercise("03.itg_mask").minutes)
    assert f"{wanted} for the exercise, 2 of" in lines["a"] and "exercise" not in lines["b"]


def test_a_notebook_that_was_never_measured_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(minutes, "RESULTS", tmp_path / "minutes.jsonl")
    row = {"notebook": "03_x", "core_seconds": 61}
    minutes.RESULTS.write_text(json.dumps(row) + "\n")
    assert minutes.computing(tmp_path / "03_x.ipynb") == 2
    with pytest.raises(ValueError, match="--measure 05"):
        minutes.computing(tmp_path / "05_x.ipynb")
