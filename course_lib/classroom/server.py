"""A process that has imported everything and forks a worker for each line that it reads.

Importing torch takes seconds, forking milliseconds. One line in, a job; two lines out, the
worker's process id and, when it has ended, its exit code. Where there is no fork, each job gets a
process that imports everything anew.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

from course_lib.classroom.answers import Cell
from course_lib.classroom.worker import ROOT, Job, work
from course_lib.teach.task import exercise_ids, find_exercise

_QUIET = {"OMP_NUM_THREADS": "1", "PYTHONUTF8": "1", "HF_HUB_OFFLINE": "1"}


class ServerDied(Exception):
    """The server is gone, most likely ended by the code that it ran."""


class Server:
    """The server as the grading process sees it; one job at a time."""

    def __init__(self) -> None:
        self.process: subprocess.Popen | None = None

    def start(self, job: Job) -> int:
        """Starts a worker and returns its process id.

        Raises:
            ServerDied: when there is no answer.
        """
        if self.process is None or self.process.poll() is not None:
            call = [sys.executable, "-m", "course_lib.classroom.server"]
            self.process = subprocess.Popen(
                call,
                cwd=ROOT,
                env={**os.environ, **_QUIET},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
            )
        try:
            self.process.stdin.write(json.dumps(asdict(job), default=str).encode() + b"\n")
        except OSError as error:
            raise ServerDied from error
        return int(self._line())

    def ended(self, seconds: float) -> int | None:
        """Waits for the worker; returns its exit code, or None when it goes on.

        Raises:
            ServerDied: when the server has ended before it.
        """
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        return int(self._line()) if ready else None

    def close(self) -> None:
        """Ends the server."""
        if self.process is not None:
            self.process.stdin.close()
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def _line(self) -> bytes:
        line = self.process.stdout.readline()
        if not line.strip():
            self.close()
            raise ServerDied
        return line


class NoServer:
    """The same without fork: each worker is a new Python."""

    def __init__(self) -> None:
        self.process: subprocess.Popen | None = None

    def start(self, job: Job) -> int:
        """Starts a worker and returns its process id."""
        call = [sys.executable, "-m", "course_lib.classroom.server", "once"]
        self.process = subprocess.Popen(
            call, cwd=ROOT, env={**os.environ, **_QUIET}, stdin=subprocess.PIPE
        )
        self.process.stdin.write(json.dumps(asdict(job), default=str).encode() + b"\n")
        self.process.stdin.close()
        return self.process.pid

    def ended(self, seconds: float) -> int | None:
        """Waits for the worker; returns its exit code, or None when it goes on."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def close(self) -> None:
        """There is nothing to end."""


def job_of(line: str) -> Job:
    """Reads a job from a line of JSON."""
    job = Job(**json.loads(line))
    cells = [Cell(cell["source"], tuple(cell["names"])) for cell in job.cells]
    return replace(job, cells=cells, folder=Path(job.folder), scratch=Path(job.scratch))


def serve() -> None:
    """Forks a worker for each line of standard input, one after the other."""
    for name in exercise_ids():
        find_exercise(name)
    importlib.import_module("IPython.core.inputtransformer2")
    for line in sys.stdin:
        job = job_of(line)
        worker = os.fork()
        if worker == 0:
            work(job)
        print(worker, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]), flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["once"]:
        work(job_of(sys.stdin.readline()))
    serve()
