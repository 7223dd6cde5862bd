"""How a script that asks a teacher ends: what it cost, what was refused, what goes on."""

from __future__ import annotations

import sys
from collections.abc import Callable

from course_lib import errors
from course_lib.instructions.running import Report


def tell_report(report: Report, most_reasons: int = 10) -> None:
    """Prints what was rejected, what got no answer, and how many tokens were paid for."""
    for reason, count in list(report.rejected.items())[:most_reasons]:
        print(f"rejected {count}: {reason}")
    if report.failed or report.lost:
        print(f"without an answer: {report.failed} failed, {report.lost} under way when killed")
    if report.spent.total:
        print(f"tokens: {report.spent.read} read, {report.spent.written} written")


def exit_code(name: str, run: Callable[[], Report | None]) -> int:
    """Runs a script's work; see `errors.exit_code`.

    Args:
        name: of the script.
        run: does the work; a report that stopped early is told.

    Returns:
        0; 1 where something was refused or is not whole; 130 after an interruption.
    """

    def work() -> int:
        report = run()
        if report is None or not report.stopped:
            return 0
        print(f"{name}: stopped early: {report.stopped}.", file=sys.stderr)
        return 1

    return errors.exit_code(name, work)
