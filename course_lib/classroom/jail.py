"""Starts a worker for each answer, watches its time and memory from outside, reads what it left.

A worker that hangs, swells or dies says nothing about the next one: each is a process of its own,
forked from a server that has imported what all of them need.
"""

import atexit
import contextlib
import os
import signal
import stat
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from course_lib.classroom.answers import Cell
from course_lib.classroom.hidden import FOLDER
from course_lib.classroom.plain import MOST_BYTES, unpack
from course_lib.classroom.server import NoServer, Server, ServerDied
from course_lib.classroom.worker import RESULT, Job

_LOOK = 0.05


@dataclass(frozen=True)
class Limits:
    """What one answer may take.

    Args:
        seconds: of processor time, since a busy machine is no fault of the answer.
        patience: seconds of wall time, for an answer that waits.
        memory: bytes beyond what Python and torch take.
    """

    seconds: float = 60.0
    patience: float = 240.0
    memory: int = 2 * 2**30


def outcomes_of(
    cells: Sequence[Cell],
    name: str,
    word: str,
    limits: Limits | None = None,
    folder: Path | None = None,
) -> dict[str, Any]:
    """Runs the answer to one exercise and returns what it claims to give.

    Args:
        cells: the code cells of a submission.
        name: id of the exercise.
        word: the instructor's word for hidden cases.
        limits: what it may take.
        folder: the hand-written hidden cases.

    Returns:
        `cases`, one a case, or `none`, a sentence that says why there are none.
    """
    limits = limits or Limits()
    with tempfile.TemporaryDirectory(prefix="answer-", ignore_cleanup_errors=True) as scratch:
        job = Job(cells, name, word, folder or FOLDER, Path(scratch), limits.memory)
        try:
            exitcode, trouble = _watched(server().start(job), limits)
        except ServerDied:
            exitcode, trouble = None, "it ended processes that are not its own"
        return {"none": trouble} if trouble else left(Path(scratch) / RESULT, exitcode)


@cache
def server() -> Server | NoServer:
    """Returns what starts workers, the same one every time."""
    made = Server() if hasattr(os, "fork") else NoServer()
    atexit.register(made.close)
    return made


def _watched(worker: int, limits: Limits) -> tuple[int | None, str]:
    """Waits for a worker; returns its exit code, and why it was ended, if it was."""
    ends, trouble, exitcode = time.monotonic() + limits.patience, "", None
    memory: list[int] = []
    try:
        while exitcode is None:
            trouble = trouble or _too_much(worker, ends, limits, memory)
            if trouble:
                _kill(worker)
            exitcode = server().ended(_LOOK)
    finally:
        # The worker led a group of its own: whatever it started ends with it.
        if hasattr(os, "killpg"):
            with contextlib.suppress(OSError):
                os.killpg(worker, signal.SIGKILL)
    return exitcode, trouble


def _too_much(worker: int, ends: float, limits: Limits, memory: list[int]) -> str:
    """Returns what a worker takes too much of, or nothing; `memory` keeps what it began with."""
    try:
        seen = psutil.Process(worker)
        taken, used = seen.memory_info().rss, sum(seen.cpu_times()[:2])
    except psutil.Error:
        return ""
    memory.append(taken)
    if time.monotonic() > ends:
        return f"no end within {limits.patience:g} seconds: it waits for something"
    if used > limits.seconds:
        return f"no end within {limits.seconds:g} seconds: does a loop never end?"
    if taken > memory[0] + limits.memory:
        return f"it took more than {limits.memory / 2**30:g} GiB of memory"
    return ""


def _kill(worker: int) -> None:
    with contextlib.suppress(psutil.Error):
        psutil.Process(worker).kill()


def left(path: Path, exitcode: int | None) -> dict[str, Any]:
    """Reads what a worker left; it may be anything, and no file at all."""
    how = f"signal {-exitcode}" if exitcode and exitcode < 0 else f"exit status {exitcode}"
    died = {"none": f"it ended the process it ran in ({how}): the kernel would have died"}
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > 2 * MOST_BYTES:
            return died
        claims = unpack(path.read_bytes())
    except (OSError, ValueError):
        return died
    return claims if isinstance(claims, dict) else died
