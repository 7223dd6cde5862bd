"""The programs behind the Makefile: counting, changed notebooks, execution, the course's table."""

import os
import subprocess

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_lib.devtools import checks, environment, execute, setup_env, whole_course

REPORT = '<testsuites><testsuite tests="{}" failures="{}" errors="{}" skipped="{}"/></testsuites>'


@pytest.mark.parametrize(
    ("numbers", "exit_code", "line"),
    [
        ((5, 0, 0, 0), 0, "5 passed, 0 failed"),
        ((5, 1, 1, 1), 1, "2 passed, 2 failed, 1 skipped"),
        ((0, 0, 0, 0), 5, "0 passed, 0 failed"),
        ((5, 0, 0, 0), 3, "5 passed, 1 failed"),
    ],
)
def test_counts_come_from_the_report(tmp_path, numbers, exit_code, line):
    report = tmp_path / "report.xml"
    report.write_text(REPORT.format(*numbers))
    assert checks.read_report(report, exit_code).line() == line


def test_a_run_that_left_no_report_failed(tmp_path):
    assert checks.read_report(tmp_path / "none.xml", 4).failed == 1


def test_targets_close_with_one_line(monkeypatch, capsys):
    monkeypatch.setitem(checks.TARGETS, "test", lambda scratch: checks.Counts(3, 0))
    assert checks.main(["test"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "test: 3 passed, 0 failed"
    monkeypatch.setitem(checks.TARGETS, "test", lambda scratch: checks.Counts(2, 1))
    assert checks.main(["test"]) == 1
    assert checks.main(["tests"]) == 2


def test_an_interrupted_target_says_how_to_go_on(monkeypatch, capsys):
    def interrupted(scratch):
        raise KeyboardInterrupt

    monkeypatch.setitem(checks.TARGETS, "bars", interrupted)
    assert checks.main(["bars"]) == 130
    assert "`make bars` starts again" in capsys.readouterr().out


def test_workers(monkeypatch):
    monkeypatch.setenv("WORKERS", "3")
    assert environment.cores() == 3
    monkeypatch.setenv("WORKERS", "many")
    with pytest.raises(ValueError, match="WORKERS must be a number"):
        environment.cores()


def test_changed_notebooks(tmp_path):
    folder = tmp_path / "a folder" / "notebooks"
    (folder / "clinics").mkdir(parents=True)
    for name in ("00_a.ipynb", "01_b.ipynb", "clinics/x.ipynb"):
        (folder / name).write_text("{}")
    root = folder.parent
    assert [p.name for p in checks.changed_notebooks(root)] == ["00_a.ipynb", "01_b.ipynb"]

    def git(*words):
        who = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
        call = ["git", "-C", str(root), *who, *words]
        subprocess.run(call, check=True, capture_output=True)

    git("init", "-b", "main")
    git("add", ".")
    git("commit", "-m", "first")
    assert checks.changed_notebooks(root) == []
    (folder / "01_b.ipynb").write_text('{"changed": 1}')
    (folder / "02_c.ipynb").write_text("{}")
    assert [p.name for p in checks.changed_notebooks(root)] == ["01_b.ipynb", "02_c.ipynb"]
    git("checkout", "-b", "work")
    git("commit", "-am", "second")
    assert [p.name for p in checks.changed_notebooks(root)] == ["01_b.ipynb", "02_c.ipynb"]


def test_notebooks_are_found_by_their_number(tmp_path):
    for name in ("00_a.ipynb", "03_b.ipynb", "04_c.ipynb"):
        (tmp_path / name).touch()
    found = environment.find_notebooks(["03", "04"], tmp_path)
    assert [path.name for path in found] == ["03_b.ipynb", "04_c.ipynb"]
    with pytest.raises(ValueError, match="No notebook begins with '05'; there are: 00_a, 03_b"):
        environment.find_notebooks(["05"], tmp_path)


@pytest.fixture
def kernels(tmp_path, monkeypatch):
    """Lets a test set the kernels' environment, and puts back what it was."""
    with monkeypatch.context() as patch:
        before = dict(os.environ)
        execute.prepare_kernels(tmp_path)
        yield
        os.environ.clear()
        os.environ.update(before)
        patch.undo()


FIGURE = """
import matplotlib.pyplot as plt
import ipywidgets
fig, ax = plt.subplots(figsize=(2, 1), dpi=50)
_ = ax.plot([0, 1])
plt.show()
ipywidgets.IntSlider(description="epochs")
""".strip()


@pytest.mark.usefixtures("kernels")
def test_execution_twice_gives_the_same_bytes_and_a_clean_file(tmp_path):
    path = tmp_path / "probe.ipynb"
    cells = [
        new_markdown_cell("# A probe"),
        new_code_cell("print('accuracy >= 0.90: True')"),
        new_code_cell(FIGURE, metadata={"alt": "a line that rises"}),
    ]
    nbformat.write(new_notebook(cells=cells), path)
    assert execute.execute_one(path, check_only=False)
    first = path.read_bytes()
    assert execute.execute_one(path, check_only=False)
    assert path.read_bytes() == first
    notebook = nbformat.read(path, as_version=4)
    assert whole_course.learned_lines(notebook) == [("✓", "accuracy >= 0.90")]
    pictures = [o for o in notebook.cells[2].outputs if "image/png" in o.data]
    assert pictures[0].metadata["image/png"]["alt"] == "a line that rises"


@pytest.mark.usefixtures("kernels")
def test_a_cell_that_raises_leaves_the_file_alone(tmp_path, capsys):
    path = tmp_path / "probe.ipynb"
    cells = [new_code_cell("x = 1"), new_code_cell("raise ValueError('no such thing')")]
    nbformat.write(new_notebook(cells=cells), path)
    before = path.read_bytes()
    assert not execute.execute_one(path, check_only=False)
    assert "code cell 2 of 2 raised ValueError: no such thing" in capsys.readouterr().err
    assert path.read_bytes() == before


def printed(text, **metadata):
    return new_code_cell("", outputs=[new_output("stream", text=text)], metadata=metadata)


def test_the_table_tells_bands_and_marks():
    text = "held-out VQA >= 0.60: True\nloss: 0.31\n  R@1 >= 0.90: False\n✓ 03.itg_mask\n○ later\n"
    lines = [("✓", "held-out VQA >= 0.60"), ("✗", "R@1 >= 0.90"), ("✓", "03.itg_mask")]
    lines.append(("○", "later"))
    assert whole_course.learned_lines(new_notebook(cells=[printed(text)])) == lines
    tagged = printed("R@1 >= 0.90: True\n", tags=["learned"])
    chosen = whole_course.learned_lines(new_notebook(cells=[printed(text), tagged]))
    assert chosen == [("✓", "R@1 >= 0.90")]


def test_setup_refuses_an_old_python_with_advice(monkeypatch):
    monkeypatch.setattr(setup_env, "_version_of", lambda name: None)
    sentence = setup_env.version_problem((3, 9, 1), "python3")
    assert "needs Python 3.11 or newer; python3 is Python 3.9" in sentence
    assert "make lab PYTHON=" in sentence
    assert setup_env.version_problem((3, 11, 0), "python3") is None


def test_setup_is_done_again_when_lists_or_folder_change(tmp_path):
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_text("a")
    root = str(tmp_path)
    assert not setup_env.is_ready(root)
    python = setup_env.venv_python(root)
    os.makedirs(os.path.dirname(python))
    (tmp_path / ".venv" / ".ready").write_text(setup_env.stamp_text(root))
    assert not setup_env.is_ready(root), "half-made: no interpreter yet"
    open(python, "w").close()
    assert setup_env.is_ready(root)
    (tmp_path / "constraints.txt").write_text("b")
    assert not setup_env.is_ready(root)
