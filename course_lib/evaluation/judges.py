"""Two judges behind the teachers' interface, and a run of theirs that can be stopped and goes on.

The rule judge needs no network: it knows the key, so its scores are exact, and it can be given the
weaknesses of a language model on purpose, to be measured. The endpoint judge asks a model, through
the client, budget, retries and journal with which instructions are made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence

import numpy as np

from course_lib.evaluation.bench_exact import exact_score
from course_lib.evaluation.judge import Review, review_of
from course_lib.evaluation.judge_prompt import (
    REFERENCE_FIRST,
    Comparison,
    judge_messages,
    judge_prompt,
)
from course_lib.instructions.chat_endpoint import ChatEndpoint
from course_lib.instructions.journal import Journal
from course_lib.instructions.queues import Queue, choices
from course_lib.instructions.running import Report, report, run_queues
from course_lib.instructions.teacher import NOTHING, Answer, Teacher, Turn, Usage

WORST, BEST = 1.0, 10.0


class RuleJudge:
    """Scores answers about toy scenes by their keys: 1 where all is wrong, 10 where all is right.

    Without a bias a relative score is therefore 10 + 90 × the exact score.

    Args:
        position_bias: points that the second answer loses for standing second, never below 1.
        unparsable: share of the reviews that begin with words where two numbers should be.

    Raises:
        ValueError: for a bias that is not from 0 to 9, or a share that is not from 0 to 1.
    """

    concurrency = 0

    def __init__(self, position_bias: float = 0.0, unparsable: float = 0.0) -> None:
        if not 0 <= position_bias <= BEST - WORST:
            raise ValueError(f"A position bias of {position_bias} points: give 0 to 9.")
        if not 0 <= unparsable <= 1:
            raise ValueError(f"{unparsable} of the reviews cannot be unparsable: give 0 to 1.")
        self.position_bias, self.unparsable = position_bias, unparsable
        self.name = f"rules, position bias {position_bias:g}, unparsable {unparsable:g}"

    def answer(
        self,
        comparison: Comparison,
        order: str,
        rng: np.random.Generator,
        asking: Callable[[Usage], None] | None = None,
    ) -> Answer:
        """Reviews two answers; the same generator state gives the same review.

        Raises:
            ValueError: for a question about a photograph.
        """
        known = comparison.question, comparison.reference, comparison.context
        first, second = (
            WORST + (BEST - WORST) * exact_score(*known, answer.text)
            for answer in comparison.answers(order)
        )
        scores = (first, max(WORST, second - self.position_bias))
        return _answered(comparison, self._written(scores, rng.random() < self.unparsable))

    @staticmethod
    def _written(scores: tuple[float, float], in_words: bool) -> str:
        one, two = (f"{score:.4g}" for score in scores)
        first = f"Assistant 1: {one}, Assistant 2: {two}" if in_words else f"{one} {two}"
        if scores[0] == scores[1]:
            return f"{first}\nBoth answers are equally right."
        better, worse = (1, 2) if scores[0] > scores[1] else (2, 1)
        return f"{first}\nThe answer of Assistant {better} beats that of Assistant {worse}."

    def spent_before(self, file: str, usage: Usage) -> None:
        """Rules cost nothing."""


class EndpointJudge(ChatEndpoint):
    """Asks a language model for each review; what it writes is kept, readable or not."""

    def answer(
        self,
        comparison: Comparison,
        order: str,
        rng: np.random.Generator,
        asking: Callable[[Usage], None] = lambda most: None,
    ) -> Answer:
        """Asks for one review, again where that may help.

        A review that breaks off at max_tokens counts: its first line is there. A reply without any
        text is a review without scores.

        Raises:
            Unanswered: after the last attempt.
            BudgetSpent: when asking could pass the budget.
            EndpointRefuses: when no request would be answered.
        """
        reply = self.reply(judge_messages(comparison, order), rng, asking)
        if reply.rejected:
            return Answer(rejected=reply.rejected, usage=reply.usage)
        return _answered(comparison, reply.text or "", reply.usage)


def _answered(comparison: Comparison, review: str, usage: Usage = NOTHING) -> Answer:
    question = comparison.question
    return Answer((Turn(question.text, review, kind=question.category),), usage=usage)


def review_all(
    compared: Sequence[Comparison], judge: Teacher, order: str = REFERENCE_FIRST, seed: int = 0
) -> list[Review]:
    """Reviews at once, without a journal: for a judge that costs nothing."""
    found = []
    for comparison in compared:
        answer = judge.answer(
            comparison, order, choices(seed, order, comparison.id), lambda _: None
        )
        found.append(review_of(comparison, order, answer.turns[0].answer if answer.turns else ""))
    return found


def journal_settings(compared: Sequence[Comparison], judge: Teacher) -> dict[str, str]:
    """Returns what has to stay the same while a journal is written: judge, questions, answers."""

    def digest(texts: list[str]) -> str:
        return hashlib.blake2b(json.dumps(texts).encode(), digest_size=8).hexdigest()

    return {
        "judge": judge.name,
        "answers": digest([c.candidate.text for c in compared]),
        "questions": digest([judge_prompt(c) for c in compared]),
    }


def judge_answers(
    compared: Sequence[Comparison],
    judge: Teacher,
    journal: Journal,
    orders: Sequence[str] = (REFERENCE_FIRST,),
    ask_lost: bool = False,
    seed: int = 0,
) -> tuple[list[Review], Report]:
    """Asks for every review that the journal lacks; none that is in it is paid again.

    Args:
        compared: with different ids.
        judge: rules, or an endpoint.
        journal: what earlier runs left, see `journal_settings`.
        orders: which of `ORDERS`.
        ask_lost: True asks again what was under way when an earlier run was killed; it may have
            been paid then.
        seed: of the order in which is asked, and of a judge's choices.

    Returns:
        (reviews by order and in the order of the questions, a report). What came for an answer and
        was no reply at all (`Report.rejected`) is a review without scores.

    Raises:
        EndpointRefuses: when the endpoint will answer no question.
    """
    wanted = {order: len(compared) for order in orders}
    queues = [
        Queue(order, compared, journal, count, seed, ask_lost) for order, count in wanted.items()
    ]
    stopped = run_queues(queues, judge, journal, seed, lambda answer, *_: answer.rejected)
    reviews = []
    for order in orders:
        for comparison in compared:
            kept = journal.kept.get((comparison.id, order))
            if kept is not None and kept.state in ("accepted", "rejected"):
                content = kept.turns[0].answer if kept.turns else ""
                reviews.append(review_of(comparison, order, content))
    there = {order: sum(review.order == order for review in reviews) for order in orders}
    missing = sum(wanted.values()) - len(reviews)
    if missing and not stopped:
        stopped = f"{missing} of {sum(wanted.values())} reviews are missing"
    return reviews, report(wanted, there, journal, stopped)
