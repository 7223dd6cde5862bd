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
from tests.browser.waiting import CURRENT, RUN, UI, seen, until

# What a person answers once: whether Jupyter's news may be fetched.
ANSWERED = '{"fetchNews": "false", "checkForUpdates": false}'
SETTING = "@jupyterlab/apputils-extension/notification.jupyterlab-settings"
# Nothing waits for its turn, and the kernel is idle.
DONE = (
    f"() => {CURRENT}?.sessionContext?.session?.kernel?.status === 'idle' && "
    f"!{CURRENT}.content.widgets.some(cell => cell.promptNode?.textContent.includes('*'))"
)
# The last code cell has its number, or a cell has failed: those behind it are not run then.
RAN = f"""() => {{
    const code = {CURRENT}.content.widgets.map(c => c.model).filter(m => m.type === 'code');
    const kinds = m => [...Array(m.outputs.length).keys()].map(i => m.outputs.get(i).type);
    return code.at(-1).executionCount !== null || code.some(m => kinds(m).includes('error'));
}}"""
CLEAR = f"() => {CURRENT}.content.widgets.every(c => !c.model.executionCount)"
# JupyterLab draws cells anew while it scrolls, and what had the focus has lost it then.
STILL = """i => {
    const cell = document.querySelector(`.jp-Cell[data-windowed-list-index="${i}"]`);
    const top = cell?.getBoundingClientRect().top;
    const before = window.courseStill;
    const since = before?.cell === cell && before.top === top ? before.since + 1 : 0;
    window.courseStill = {cell, top, since};
    return cell?.checkVisibility() && since >= 4;
}"""
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
        try:
            server.wait(timeout=UI)
        except subprocess.TimeoutExpired:
            server.kill()
            raise


def _address(log: Path, server: subprocess.Popen) -> str:
    for _ in range(2 * UI):
        found = re.search(r"http://127\.0\.0\.1:\d+/lab\?token=\w+", log.read_text())
        if found:
            return found.group()
        assert server.poll() is None, log.read_text()
        time.sleep(0.5)
    raise AssertionError(f"After {UI} s the server has no address:\n{log.read_text()}")


def address_of(first: str, name: str) -> str:
    """Returns the address of a notebook, made of the one that the server prints.

    Its arrangement of tabs is its own: in the common one another test's notebook may come in front.
    """
    own = name.removesuffix(".ipynb").replace("_", "-")
    return first.replace("/lab?", f"/lab/workspaces/{own}/tree/{name}?")


def open_notebook(page, address: str) -> None:
    """Opens a notebook and waits until its kernel can work."""
    page.goto(address)
    wait_for_notebook(page, re.search(r"/tree/([^?]+)", address).group(1))


def wait_for_notebook(page, name: str) -> None:
    """Waits until a notebook is in front, with its cells and a kernel that can work."""
    in_front = f"name => {CURRENT}?.context?.path?.endsWith(name) && {CURRENT}.context.isReady"
    until(page, in_front, f"notebook {name} in front", arg=name)
    page.locator(".jp-NotebookPanel .jp-Cell:visible").first.wait_for()
    wait(page)


def wait(page, seconds: int = UI) -> None:
    """Waits until no cell waits and the kernel is idle."""
    until(page, DONE, "idle kernel with every cell run", seconds)


def choose(page, menu: str, entry: str) -> None:
    """Chooses an entry of JupyterLab's menu with the mouse."""
    page.locator(".lm-MenuBar-itemLabel", has_text=re.compile(f"^{menu}$")).click()
    page.locator(".lm-Menu-itemLabel", has_text=re.compile(f"^{entry}")).first.click()


def run_all(page) -> None:
    """Forgets stored outputs, runs every cell from the menu and waits for the last one."""
    choose(page, "Edit", "Clear Outputs of All Cells")
    until(page, CLEAR, "notebook without outputs")
    choose(page, "Run", "Run All Cells")
    until(page, RAN, "last cell run, or the first one that failed", RUN)
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
    cell = page.locator(f'.jp-Cell[data-windowed-list-index="{index}"]:visible')
    cell.locator(".jp-OutputArea-output").first.wait_for()
    until(page, STILL, f"cell with {text!r} that stands still", arg=index)
    return cell


def use(widget, button: str) -> None:
    """Presses a widget's button with the mouse."""
    widget.locator("button", has_text=button).first.click()


def tells(widget, text: str, count: int = 1, seconds: int = UI) -> None:
    """Waits until a widget shows a text so many times."""
    seen(widget.get_by_text(text), f'"{text}" in the widget', count, seconds)
