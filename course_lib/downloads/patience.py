"""When a server is asked again and how long it is left alone, for one server or for hundreds."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


class Trouble(Exception):
    """Why something could not be fetched.

    Args:
        reason: a few words, the same for every address that fails in the same way.
        later: True where the same request may succeed another time.
        wait: seconds that the server asks to be left alone, or None.
        detail: what the library said, for a person who looks closer.
    """

    def __init__(
        self, reason: str, later: bool = False, wait: float | None = None, detail: str = ""
    ) -> None:
        super().__init__(f"{reason} ({detail})" if detail else reason)
        self.reason, self.later, self.wait, self.detail = reason, later, wait, detail


class Stopped(Exception):
    """Somebody wants the work to end; what there is so far is kept."""


@dataclass(frozen=True)
class Patience:
    """How long to try.

    Args:
        attempts: in a row that bring nothing new.
        connect: seconds for a connection.
        read: seconds without a byte.
        longest: a server that asks for a longer wait is left for another run.
        whole: seconds for one picture of a list, its waits left out.
        pause: sleeps; None for a sleep that a stop ends.
    """

    attempts: int = 5
    connect: float = 10.0
    read: float = 30.0
    longest: float = 120.0
    whole: float = 60.0
    pause: Callable[[float], object] | None = None

    def before_next(self, attempt: int, trouble: Trouble) -> float:
        """Returns the seconds to wait: what the server asks for, or about 1, 2, 4, ….

        Args:
            attempt: 1 after the first failure.
            trouble: what happened.

        Raises:
            Trouble: the same one, where there is no use in another attempt now.
        """
        if not trouble.later or attempt >= self.attempts:
            raise trouble
        if trouble.wait is None:
            return min(2.0 ** (attempt - 1), self.longest) * random.uniform(0.5, 1.0)
        if trouble.wait > self.longest:
            raise trouble
        return trouble.wait


class Hosts:
    """What servers asked for: one that said "too many" is left alone by all threads."""

    def __init__(self, pause: Callable[[float], object] = time.sleep) -> None:
        self._until: dict[str, float] = {}
        self._lock = threading.Lock()
        self._pause = pause

    def slow_down(self, url: str, seconds: float) -> None:
        """Notes that the server of an address wants to be left alone."""
        with self._lock:
            host, until = _host(url), time.monotonic() + seconds
            self._until[host] = max(until, self._until.get(host, 0.0))

    def wait(self, url: str) -> None:
        """Sleeps until the server of an address may be asked again."""
        with self._lock:
            left = self._until.get(_host(url), 0.0) - time.monotonic()
        if left > 0:
            self._pause(left)


def _host(url: str) -> str:
    """Takes the server out of an address; `urlsplit` would raise for a broken one."""
    return url.partition("//")[2].partition("/")[0]
