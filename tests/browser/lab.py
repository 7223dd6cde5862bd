"""JupyterLab as `make lab` starts it, on a copy of notebooks, and a person's hands on a page."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from course_lib.devtools.environment import NOTEBOOKS

# What a person answers once: whether Jupyter's news may be fetched.
ANSWERED = '{"fetchNews": "false", "checkForUpdates": false}'
SETTING = "@jupyterlab/apputils-extension/notification.jupyterlab-settings"
PATIENCE = 600  # seconds: a busy machine is slow, not broken
CURRENT = "window.jupyterapp?.shell?.currentWidget"
# Nothing waits for its turn, and the kernel is idle.
DONE = (
    f"() => {CURRENT}?.sessionContext?.session?.kernel?.status === 'idle' && "
    f"!{CURRENT}.content.widgets.some(cell => cell.promptNode?.textContent.includes('*'))"
)
CELLS = f"() => {CURRENT}.content.widgets.map(cell => cell.model.toJSON())"


def copy_notebooks(folder: Path, name: str, cells: list[str]) -> None:
    """Puts notebook 00, its pictures and a notebook of a few cells below `folder`/notebooks."""
    target = folder / "notebooks"
    target.mkdir()
    shutil.copy(next(NOTEBOOKS.glob("00_*.ipynb")), target)
    shutil.copytree(NOTEBOOKS / "images", target / "images")
    code = [new_code_cell(text) for text in cells]
    # Without its kernel's name JupyterLab asks for it and waits.
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(new_notebook(cells=code, metadata=kernel), target / name)


def stored_cell(number: str, begins: str) -> str:
    """Returns the code of the stored cell of a notebook in which a line begins so."""
    path = next(NOTEBOOKS.glob(f"{number}_*.ipynb"))
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells]
    found = [text for text in cells if re.search(rf"^{re.escape(begins)}", text, re.MULTILINE)]
    assert len(found) == 1, (number, begins, len(found))
    return found[0]


def _environment(home: Path) -> dict[str, str]:
    """Returns what keeps a server from the person's own Jupyter settings, and a watched kernel."""
    own = {name: home / name.lower() for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")}
    own |= {"JUPYTERLAB_WORKSPACES_DIR": home / "spaces", "COURSE_PROGRESS": home / "progress"}
    own |= {"JUPYTERLAB_SETTINGS_DIR": home / "settings", "JUPYTER_RUNTIME_DIR": home / "runtime"}
    setting = home / "settings" / SETTING
    setting.parent.mkdir(parents=True)
    setting.write_text(ANSWERED)
    kept = {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}
    return {**kept, **{name: str(path) for name, path in own.items()}}


@contextmanager
def running_lab(folder: Path):
    """Starts `python -m jupyterlab notebooks/00_…` and gives the address that it prints."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    first = next((folder / "notebooks").glob("00_*.ipynb")).relative_to(folder)
    call = [sys.executable, "-m", "jupyterlab", str(first), "--no-browser", "--ip=127.0.0.1"]
    call += [f"--port={port}", "--ServerApp.port_retries=0"]
    call += ["--LabApp.expose_app_in_browser=True"]  # so that a test can ask what a kernel does
    call += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    log = folder / "lab.log"
    with log.open("w") as stream:
        where = {"cwd": folder, "env": _environment(folder / "home")}
        server = subprocess.Popen(call, stdout=stream, stderr=subprocess.STDOUT, **where)
    try:
        yield _address(log, server)
    finally:
        server.terminate()  # a server that is told to end ends its kernels
        server.wait(timeout=60)


def _address(log: Path, server: subprocess.Popen) -> str:
    for _ in range(2 * PATIENCE):
        found = re.search(r"http://127\.0\.0\.1:\d+/lab\?token=\w+", log.read_text())
        if found:
            return found.group()
        assert server.poll() is None, log.read_text()
        time.sleep(0.5)
    raise AssertionError(log.read_text())


def address_of(first: str, name: str) -> str:
    """Returns the address of a notebook, made of the one that the server prints."""
    return first.replace("/lab?", f"/lab/tree/{name}?")


def open_notebook(page, address: str) -> None:
    """Opens a notebook and waits until its kernel can work."""
    page.goto(address)
    wait_for_notebook(page, re.search(r"/lab/tree/([^?]+)", address).group(1))


def wait_for_notebook(page, name: str) -> None:
    """Waits until a notebook is in front, with its cells: others may stand in tabs behind."""
    page.wait_for_function(f"name => {CURRENT}?.context?.path?.endsWith(name)", arg=name)
    page.locator(".jp-NotebookPanel .jp-Cell:visible").first.wait_for()
    wait(page)


def wait(page, seconds: int = PATIENCE) -> None:
    """Waits until no cell waits and the kernel is idle."""
    page.wait_for_function(DONE, timeout=seconds * 1000)


def settle(page) -> None:
    """Waits until what was typed has reached the kernel: idle, and idle again a second later."""
    for _ in range(2):
        wait(page)
        page.wait_for_timeout(1000)
    wait(page)


def choose(page, menu: str, entry: str) -> None:
    """Chooses an entry of JupyterLab's menu with the mouse."""
    page.locator(".lm-MenuBar-itemLabel", has_text=re.compile(f"^{menu}$")).click()
    page.locator(".lm-Menu-itemLabel", has_text=re.compile(f"^{entry}")).first.click()


def run_all(page) -> None:
    """Runs every cell from the menu and waits for the last one."""
    choose(page, "Run", "Run All Cells")
    page.wait_for_function(f"() => {CURRENT}.content.widgets.some(c => c.promptNode)")
    page.wait_for_timeout(500)  # the first cell is on its way
    wait(page)


def cells_of(page) -> list[dict]:
    """Returns the cells of the notebook that is open, as JupyterLab holds them now."""
    return page.evaluate(CELLS)


def show_cell(page, text: str):
    """Scrolls to the code cell that holds `text` and returns its element."""
    sources = [cell["source"] for cell in cells_of(page)]
    texts = ["".join(source) for source in sources]
    index = max(i for i, source in enumerate(texts) if text in source)
    page.evaluate(f"i => {CURRENT}.content.scrollToItem(i, 'center')", index)
    cell = page.locator(f'.jp-Cell[data-windowed-list-index="{index}"]')
    cell.locator(".jp-OutputArea-output").first.wait_for()
    return cell
