"""What a live curve leaves in a stored notebook: one figure, which strict nbval compares well."""

import os
import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from course_lib.devtools import execute
from course_lib.devtools.environment import ROOT, SANITIZE
from course_lib.devtools.hygiene import notebook_problems

CELL = """\
from course_lib.teach.live_curve import LiveCurve

with LiveCurve(["loss", "itc"]) as curve:
    for step in range(1, 41):
        curve.on_step(step, {"loss": 1 / step, "itc": 2 / step})
print("steps:", step)"""


class WatchedClient(NotebookClient):
    """Says to the kernel, as JupyterLab does, that its user can be asked; notes the updates."""

    updates = 0

    async def async_start_new_kernel_client(self):
        client = await super().async_start_new_kernel_client()
        client.allow_stdin = True
        return client

    def process_message(self, msg, cell, cell_index):
        self.updates += msg["msg_type"] == "update_display_data"
        return super().process_message(msg, cell, cell_index)


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "environ", os.environ.copy())
    execute.prepare_kernels(tmp_path)
    # The kernel's folder is not this project's.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ["PYTHONPATH"]]))
    cells = [new_code_cell(CELL, metadata={"alt": "A curve that falls."}), new_code_cell("2")]
    path = tmp_path / "one.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    return path


def strict_nbval(path):
    """Returns the exit status and the output of a strict run in a process of its own."""
    options = ["--nbval", "--nbval-current-env", f"--nbval-sanitize-with={SANITIZE}"]
    call = [sys.executable, "-m", "pytest", "-q", *options, "-p", "no:cacheprovider", str(path)]
    found = subprocess.run(call, cwd=ROOT, capture_output=True, text=True)
    return found.returncode, found.stdout


def one_figure(notebook):
    """Returns the outputs of the first cell, after a check that they are a figure and a line."""
    figures = [o for o in notebook.cells[0].outputs if o.output_type != "stream"]
    assert [(o.output_type, set(o.data)) for o in figures] == [
        ("display_data", {"image/png", "text/plain"})
    ]
    assert figures[0].data["text/plain"] == "<Figure size 522x234 with 2 Axes>"
    lines = [o.text for o in notebook.cells[0].outputs if o.output_type == "stream"]
    assert lines == ["steps: 40\n"]
    return figures[0]


def test_the_stored_notebook_holds_one_figure_and_passes_strict_nbval(path):
    notebook = execute.run_notebook(path)
    assert one_figure(notebook).metadata["image/png"]["alt"] == "A curve that falls."
    assert execute.write_notebook(notebook, path)
    assert notebook_problems(path) == []
    status, output = strict_nbval(path)
    assert status == 0 and "2 passed" in output, output
    assert not execute.write_notebook(execute.run_notebook(path), path), "other bytes"


def test_what_jupyterlab_stores_after_live_updates_passes_too(path, monkeypatch):
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    notebook = nbformat.read(path, as_version=4)
    client = WatchedClient(notebook, kernel_name="python3", record_timing=False)
    client.execute()
    assert client.updates >= 1  # a slow machine draws the first step and the last
    one_figure(notebook)
    execute.write_notebook(execute.clean(notebook), path)
    status, output = strict_nbval(path)
    assert status == 0 and "2 passed" in output, output


def test_nbval_would_see_a_second_figure(path):
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source += "\ncurve.finished = False\ncurve.finish()"
    nbformat.write(notebook, path)
    notebook = execute.run_notebook(path)
    notebook.cells[0].outputs.pop()
    execute.write_notebook(notebook, path)
    status, output = strict_nbval(path)
    assert status == 1 and "Cell 0" in output
