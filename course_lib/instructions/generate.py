"""From examples to a set of instructions: which are asked, what is kept, and how to go on.

The proportions are LLaVA's 58K : 23K : 77K (arXiv 2304.08485, section 3) or others. An image whose
answer is rejected is replaced by the next one in the queue of its type, so that the proportions
hold; whatever is in the journal is never asked again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from course_lib.instructions.journal import Journal, Kept
from course_lib.instructions.llava_json import llava_record
from course_lib.instructions.mix import PAPER_MIX, wanted
from course_lib.instructions.queues import Ask, Queue, ask
from course_lib.instructions.symbols import TYPES, Example
from course_lib.instructions.teacher import (
    NOTHING,
    Answer,
    BudgetSpent,
    Teacher,
    Unanswered,
    Usage,
)

# A paid teacher that only ever fails is stopped before it has emptied the queue, or the purse.
UNANSWERED_IN_A_ROW = 5
REJECTED_IN_A_ROW = 50


@dataclass(frozen=True)
class Request:
    """What to make.

    Args:
        samples: of all types; None makes about two an image (`mix.default_samples`).
        mix: conversation, detail and reasoning, in proportion.
        seed: decides which images are asked and what is drawn for them.
        ask_lost: True asks again what was under way when an earlier run was killed; it may have
            been paid then, and would be paid twice.
    """

    samples: int | None = None
    mix: tuple[float, float, float] = PAPER_MIX
    seed: int = 0
    ask_lost: bool = False


@dataclass
class Report:
    """What a run found and left.

    Args:
        wanted: samples of each type.
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
    """One run over the queues: inline for a free teacher, a few threads for a paid one."""

    def __init__(self, queues: list[Queue], ask: Ask, concurrency: int) -> None:
        self.queues, self.ask, self.concurrency = queues, ask, concurrency
        self.unanswered = self.rejected = 0
        self.stopped = ""

    def _next(self) -> tuple[Queue, Example] | None:
        """Returns what to ask next, of the type that lags most: a run may end at any moment."""
        for queue in sorted(self.queues, key=Queue.progress):
            example = None if self.stopped else queue.next()
            if example is not None:
                queue.under_way += 1
                return queue, example
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
            queue, example = found
            self._take(queue, self.ask(example, queue.type))

    def threaded(self) -> None:
        """Asks several at a time; an interruption waits for what is under way, which is paid."""
        running: dict[Future, Queue] = {}
        with ThreadPoolExecutor(self.concurrency) as pool:
            while True:
                while len(running) < self.concurrency and (found := self._next()) is not None:
                    queue, example = found
                    running[pool.submit(self.ask, example, queue.type)] = queue
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


def generate(
    examples: Sequence[Example], teacher: Teacher, journal: Journal, request: Request = Request()
) -> tuple[dict[str, list[tuple[Example, Kept]]], Report]:
    """Makes what is missing in the journal.

    Args:
        examples: with different ids.
        teacher: rules, or an endpoint.
        journal: what earlier runs left; every answer is noted in it at once.
        request: how many of what.

    Returns:
        (type → (example, answer), in the order of the queue; a report).

    Raises:
        ValueError: when two examples share an id, or more is wanted than there are images.
        EndpointRefuses: when the endpoint will answer no question.
    """
    if len({example.id for example in examples}) != len(examples):
        twice = Counter(example.id for example in examples).most_common(1)[0][0]
        raise ValueError(f"Two images share the id {twice!r}: give each its own file name.")
    counts = wanted(len(examples), request.samples, request.mix)
    teacher.spent_before(str(journal.path.resolve()), journal.spent())
    queues = [
        Queue(type, examples, journal, counts[type], request.seed, request.ask_lost)
        for type in TYPES
    ]
    run = _Run(
        queues, lambda e, type: ask(e, type, teacher, journal, request.seed), teacher.concurrency
    )
    if teacher.concurrency:
        run.threaded()
    else:
        run.inline()
    made = {queue.type: list(queue.results()) for queue in queues}
    return made, _report(counts, made, journal, run.stopped)


def _report(counts: dict[str, int], made: dict, journal: Journal, stopped: str) -> Report:
    states = Counter(kept.state for kept in journal.kept.values())
    reasons = Counter(k.reason for k in journal.kept.values() if k.state == "rejected")
    accepted = {type: len(rows) for type, rows in made.items()}
    if not stopped and accepted != counts:
        short = next(type for type in TYPES if accepted[type] < counts[type])
        stopped = f"no image is left that gives a sample of type {short}"
    return Report(
        counts,
        accepted,
        dict(reasons.most_common()),
        states["failed"],
        states["asked"],
        journal.spent(),
        stopped,
    )


def records(
    made: dict[str, list[tuple[Example, Kept]]], placement: str = "random", seed: int = 0
) -> dict[str, list[dict]]:
    """Writes accepted answers as LLaVA's records, type by type."""
    return {
        type: [llava_record(e.id, e.image, type, kept.turns, placement, seed) for e, kept in rows]
        for type, rows in made.items()
    }
