"""The queue of each type: what is asked next, and how an answer is checked and noted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from course_lib.instructions.chat_endpoint import EndpointRefuses
from course_lib.instructions.journal import Journal, Kept, Key
from course_lib.instructions.mix import rank
from course_lib.instructions.teacher import NOTHING, Answer, Asked, BudgetSpent, Teacher, Unanswered

# Says why an answer of a type cannot be used, "" where it can.
Fault = Callable[[Answer, Asked, str], str]


class Queue:
    """The examples of one type in the order in which they are asked, and what is missing."""

    def __init__(
        self,
        type: str,
        examples: Sequence[Asked],
        journal: Journal,
        count: int,
        seed: int,
        ask_lost: bool,
    ) -> None:
        order = sorted(examples, key=lambda example: rank(seed, type, example.id))
        self.type, self.order, self.journal, self.count = type, order, journal, count
        if ask_lost:
            self._give_up_lost()
        kept = [journal.kept.get((example.id, type)) for example in order]
        self.accepted = sum(found is not None and found.state == "accepted" for found in kept)
        self.under_way = 0
        self._open = iter(
            [e for e, k in zip(order, kept, strict=True) if k is None or k.state == "failed"]
        )

    def _give_up_lost(self) -> None:
        """Notes what a killed run had under way as failed, and as paid at its most."""
        for example in self.order:
            key: Key = (example.id, self.type)
            kept = self.journal.kept.get(key)
            if kept is not None and kept.state == "asked":
                self.journal.over(key, Answer(rejected=kept.reason, usage=kept.open), "failed")

    def next(self) -> Asked | None:
        """Returns the next example to ask, None while nothing (more) is wanted."""
        if self.accepted + self.under_way >= self.count:
            return None
        return next(self._open, None)

    def progress(self) -> float:
        """Returns the share of what is wanted that is there or under way."""
        return (self.accepted + self.under_way) / max(self.count, 1)

    def results(self) -> Iterator[tuple[Asked, Kept]]:
        """Yields the accepted answers, as many as are wanted."""
        left = self.count
        for example in self.order:
            kept = self.journal.kept.get((example.id, self.type))
            if left > 0 and kept is not None and kept.state == "accepted":
                left -= 1
                yield example, kept


def choices(seed: int, type: str, id: str) -> np.random.Generator:
    """Returns the source of all choices for one question, whenever and where it is asked."""
    return np.random.default_rng(int.from_bytes(rank(seed, type, id), "big"))


def ask(
    example: Asked, type: str, teacher: Teacher, journal: Journal, seed: int, fault: Fault
) -> Answer | Unanswered:
    """Asks, checks and notes one answer."""
    key: Key = (example.id, type)
    rng = choices(seed, type, example.id)
    try:
        answer = teacher.answer(example, type, rng, lambda most: journal.asked(key, most))
    except Unanswered as none:
        journal.over(key, Answer(rejected=str(none), usage=none.usage), "failed")
        return none
    except (BudgetSpent, EndpointRefuses) as stop:
        if key in journal.kept:
            usage = getattr(stop, "usage", NOTHING)
            journal.over(key, Answer(rejected=str(stop), usage=usage), "failed")
        raise
    answer = replace(answer, rejected=fault(answer, example, type))
    journal.over(key, answer, "rejected" if answer.rejected else "accepted")
    return answer
