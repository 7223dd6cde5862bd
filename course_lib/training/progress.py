"""A progress bar for terminals that leaves nothing behind; anywhere else it does not exist."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(
    description: str, total: int, enabled: bool = True, done: int = 0
) -> Iterator[Callable[..., None]]:
    """Shows a bar with rate and time left on standard error while the block runs.

    In a notebook, a pipe or a log file nothing is written: standard output stays clean for
    `--json`, and stored outputs stay the same from run to run.

    Args:
        description: what is going on, a few words.
        total: how many steps there are.
        enabled: False switches the bar off in terminals too.
        done: steps that were finished before.

    Returns:
        A function `advance(count=1, note="")`; the note stands behind the bar.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    # Not `console.is_terminal`: Jupyter's kernels set FORCE_COLOR, which makes that true.
    if not (enabled and sys.stderr.isatty()):
        yield lambda count=1, note="": None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    console = Console(stderr=True, force_jupyter=False)
    with Progress(*columns, console=console, transient=True) as display:
        task = display.add_task(description, total=total, completed=done, rate="", note="")

        def advance(count: int = 1, note: str = "") -> None:
            display.update(task, advance=count, **({"note": note} if note else {}))
            speed = display.tasks[0].speed
            display.update(task, rate=f"{speed:.1f}/s" if speed else "")

        yield advance
