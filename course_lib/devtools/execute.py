"""Executes notebooks and stores what they print: `python -m course_lib.devtools.execute 03 04`.

The one way to make the stored outputs. Run twice, it writes the same bytes: no times, no widget
state, no random ids. `pytest --nbval` later compares its own outputs with these, strictly.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from course_lib.devtools.environment import find_with_clinics, number_of, offline_environment
from course_lib.devtools.hygiene import notebook_problems
from course_lib.errors import atomic_path

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
CELL_TIMEOUT = 600
OnCell = Callable[[int, int], None]


class NotebookFailed(Exception):
    """A cell raised, ran out of time or lost its kernel; the message names notebook and cell."""


def run_notebook(
    path: Path, on_cell: OnCell | None = None, folder: Path | None = None
) -> nbformat.NotebookNode:
    """Executes a notebook from top to bottom in a fresh kernel.

    Args:
        path: the notebook; its folder is the kernel's working directory, as in JupyterLab.
        on_cell: called as `on_cell(done, total)` after each code cell.
        folder: another working directory, for a copy that reads the original's files.

    Returns:
        The executed notebook, cleaned; the file itself is left alone.

    Raises:
        NotebookFailed: when a cell raises (unless its tag allows that), hangs, or the kernel dies.
    """
    notebook = nbformat.read(path, as_version=4)
    total = sum(cell.cell_type == "code" for cell in notebook.cells)
    done: list[int] = []
    interrupted: list[bool] = []

    def count(cell, cell_index, **_):
        done.append(cell_index)
        if on_cell is not None:
            on_cell(len(done), total)

    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=CELL_TIMEOUT,
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder or path.parent)}},
        extra_arguments=["--IPKernelApp.log_level=CRITICAL"],
        on_cell_start=lambda **_: _watch_for_ctrl_c(interrupted),
        on_cell_executed=count,
    )
    try:
        client.execute()
    except CellExecutionError as error:
        where = f"{path.name}, code cell {len(done)} of {total}"
        raise NotebookFailed(f"{where} raised {error.ename}: {error.evalue}\n{error}") from None
    except (CellTimeoutError, DeadKernelError, asyncio.CancelledError) as error:
        if interrupted:
            raise KeyboardInterrupt from None
        where = f"{path.name}, code cell {len(done) + 1} of {total}"
        raise NotebookFailed(f"{where} did not end: {error}") from None
    return clean(notebook)


def _watch_for_ctrl_c(interrupted: list[bool]) -> None:
    """Notes a Ctrl-C and cancels the run, which shuts its kernel down in order.

    nbclient would take the signal for itself and report a dead kernel.
    """
    task = asyncio.current_task()

    def stop() -> None:
        interrupted.append(True)
        task.cancel()

    with contextlib.suppress(NotImplementedError, RuntimeError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop)


def clean(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Takes out, in place, what differs from run to run, and gives figures their alt text.

    A code cell's metadata may hold `alt`: a string for its pictures, or one string a picture.
    """
    notebook.metadata.pop("widgets", None)
    notebook.metadata.pop("language_info", None)
    notebook.metadata["kernelspec"] = {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    }
    for index, cell in enumerate(notebook.cells):
        if not cell.get("id") or notebook.nbformat_minor < 5:
            cell["id"] = f"cell-{index:02d}"
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            _clean_outputs(cell)
    notebook.nbformat_minor = 5
    return notebook


def _clean_outputs(cell: nbformat.NotebookNode) -> None:
    alts = cell.metadata.get("alt", [])
    alts = [alts] if isinstance(alts, str) else list(alts)
    for output in cell.outputs:
        output.get("data", {}).pop(WIDGET_VIEW, None)
        output.get("metadata", {}).pop(WIDGET_VIEW, None)
        if "image/png" in output.get("data", {}) and alts:
            output.metadata.setdefault("image/png", {}).setdefault("alt", alts[0])
            alts = alts[1:] or alts


def write_notebook(notebook: nbformat.NotebookNode, path: Path) -> bool:
    """Writes a notebook whole or not at all; returns whether the file's bytes changed."""
    text = nbformat.writes(notebook, version=nbformat.NO_CONVERT).rstrip("\n") + "\n"
    new = text.encode("utf-8")
    if path.exists() and path.read_bytes() == new:
        return False
    with atomic_path(path) as temporary:
        temporary.write_bytes(new)
    return True


def prepare_kernels(scratch: Path) -> None:
    """Sets, for kernels started from here on, the environment that stored outputs are made in."""
    os.environ.update(offline_environment(scratch))
    # ipykernel treats output of C code otherwise when it sees pytest: references must match that.
    os.environ["PYTEST_CURRENT_TEST"] = "ref"


def execute_one(path: Path, check_only: bool) -> bool:
    """Executes one notebook and stores it; returns whether it ran and its file is clean.

    Args:
        path: the notebook.
        check_only: write nothing; a file that would change counts as a failure.
    """
    started = time.monotonic()
    try:
        notebook = run_notebook(path)
    except NotebookFailed as error:
        print(f"{path.name}: not stored. {error}", file=sys.stderr)
        return False
    if check_only:
        same = path.read_text(encoding="utf-8").rstrip() == nbformat.writes(notebook).rstrip()
        print(f"{path.name}: {'same' if same else 'DIFFERENT'} bytes")
        return same
    changed = write_notebook(notebook, path)
    seconds = time.monotonic() - started
    print(f"{path.name}: {'stored' if changed else 'unchanged'}, {seconds:.0f} s", flush=True)
    problems = notebook_problems(path)
    for problem in problems:
        print(f"  {problem}", file=sys.stderr)
    return not problems


def main() -> int:
    """Executes the named notebooks and prints how many are stored."""
    parser = argparse.ArgumentParser(description="Execute notebooks and store their outputs.")
    parser.add_argument("names", nargs="*", help="beginnings of file names: 03, clinics/03")
    parser.add_argument("--check", action="store_true", help="write nothing, compare the bytes")
    options = parser.parse_args()
    try:
        notebooks = find_with_clinics(options.names)
    except ValueError as error:
        parser.error(str(error))
    passed = 0
    with tempfile.TemporaryDirectory(prefix="course-", ignore_cleanup_errors=True) as scratch:
        prepare_kernels(Path(scratch))
        for index, path in enumerate(notebooks):
            try:
                passed += execute_one(path, options.check)
            except KeyboardInterrupt:
                left = " ".join(number_of(other) for other in notebooks[index:])
                print(f"\nInterrupted; {path.name} is untouched.")
                print(f'Go on with: make notebooks NB="{left}"')
                return 130
    print(f"\nnotebooks: {passed} passed, {len(notebooks) - passed} failed")
    return 0 if passed == len(notebooks) else 1


if __name__ == "__main__":
    sys.exit(main())
