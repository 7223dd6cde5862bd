"""The teacher that is a language model behind any OpenAI-compatible chat endpoint.

LLaVA, arXiv 2304.08485, section 3, used text-only GPT-4 in this way (the official repository keeps
its prompts and no client). What can go wrong with a paid service is handled here: it stalls,
refuses, breaks off, and must never cost more than was allowed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from course_lib.errors import unknown_name_error
from course_lib.instructions import coco_rules, toy_rules
from course_lib.instructions.budget import Budget
from course_lib.instructions.messages import messages_for, most_tokens
from course_lib.instructions.parsing import said_in, turns_of
from course_lib.instructions.retry import Failure, failure_of, pause
from course_lib.instructions.symbols import TYPES, Example
from course_lib.instructions.teacher import Answer, BudgetSpent, Turn, Unanswered, Usage
from course_lib.instructions.toy_reading import read_scene
from course_lib.instructions.validate import alternation_fault


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


class EndpointRefuses(ConnectionError):
    """The endpoint will answer no question: wrong key, unknown model, wrong address."""


class EndpointTeacher:
    """Asks a language model for each answer.

    Args:
        model: its name at the endpoint.
        budget: what may be spent; no request leaves that could pass it.
        base_url: of the endpoint, ending in "/v1" as a rule; None reads OPENAI_BASE_URL.
        api_key: None reads OPENAI_API_KEY; a local server takes any word.
        concurrency: answers under way at a time.
        max_tokens: written at most for one answer; one that is cut off there is rejected.
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

    def answer(
        self,
        example: Example,
        type: str,
        rng: np.random.Generator,
        asking: Callable[[Usage], None] = lambda most: None,
    ) -> Answer:
        """Asks for one answer, again where that may help.

        Raises:
            Unanswered: after the last attempt.
            BudgetSpent: when asking could pass the budget.
            EndpointRefuses: when no request would be answered.
            ValueError: for an unknown type.
        """
        if type not in TYPES:
            raise unknown_name_error("type of instruction", type, TYPES)
        messages = messages_for(example, type)
        most = Usage(most_tokens(messages), self.max_tokens)
        paid, pick = Usage(), rng.random()
        for attempt in range(1, self.patience.attempts + 1):
            try:
                found = self._try(messages, most, asking)
            except BudgetSpent as spent:
                spent.usage = paid
                raise
            if not isinstance(found, Failure):
                answer = self._read(found, example, type, pick)
                return replace(answer, usage=paid + self._paid(found, most))
            if found.maybe_paid:
                paid += most
            if found.stop:
                raise EndpointRefuses(f"The endpoint refuses: {found.reason}")
            if not found.again:
                return Answer(rejected=found.reason, usage=paid)
            if attempt < self.patience.attempts:
                wait = pause(attempt, found, rng, self.patience.longest_pause)
                self.patience.sleep(wait)
        raise Unanswered(f"no answer in {self.patience.attempts} attempts: {found.reason}", paid)

    def _try(self, messages: list[dict], most: Usage, asking: Callable[[Usage], None]):
        """Sends one request inside the budget; returns the completion or a Failure."""
        self.budget.reserve(most)
        paid = most
        try:
            asking(most)
            completion = self._client.chat.completions.create(
                model=self.model, messages=messages, **self._options
            )
            if isinstance(completion, str) or getattr(completion, "choices", None) is None:
                return Failure("the reply is not the JSON of a chat completion", maybe_paid=True)
            paid = self._paid(completion, most)
            return completion
        except Exception as error:
            failure = failure_of(error)
            if failure is None:
                raise
            paid = most if failure.maybe_paid else Usage()
            return failure
        finally:
            self.budget.settle(most, paid)

    @staticmethod
    def _paid(completion, most: Usage) -> Usage:
        """Reads what a completion cost; one that does not say counts at its most."""
        usage = getattr(completion, "usage", None)
        numbers = [getattr(usage, key, None) for key in ("prompt_tokens", "completion_tokens")]
        return Usage(*numbers) if all(isinstance(n, int) and n >= 0 for n in numbers) else most

    @staticmethod
    def _read(completion, example: Example, type: str, pick: float) -> Answer:
        """Turns a completion into turns, or says why it cannot be."""
        choice = completion.choices[0] if completion.choices else None
        text = getattr(getattr(choice, "message", None), "content", None)
        if not isinstance(text, str) or not text.strip():
            return Answer(rejected="the endpoint's answer is empty")
        if choice.finish_reason == "length":
            return Answer(rejected="the answer was cut off at max_tokens", raw=text)
        if type == "detail":
            toy = read_scene(example) is not None
            questions = (toy_rules if toy else coco_rules).DETAIL_QUESTIONS
            question = questions[int(pick * len(questions))]
            return Answer((Turn(question, text.strip(), kind="detail"),), raw=text)
        said = said_in(text)
        fault = alternation_fault(said) if said else "holds no 'Question:' and 'Answer:'"
        return Answer(rejected=fault, raw=text) if fault else Answer(turns_of(said), raw=text)
