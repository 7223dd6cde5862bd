"""From examples to a set of instructions: which are asked, what is kept, and how to go on.

The proportions are LLaVA's 58K : 23K : 77K (arXiv 2304.08485, section 3) or others. An image whose
answer is rejected is replaced by the next one in the queue of its type, so that the proportions
hold; whatever is in the journal is never asked again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from course_lib.instructions.journal import Journal, Kept
from course_lib.instructions.llava_json import llava_record
from course_lib.instructions.mix import PAPER_MIX, wanted
from course_lib.instructions.queues import Queue
from course_lib.instructions.running import Report, report, run_queues
from course_lib.instructions.symbols import TYPES, Example
from course_lib.instructions.teacher import Teacher


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
    queues = [
        Queue(type, examples, journal, counts[type], request.seed, request.ask_lost)
        for type in TYPES
    ]
    stopped = run_queues(queues, teacher, journal, request.seed)
    made = {queue.type: list(queue.results()) for queue in queues}
    accepted = {type: len(rows) for type, rows in made.items()}
    if not stopped and accepted != counts:
        short = next(type for type in TYPES if accepted[type] < counts[type])
        stopped = f"no image is left that gives a sample of type {short}"
    return made, report(counts, accepted, journal, stopped)


def records(
    made: dict[str, list[tuple[Example, Kept]]], placement: str = "random", seed: int = 0
) -> dict[str, list[dict]]:
    """Writes accepted answers as LLaVA's records, type by type."""
    return {
        type: [llava_record(e.id, e.image, type, kept.turns, placement, seed) for e, kept in rows]
        for type, rows in made.items()
    }
