"""When to ask an endpoint again, and how long to wait before: each failure is read here.

Asked again: 429, 5xx, time-outs, lost connections. Not asked again: an answer that came and is of
no use (it is paid for), and a request that will never be accepted.
"""

from __future__ import annotations

import email.utils
import json
import time
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Failure:
    """What went wrong with one request.

    Args:
        reason: in words.
        again: True where the same request may succeed later.
        maybe_paid: True where the endpoint may have done the work all the same.
        stop: True where no other request would fare better (wrong key, unknown model).
        wait: seconds that the endpoint asks to wait, or None.
    """

    reason: str
    again: bool = False
    maybe_paid: bool = False
    stop: bool = False
    wait: float | None = None


def seconds_asked(header: str | None, now: float | None = None) -> float | None:
    """Reads a Retry-After header: seconds, or a date; None where there is none to read."""
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        date = email.utils.parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, date.timestamp() - (time.time() if now is None else now))


def failure_of(error: Exception) -> Failure | None:
    """Reads an exception of the `openai` client; None for one that is not about the endpoint."""
    import openai

    if isinstance(error, openai.APITimeoutError):
        return Failure("no answer in time", again=True, maybe_paid=True)
    if isinstance(error, openai.APIConnectionError):
        cause = error.__cause__
        lost = type(cause).__name__ != "ConnectError"
        what = "the connection was lost" if lost else "nothing answers at this address"
        return Failure(f"{what} ({cause})", again=True, maybe_paid=lost)
    if isinstance(error, openai.APIStatusError):
        return _status(error)
    if isinstance(error, (openai.APIResponseValidationError, json.JSONDecodeError)):
        return Failure("the reply is not the JSON of a chat completion", maybe_paid=True)
    if isinstance(error, openai.OpenAIError):
        return Failure(str(error), stop=True)
    return None


def _status(error) -> Failure:
    code = error.status_code
    reason = f"status {code}: {' '.join(str(error.message).split())[:200]}"
    if code in (408, 409, 429) or code >= 500:
        wait = seconds_asked(error.response.headers.get("retry-after"))
        return Failure(reason, again=True, wait=wait)
    return Failure(reason, stop=code in (401, 402, 403, 404, 405))


def pause(attempt: int, failure: Failure, rng: np.random.Generator, longest: float) -> float:
    """Returns the seconds to wait: what the endpoint asks for, or a random part of 1, 2, 4, ….

    Args:
        attempt: 1 after the first failure.
        failure: what happened.
        rng: spreads the waits of several threads.
        longest: no wait is longer.
    """
    if failure.wait is not None:
        return min(failure.wait, longest)
    return min(float(2 ** (attempt - 1)), longest) * (0.5 + 0.5 * rng.random())
