"""What every teacher does: read an example, write an answer of one of three types.

LLaVA, arXiv 2304.08485, section 3: conversation (several turns about what is seen), detailed
description (one turn), complex reasoning (one turn that needs more than the image states).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from course_lib.instructions.symbols import Example


@dataclass(frozen=True)
class Usage:
    """Tokens that were paid for: those a teacher read and those it wrote."""

    read: int = 0
    written: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.read + other.read, self.written + other.written)

    @property
    def total(self) -> int:
        return self.read + self.written


NOTHING = Usage()


@dataclass(frozen=True)
class Turn:
    """A question and its answer.

    Args:
        question: what the human asks.
        answer: what is answered.
        key: the one word or number that has to be in a right answer, "" where none is known.
        kind: type of question ("colour", "parity", …), "" where none is known.
        facts: pieces of knowledge that the image does not state and the answer needs.
    """

    question: str
    answer: str
    key: str = ""
    kind: str = ""
    facts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What a teacher made of one example.

    Args:
        turns: one or more; empty where the answer is rejected before it could be read.
        rejected: why it cannot be used, "" where nothing speaks against it.
        usage: what it cost.
        raw: the words as they came, kept with a rejected answer.
    """

    turns: tuple[Turn, ...] = ()
    rejected: str = ""
    usage: Usage = NOTHING
    raw: str = ""


class Unanswered(Exception):
    """No answer came, after every attempt; another example may fare better.

    Args:
        reason: what happened last.
        usage: what may have been paid all the same.
    """

    def __init__(self, reason: str, usage: Usage = NOTHING) -> None:
        super().__init__(reason)
        self.usage = usage


class BudgetSpent(Exception):
    """The next question could pass the budget, so it is not asked; `usage` as in `Unanswered`."""

    def __init__(self, reason: str, usage: Usage = NOTHING) -> None:
        super().__init__(reason)
        self.usage = usage


class Asked(Protocol):
    """What a teacher is asked about: an `Example`, or the comparison that a judge makes."""

    @property
    def id(self) -> str:
        """Returns its name in the journal."""


class Teacher(Protocol):
    """Anything that answers.

    `concurrency` says how many examples a paid teacher takes at a time, each in its own thread; 0
    is for a teacher that costs nothing and answers in the caller's.
    """

    name: str
    concurrency: int

    def answer(
        self,
        example: Example,
        type: str,
        rng: np.random.Generator,
        asking: Callable[[Usage], None],
    ) -> Answer:
        """Answers about one example.

        Args:
            example: what is known about the image.
            type: "conversation", "detail" or "reasoning".
            rng: the source of every choice, so that the same example gets the same answer.
            asking: called right before something is paid for, with the most it can cost.

        Raises:
            Unanswered: when no answer came.
            BudgetSpent: when asking could pass the budget.
        """

    def spent_before(self, file: str, usage: Usage) -> None:
        """Learns what a file of answers has cost so far; told again, it is not added again."""
