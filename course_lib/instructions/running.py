"""A run over queues of questions: inline for a teacher that is free, a few threads for a paid one.

What is asked need not be an image: the judge of `course_lib.evaluation` runs here, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from course_lib.instructions.journal import Journal
from course_lib.instructions.queues import Fault, Queue, ask
from course_lib.instructions.teacher import (
    NOTHING,
    Answer,
    Asked,
    BudgetSpent,
    Teacher,
    Unanswered,
    Usage,
)
from course_lib.instructions.validate import answer_fault

# A paid teacher that only ever fails is stopped before it has emptied the queue, or the purse.
UNANSWERED_IN_A_ROW = 5
REJECTED_IN_A_ROW = 50


@dataclass
class Report:
    """What a run found and left.

    Args:
        wanted: answers of each type.
        accepted: how many there are.
        rejected: reason → answers.
        failed: questions that nobody answered; the next run asks them again.
        lost: questions under way when a run was killed.
        spent: tokens of all runs.
        stopped: why the run ended before everything was there, "" where it did not.
    """

    wanted: dict[str, int]
    accepted: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    failed: int = 0
    lost: int = 0
    spent: Usage = NOTHING
    stopped: str = ""


class _Run:
    """One run over the queues."""

    def __init__(
        self,
        queues: list[Queue],
        ask: Callable[[Asked, str], Answer | Unanswered],
        concurrency: int,
    ) -> None:
        self.queues, self.ask, self.concurrency = queues, ask, concurrency
        self.unanswered = self.rejected = 0
        self.stopped = ""

    def _next(self) -> tuple[Queue, Asked] | None:
        """Returns what to ask next, of the type that lags most: a run may end at any moment."""
        for queue in sorted(self.queues, key=Queue.progress):
            asked = None if self.stopped else queue.next()
            if asked is not None:
                queue.under_way += 1
                return queue, asked
        return None

    def _take(self, queue: Queue, outcome: Answer | Unanswered) -> None:
        queue.under_way -= 1
        if isinstance(outcome, Unanswered):
            self.unanswered += 1
        else:
            self.unanswered = 0
            queue.accepted += not outcome.rejected
            self.rejected = self.rejected + 1 if outcome.rejected else 0
        if self.stopped or not self.concurrency:
            return
        if self.unanswered >= UNANSWERED_IN_A_ROW:
            self.stopped = f"{self.unanswered} questions in a row got no answer; last: {outcome}"
        if self.rejected >= REJECTED_IN_A_ROW:
            reason = outcome.rejected
            self.stopped = f"{self.rejected} answers in a row were rejected; last: {reason}"

    def inline(self) -> None:
        """Asks one after another."""
        while (found := self._next()) is not None:
            queue, asked = found
            self._take(queue, self.ask(asked, queue.type))

    def threaded(self) -> None:
        """Asks several at a time; an interruption waits for what is under way, which is paid."""
        running: dict[Future, Queue] = {}
        with ThreadPoolExecutor(self.concurrency) as pool:
            while True:
                while len(running) < self.concurrency and (found := self._next()) is not None:
                    queue, asked = found
                    running[pool.submit(self.ask, asked, queue.type)] = queue
                if not running:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    self._finish(running.pop(future), future)

    def _finish(self, queue: Queue, future: Future) -> None:
        try:
            self._take(queue, future.result())
        except BudgetSpent as spent:
            queue.under_way -= 1
            self.stopped = self.stopped or f"the budget would be passed: {spent}"


def run_queues(
    queues: list[Queue],
    teacher: Teacher,
    journal: Journal,
    seed: int = 0,
    fault: Fault = answer_fault,
) -> str:
    """Asks what is missing in the queues; every answer is noted in the journal at once.

    Args:
        queues: one a type.
        teacher: or a judge.
        journal: what earlier runs left.
        seed: of every choice of the teacher.
        fault: says why an answer cannot be used, "" where it can.

    Returns:
        Why the run was stopped, "" where it was not.

    Raises:
        EndpointRefuses: when the endpoint will answer no question.
    """
    teacher.spent_before(str(journal.path.resolve()), journal.spent())
    run = _Run(
        queues,
        lambda asked, type: ask(asked, type, teacher, journal, seed, fault),
        teacher.concurrency,
    )
    if teacher.concurrency:
        run.threaded()
    else:
        run.inline()
    return run.stopped


def report(
    wanted: Mapping[str, int], accepted: Mapping[str, int], journal: Journal, stopped: str
) -> Report:
    """Returns what a journal tells about a run."""
    states = Counter(kept.state for kept in journal.kept.values())
    reasons = Counter(k.reason for k in journal.kept.values() if k.state == "rejected")
    return Report(
        dict(wanted),
        dict(accepted),
        dict(reasons.most_common()),
        states["failed"],
        states["asked"],
        journal.spent(),
        stopped,
    )
