"""Committed notebooks are executed, small, clean and described; every rule is shown to fire."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_lib.devtools.environment import NOTEBOOKS, ROOT, SANITIZE
from course_lib.devtools.hygiene import MAX_BYTES, notebook_problems

COMMITTED = sorted(NOTEBOOKS.rglob("*.ipynb")) if NOTEBOOKS.exists() else []
COMMITTED = [path for path in COMMITTED if ".ipynb_checkpoints" not in path.parts]


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_committed_notebook_is_clean(path):
    assert notebook_problems(path) == []


def good_cell(source="print(1)", count=1, **kwargs):
    outputs = kwargs.pop("outputs", [new_output("stream", name="stdout", text="1\n")])
    return new_code_cell(source, execution_count=count, outputs=outputs, **kwargs)


def problems_of(tmp_path, *cells, metadata=None):
    path = tmp_path / "probe.ipynb"
    nbformat.write(new_notebook(cells=list(cells), metadata=metadata or {}), path)
    return notebook_problems(path)


def png(alt=None):
    metadata = {"image/png": {"alt": alt}} if alt else {}
    return new_output("display_data", data={"image/png": "iVBORw0KGgo="}, metadata=metadata)


def stream(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def test_a_clean_notebook_has_no_problem(tmp_path):
    (tmp_path / "map.svg").write_text("<svg/>")
    words = "# Title\n\n![the map](map.svg), `![](code.svg)` is code, [here](map.svg)"
    cells = [new_markdown_cell(words), good_cell(), good_cell(count=2, outputs=[png("a curve")])]
    assert problems_of(tmp_path, *cells) == []


FAULTS = {
    "not executed": (good_cell(count=None), "execution count is None, not 1"),
    "out of order": (good_cell(count=3), "execution count is 3, not 1"),
    "error": (good_cell(outputs=[new_output("error", ename="E", evalue="x")]), "stored an error"),
    "semicolon": (good_cell("a = 1\nplot(a);  # hidden"), "ends with `;`"),
    "empty": (good_cell("# only a comment"), "no code in it"),
    "long": (good_cell("\n".join(["x = 1"] * 46)), "46 lines, 45 is the limit"),
    "run times": (good_cell(metadata={"execution": {"iopub.execute_input": "0"}}), "run times"),
    "path in source": (good_cell("open('/home/someone/x')"), "source holds a path"),
    "path in output": (good_cell(outputs=[stream("/Users/someone/x")]), "output holds a path"),
    "this folder": (good_cell(outputs=[stream(f"in {ROOT}\n")]), "output holds a path"),
    "stderr": (good_cell(outputs=[stream("a warning\n", "stderr")]), "wrote to stderr"),
    "figure without alt": (good_cell(outputs=[png()]), "without alt text"),
    "markdown without alt": (new_markdown_cell("![](x.png)"), "has no alt text"),
    "html without alt": (new_markdown_cell('<img src="x.png" alt="">'), "no alt text"),
    "remote image": (new_markdown_cell("![a](https://example.org/a.png)"), "not in the repository"),
    "dead link": (new_markdown_cell("[next](99_later.ipynb)"), "does not exist"),
    "widget id": (
        good_cell(
            outputs=[
                new_output(
                    "display_data",
                    data={"application/vnd.jupyter.widget-view+json": {"model_id": "1"}},
                )
            ]
        ),
        "random id",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_named(tmp_path, name):
    cell, sentence = FAULTS[name]
    assert any(sentence in problem for problem in problems_of(tmp_path, cell))


def test_faults_of_the_whole_file(tmp_path):
    ignored = {"tags": ["nbval-ignore-output"]}
    cells = [good_cell(count=n, metadata=ignored) for n in (1, 2, 3)]
    assert problems_of(tmp_path, *cells) == []
    more = [*cells, good_cell("# NBVAL_IGNORE_OUTPUT\nprint(1)", count=4)]
    assert "4 cells are not compared" in problems_of(tmp_path, *more)[0]
    state = {"widgets": {"application/vnd.jupyter.widget-state+json": {"state": {}}}}
    assert "'widgets'" in problems_of(tmp_path, good_cell(), metadata=state)[0]
    big = [stream("x" * MAX_BYTES)]
    assert "is the limit" in problems_of(tmp_path, good_cell(outputs=big))[0]
    (tmp_path / "cut.ipynb").write_text('{"cells": [')
    assert "not a valid notebook" in notebook_problems(tmp_path / "cut.ipynb")[0]


def test_sanitize_file_hides_addresses_and_kernel_paths_only():
    text = SANITIZE.read_text(encoding="ascii")
    rules = [line for line in text.splitlines() if line.startswith("regex:")]
    assert rules == [r"regex: 0x[0-9a-fA-F]{6,}", r"regex: \S*ipykernel_\d+\S*\.py"]
