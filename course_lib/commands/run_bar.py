"""One progress bar for runs that follow each other, and a line for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn


@contextmanager
def run_bar(name: str, total: int, console: Console) -> Iterator[Callable[[str], None]]:
    """Draws a bar, where the console is a terminal.

    Args:
        name: what the bar is called.
        total: how many runs there are.
        console: told of every run.

    Yields:
        What is called before each run, with a line about it.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task, finished = bar.add_task(name, total=total), count()

        def say(words: str) -> None:
            bar.update(task, completed=next(finished))
            console.print(words)

        yield say
        bar.update(task, completed=total)
