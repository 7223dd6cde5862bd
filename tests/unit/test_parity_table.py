"""Every row of PARITY.md has its cell, its symbol and its proof, and the file is what they give."""

from dataclasses import replace
from functools import partial

import nbformat
import pytest

from course_lib.devtools import parity_table
from course_lib.devtools.correspondence import rows_now
from course_lib.devtools.environment import find_notebooks

ROWS = rows_now()
MEASURED = parity_table.read_results()
REPORT = """<testsuites><testsuite>
<testcase classname="tests.parity.test_a" name="test_x[opt-1]"><properties>
<property name="float32" value="1e-7"/><property name="float64" value="3e-16"/>
</properties></testcase>
<testcase classname="tests.parity.test_a" name="test_x[t5-1]"><properties>
<property name="float32" value="4e-7"/><property name="other" value="words"/>
</properties></testcase>
</testsuite></testsuites>"""


def test_the_table_is_what_rows_and_results_give():
    assert parity_table.TABLE.read_text() == parity_table.render(MEASURED), parity_table.COMMAND


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_no_difference_is_above_1e_5(row):
    assert not row.test or max(MEASURED[row.test].values()) < 1e-5


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"test": ""}, "notes no difference"),
        ({"test": "test_parity_qformer.py::test_gone"}, "notes no difference"),
        ({"line": "03: nobody prints this"}, "no cell of notebook 03"),
        ({"symbol": "course_lib.vpg.masks.gone"}, "does not exist"),
    ],
)
def test_a_row_without_its_proof_is_named(change, word):
    row = next(row for row in ROWS if row.what == "the three masks")
    assert not parity_table.problems_of(row, MEASURED)
    assert word in "".join(parity_table.problems_of(replace(row, **change), MEASURED))


def test_a_row_of_a_chapter_of_two_files_names_the_one_that_prints_it(tmp_path, monkeypatch):
    for name, line in (("09a_x", "equal to peft: True"), ("09b_y", "in order: True")):
        output = nbformat.v4.new_output("stream", name="stdout", text=f"first\n{line}\n")
        cell = nbformat.v4.new_code_cell("check()", outputs=[output])
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / f"{name}.ipynb")
    find = partial(find_notebooks, folder=tmp_path)
    monkeypatch.setattr(parity_table, "find_notebooks", find)
    row = next(row for row in ROWS if not row.test)
    for line, name in (("09: equal to peft", "09a_x"), ("09: in order", "09b_y")):
        said = parity_table.written(replace(row, line=line), {})
        assert f"[{name[:3]}](notebooks/{name}.ipynb)" in said
    assert parity_table.notebook_of(replace(row, line="09a: in order")) is None


def test_a_report_gives_the_largest_difference_of_a_test_and_of_each_kind(tmp_path):
    (tmp_path / "report.xml").write_text(REPORT)
    found = parity_table.read_report(tmp_path / "report.xml")
    assert found["test_a.py::test_x"] == {"float32": 4e-7, "float64": 3e-16}
    assert found["test_a.py::test_x[opt]"]["float32"] == 1e-7
