"""A limit in tokens and money that is never passed, however many answers are under way.

Before a question leaves, the most that it can cost is set aside; when its answer is there, what it
did cost replaces that. What may have been paid (a time-out, a broken reply) is counted as paid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from threading import Condition

from course_lib.instructions.teacher import NOTHING, BudgetSpent, Usage


@dataclass(frozen=True)
class Prices:
    """Money for a million tokens, in whatever currency the endpoint bills."""

    read: float = 0.0
    written: float = 0.0

    def of(self, usage: Usage) -> float:
        """Returns what these tokens cost."""
        return (usage.read * self.read + usage.written * self.written) / 1e6


@dataclass
class Budget:
    """What may be spent in all, by earlier runs on the same file of answers as well.

    Args:
        tokens: read and written together; infinite where money alone is limited.
        money: needs `prices`.
        prices: for a million tokens.

    Raises:
        ValueError: for a limit that is not positive, none at all, or money without prices.
    """

    tokens: float = math.inf
    money: float = math.inf
    prices: Prices = Prices()
    spent: Usage = field(default=NOTHING, init=False)
    _set_aside: Usage = field(default=NOTHING, init=False)
    _files: set[str] = field(default_factory=set, init=False, repr=False)
    _changed: Condition = field(default_factory=Condition, init=False, repr=False)

    def __post_init__(self) -> None:
        if math.isinf(self.tokens) and math.isinf(self.money):
            raise ValueError("A paid teacher needs a budget: give a number of tokens, or of money.")
        if not (self.tokens > 0 and self.money > 0):
            raise ValueError("A budget has to be more than zero, in tokens and in money.")
        if min(self.prices.read, self.prices.written) < 0:
            raise ValueError("Prices are not negative.")
        if math.isfinite(self.money) and self.prices == Prices():
            raise ValueError(
                "A budget in money needs the price of a million tokens, read and written."
            )

    def _fits(self, usage: Usage) -> bool:
        return usage.total <= self.tokens and self.prices.of(usage) <= self.money

    def reserve(self, most: Usage) -> None:
        """Sets aside the most that one question can cost; waits while others may give some back.

        Raises:
            BudgetSpent: when it would not fit even if all that is under way cost nothing.
        """
        with self._changed:
            while not self._fits(self.spent + self._set_aside + most):
                if not self._fits(self.spent + most):
                    raise BudgetSpent(
                        f"{self.spent.total} tokens ({self.prices.of(self.spent):.4f} in money) "
                        f"are spent and the next question can cost up to {most.total} "
                        f"({self.prices.of(most):.4f})"
                    )
                self._changed.wait()
            self._set_aside += most

    def settle(self, most: Usage, paid: Usage) -> None:
        """Gives back what was set aside and counts what was paid."""
        with self._changed:
            self._set_aside = Usage(
                self._set_aside.read - most.read, self._set_aside.written - most.written
            )
            self.spent += paid
            self._changed.notify_all()

    def spent_before(self, file: str, usage: Usage) -> None:
        """Counts what earlier runs paid, once a file: later sums hold what is paid here, too."""
        with self._changed:
            if file not in self._files:
                self._files.add(file)
                self.spent += usage
