"""A time limit for somebody else's Python code, on every system and in every thread."""

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class TookTooLong(BaseException):
    """Raised inside the code that ran out of time; no `except Exception` swallows it."""


def _interrupt(thread: int | None, what: object) -> None:
    identity = ctypes.c_ulong(thread or 0)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(identity, what)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raises `TookTooLong` in the block when it runs longer.

    A signal would not do: Windows has no SIGALRM, a kernel under nohup ignores SIGINT, and pytest
    keeps a timer of its own. The exception arrives between two lines of Python; a single call into
    compiled code is not cut short.

    Args:
        seconds: of wall time.

    Raises:
        TookTooLong: in the block.
    """
    thread, done, gate = threading.get_ident(), threading.Event(), threading.Lock()

    def watch() -> None:
        # Again and again: code under `except BaseException` inside a loop goes on after the first.
        wait = seconds
        while not done.wait(wait):
            with gate:
                if not done.is_set():
                    _interrupt(thread, ctypes.py_object(TookTooLong))
            wait = 0.2

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        _finish(thread, done, gate)


def _finish(thread: int, done: threading.Event, gate: threading.Lock) -> None:
    """Stops the watcher; an exception that was set but has not arrived yet is taken back."""
    while not done.is_set():
        try:
            with gate:
                done.set()
                _interrupt(thread, None)
        except TookTooLong:  # it arrived right here
            continue
