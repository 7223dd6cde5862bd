"""From descriptions to proposals: repaired, filtered, and ready for people to decide about."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from course_lib.curation.describing import Described, check_once
from course_lib.curation.filters import caption_fault
from course_lib.curation.repairers import REPAIR
from course_lib.data.line_file import finished_lines
from course_lib.errors import atomic_path
from course_lib.evaluation.failures import TOY, Rules
from course_lib.instructions.journal import Journal
from course_lib.instructions.queues import Queue
from course_lib.instructions.running import Report, report, run_queues
from course_lib.instructions.teacher import Answer, Teacher


@dataclass(frozen=True)
class Proposal:
    """A pair that people decide about.

    Args:
        image_id: of the image.
        caption: repaired; what is kept if it is accepted.
        said: what the stage-1 model had written.
    """

    image_id: str
    caption: str
    said: str = ""

    @property
    def code(self) -> str:
        """Returns what a decision names it by: it belongs to this very caption."""
        whole = json.dumps([self.image_id, self.caption]).encode()
        return hashlib.sha256(whole).hexdigest()[:12]


def propose(
    described: Sequence[Described],
    teacher: Teacher,
    journal: Journal,
    rules: Rules = TOY,
    seed: int = 0,
    ask_lost: bool = False,
) -> tuple[list[Proposal], Report]:
    """Repairs what the journal lacks; nothing that is in it is paid again.

    Args:
        described: with different ids.
        teacher: `RuleRepairer` or `EndpointRepairer`.
        journal: what earlier runs left; every answer is noted in it at once, those that a filter
            rejects with the reason.
        rules: of the filters, see `caption_fault`.
        seed: of the order in which is asked.
        ask_lost: True asks again what was under way when an earlier run was killed; it may have
            been paid then.

    Returns:
        (proposals in the order of `described`, a report).

    Raises:
        ValueError: for an image that is described twice.
        EndpointRefuses: when the endpoint will answer no question.
    """
    check_once([one.id for one in described])
    queue = Queue(REPAIR, described, journal, len(described), seed, ask_lost)

    def fault(answer: Answer, one: Described, type: str) -> str:
        if answer.rejected:
            return answer.rejected
        why = caption_fault(answer.turns[0].answer, one.text, rules)
        return f"the caption {why}" if why else ""

    stopped = run_queues([queue], teacher, journal, seed, fault)
    made = {one.id: kept.turns[0].answer for one, kept in queue.results()}
    proposals = [Proposal(one.id, made[one.id], one.text) for one in described if one.id in made]
    counts = {REPAIR: len(described)}, {REPAIR: len(proposals)}
    return proposals, report(*counts, journal, stopped)


def write_proposals(proposals: Sequence[Proposal], path: Path) -> None:
    """Writes proposals as JSON lines: image_id, caption, said."""
    rows = [{"image_id": p.image_id, "caption": p.caption, "said": p.said} for p in proposals]
    with atomic_path(path) as unfinished:
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
        unfinished.write_text("".join(lines), encoding="utf-8")


def read_proposals(path: Path) -> list[Proposal]:
    """Reads what `write_proposals` wrote.

    Raises:
        ValueError: for a file that is not there or holds something else, with the line.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} is not there: make the proposals first.")
    found = []
    for number, row in finished_lines(path):
        fields = ("image_id", "caption", "said")
        if not isinstance(row, dict) or not all(isinstance(row.get(f), str) for f in fields):
            lacks = " or ".join(fields)
            raise ValueError(f"{path}, line {number}, is no proposal: it lacks {lacks}.")
        found.append(Proposal(*(row[field] for field in fields)))
    check_once([proposal.image_id for proposal in found])
    return found
