"""Any OpenAI-compatible chat endpoint: one reply to a list of messages, or the reason for none.

What can go wrong with a paid service is handled here, for the teacher that writes instructions and
for the judge that scores answers alike: it stalls, refuses, breaks off, and must never cost more
than was allowed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from course_lib.instructions.budget import Budget
from course_lib.instructions.messages import most_tokens
from course_lib.instructions.retry import Failure, failure_of, pause
from course_lib.instructions.teacher import NOTHING, BudgetSpent, Unanswered, Usage


@dataclass(frozen=True)
class Patience:
    """How long and how often a request is tried.

    Args:
        attempts: requests for one answer.
        timeout: seconds without a byte before one is given up.
        longest_pause: between two attempts, in seconds.
        sleep: waits; a test gives its own.
    """

    attempts: int = 5
    timeout: float = 120.0
    longest_pause: float = 60.0
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Reply:
    """What came for one list of messages.

    Args:
        text: of the reply, None where there is none in it.
        cut_off: True where it was ended by max_tokens.
        rejected: why no reply came and none will, "" where one came.
        usage: what all attempts cost.
    """

    text: str | None = None
    cut_off: bool = False
    rejected: str = ""
    usage: Usage = NOTHING


class EndpointRefuses(ConnectionError):
    """The endpoint will answer no question: wrong key, unknown model, wrong address."""


class ChatEndpoint:
    """Asks a language model for each reply.

    Args:
        model: its name at the endpoint.
        budget: what may be spent; no request leaves that could pass it.
        base_url: of the endpoint, ending in "/v1" as a rule; None reads OPENAI_BASE_URL.
        api_key: None reads OPENAI_API_KEY; a local server takes any word.
        concurrency: answers under way at a time.
        max_tokens: written at most for one answer.
        temperature: of sampling; None leaves it to the endpoint.
        limit_name: how the endpoint calls max_tokens; some models of OpenAI want
            "max_completion_tokens".
        patience: time-outs and attempts.

    Raises:
        ValueError: for limits that allow no request, or without a key.
    """

    def __init__(
        self,
        model: str,
        budget: Budget,
        base_url: str | None = None,
        api_key: str | None = None,
        concurrency: int = 4,
        max_tokens: int = 1024,
        temperature: float | None = None,
        limit_name: str = "max_tokens",
        patience: Patience = Patience(),
    ) -> None:
        import openai

        if concurrency < 1 or max_tokens < 1 or patience.attempts < 1:
            raise ValueError("concurrency, max_tokens and attempts have to be one or more.")
        self.name = f"endpoint {model}"
        self.model, self.budget, self.concurrency = model, budget, concurrency
        self.max_tokens, self.patience = max_tokens, patience
        self._options = {limit_name: max_tokens}
        if temperature is not None:
            self._options["temperature"] = temperature
        try:
            self._client = openai.OpenAI(
                api_key=api_key, base_url=base_url, timeout=patience.timeout, max_retries=0
            )
        except openai.OpenAIError as error:
            raise ValueError(
                "The endpoint needs a key: set OPENAI_API_KEY (a local server takes any word)."
            ) from error

    def spent_before(self, file: str, usage: Usage) -> None:
        """Counts what earlier runs on the same file have paid."""
        self.budget.spent_before(file, usage)

    def reply(
        self,
        messages: list[dict],
        rng: np.random.Generator,
        asking: Callable[[Usage], None] = lambda most: None,
    ) -> Reply:
        """Asks for one reply, again where that may help.

        Args:
            messages: role and content each.
            rng: spreads the pauses of several threads.
            asking: called right before a request leaves, with the most it can cost.

        Raises:
            Unanswered: after the last attempt.
            BudgetSpent: when asking could pass the budget.
            EndpointRefuses: when no request would be answered.
        """
        most = Usage(most_tokens(messages), self.max_tokens)
        paid = NOTHING
        for attempt in range(1, self.patience.attempts + 1):
            try:
                found = self._try(messages, most, asking)
            except BudgetSpent as spent:
                spent.usage = paid
                raise
            if isinstance(found, Reply):
                return replace(found, usage=paid + found.usage)
            if found.maybe_paid:
                paid += most
            if found.stop:
                raise EndpointRefuses(f"The endpoint refuses: {found.reason}")
            if not found.again:
                return Reply(rejected=found.reason, usage=paid)
            if attempt < self.patience.attempts:
                wait = pause(attempt, found, rng, self.patience.longest_pause)
                self.patience.sleep(wait)
        raise Unanswered(f"no answer in {self.patience.attempts} attempts: {found.reason}", paid)

    def _try(
        self, messages: list[dict], most: Usage, asking: Callable[[Usage], None]
    ) -> Reply | Failure:
        """Sends one request inside the budget."""
        self.budget.reserve(most)
        paid = most
        try:
            asking(most)
            completion = self._client.chat.completions.create(
                model=self.model, messages=messages, **self._options
            )
            if isinstance(completion, str) or getattr(completion, "choices", None) is None:
                return Failure("the reply is not the JSON of a chat completion", maybe_paid=True)
            paid = _paid(completion, most)
            return _reply(completion, paid)
        except Exception as error:
            failure = failure_of(error)
            if failure is None:
                raise
            paid = most if failure.maybe_paid else NOTHING
            return failure
        finally:
            self.budget.settle(most, paid)


def _paid(completion, most: Usage) -> Usage:
    """Reads what a completion cost; one that does not say counts at its most."""
    usage = getattr(completion, "usage", None)
    numbers = [getattr(usage, key, None) for key in ("prompt_tokens", "completion_tokens")]
    return Usage(*numbers) if all(isinstance(n, int) and n >= 0 for n in numbers) else most


def _reply(completion, paid: Usage) -> Reply:
    choice = completion.choices[0] if completion.choices else None
    text = getattr(getattr(choice, "message", None), "content", None)
    cut_off = getattr(choice, "finish_reason", None) == "length"
    return Reply(text if isinstance(text, str) else None, cut_off, usage=paid)
