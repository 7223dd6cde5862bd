"""Builds several zoo models side by side: one process a core, each with one thread.

Two processes on two cores beat two threads by far (the models are small), so this is how the whole
zoo is made within two hours. A process writes its own run directory; the bars read its metrics.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from course_lib.commands.runs import commands_of
from course_lib.commands.zoo_runs import ZOO_RUNS
from course_lib.training.metrics import read_metrics
from course_lib.zoo.build import round_dir
from course_lib.zoo.paths import RUNS
from course_lib.zoo.registry import builders

# What has to ship before a model can be built; what is already there serves as well.
NEEDS = {
    "llama-chat": ("llama",),
    "llama-shots": ("llama",),
    "blip2-stage1": ("clip",),
    "blip2-opt": ("blip2-stage1", "opt"),
    "blip2-t5": ("blip2-stage1", "t5"),
    "flamingo": ("clip", "llama-shots"),
    "llava-stage1": ("clip", "llama-chat"),
    "llava": ("llava-stage1",),
    "minigpt4-stage1": ("blip2-opt", "llama-chat"),
    "minigpt4": ("minigpt4-stage1",),
    "mplug_owl-stage1": ("clip", "llama-chat"),
    "mplug_owl": ("mplug_owl-stage1",),
    "vpgtrans-stage1": ("blip2-opt", "opt-large"),
    "vpgtrans": ("vpgtrans-stage1",),
}
POLL_SECONDS = 2.0


def runs_of(name: str) -> list[tuple[Path, int]]:
    """Returns the run directories of a zoo model, one a round, each with its number of steps."""
    if name in ZOO_RUNS:
        run = ZOO_RUNS[name]
        stage = commands_of(run.recipe).settings_of(run.train["stage"], run.train.get("language"))
        return [(RUNS / f"zoo-{name}", stage.steps)]
    steps = [one.stage.steps for one in builders()[name]().rounds]
    return [(round_dir(name, number, count), count) for number, count in enumerate(steps, start=1)]


def command_of(name: str) -> list[str]:
    """Returns the command that builds one model in a process of its own."""
    run = "from course_lib.cli import main; main()"
    return [sys.executable, "-c", run, "zoo", "build", name, "--json"]


def build_side_by_side(
    names: Iterable[str],
    jobs: int,
    command: Callable[[str], list[str]] = command_of,
    progress: bool = True,
) -> dict[str, dict]:
    """Builds models in the order of their needs, `jobs` at a time.

    Args:
        names: of zoo models.
        jobs: processes at a time.
        command: name → command that builds it and prints {name: card} as JSON.
        progress: shows a bar a model where standard error is a terminal.

    Returns:
        {name: card}.

    Raises:
        ValueError: when a process ends without a card; the sentence is that process's own.
    """
    waiting, running, cards = list(names), {}, {}
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    shown = progress and console.is_terminal
    try:
        with Progress(*columns, TimeRemainingColumn(), console=console, disable=not shown) as bars:
            while waiting or running:
                for name in _ready(waiting, {*waiting, *running})[: jobs - len(running)]:
                    waiting.remove(name)
                    total = sum(steps for _, steps in runs_of(name))
                    task = bars.add_task(name, total=total) if shown else None
                    running[name] = (_start(command(name)), task)
                time.sleep(POLL_SECONDS if progress else 0.05)
                for name, (process, task) in list(running.items()):
                    if task is not None:
                        bars.update(task, completed=_steps_done(name))
                    if process.poll() is not None:
                        cards |= _card(name, running.pop(name)[0])
    finally:
        for process, _ in running.values():
            process.terminate()
            process.wait()
    return cards


def _ready(waiting: list[str], unfinished: set[str]) -> list[str]:
    return [name for name in waiting if not unfinished.intersection(NEEDS.get(name, ()))]


def _start(command: list[str]) -> subprocess.Popen:
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _steps_done(name: str) -> int:
    rows = [read_metrics(run_dir) for run_dir, _ in runs_of(name)]
    return sum(found[-1]["step"] for found in rows if found)


def _card(name: str, process: subprocess.Popen) -> dict[str, dict]:
    """Reads what a finished process printed; a gate that was missed is a card all the same."""
    printed, errors = process.communicate()
    try:
        return {name: json.loads(printed)[name]}
    except (ValueError, KeyError):
        last = (errors.strip().splitlines() or ["it printed nothing"])[-1]
        raise ValueError(f"{name} was not built ({last.removeprefix('course: ')}).") from None
