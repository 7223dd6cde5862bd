"""What people decide about proposals: accept, edit or reject, one line each, safe when interrupted.

MiniGPT-4, arXiv 2304.10592, section 3.2, has every repaired description verified by people; some
3,500 of 5,000 remained. The file has one JSON object a line and is only ever appended to:

    {"image_id": "12", "decision": "edit", "caption": "a red star is at top-left.", "of": "5a0f…"}

`of` is the proposal's `code`; a file that people write by hand may leave it out. What is decided: a
last line that was cut short does not count, all before it do. An image that is not proposed, a
second decision about one, and a decision about other words than those proposed now are refused.
Who has changed their mind takes the first one back ("undo"), and decides again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from course_lib.curation.filters import marks_fault
from course_lib.curation.proposing import Proposal
from course_lib.data.line_file import append_line, finished_lines
from course_lib.errors import unknown_name_error

ACCEPT, EDIT, REJECT = DECISIONS = ("accept", "edit", "reject")
UNDO = "undo"


@dataclass(frozen=True)
class Decision:
    """What was decided about one image.

    Args:
        image_id: of the image.
        decision: one of `DECISIONS`.
        caption: what is kept; "" of what is rejected.
        line: where in the file it stands, from 1.
    """

    image_id: str
    decision: str
    caption: str
    line: int = 0


def _decision(row: object, line: int, proposals: Mapping[str, Proposal]) -> Decision:
    """Reads one line; `image_id` may be a number in files that people write."""
    if not isinstance(row, dict) or "image_id" not in row or "decision" not in row:
        raise ValueError("It is no decision: a line holds image_id and decision.")
    image_id, decision = str(row["image_id"]), str(row["decision"])
    if decision not in (*DECISIONS, UNDO):
        raise unknown_name_error("decision", decision, (*DECISIONS, UNDO))
    proposal = proposals.get(image_id)
    if proposal is None:
        raise unknown_name_error("image", image_id, proposals)
    if row.get("of", proposal.code) != proposal.code:
        raise ValueError(
            f"Image {image_id!r} was decided about when another caption was proposed: take the "
            "line out and decide again."
        )
    caption = row.get("caption", "" if decision == EDIT else proposal.caption)
    if decision == EDIT:
        fault = marks_fault(caption) if isinstance(caption, str) else "is no text"
        if fault:
            raise ValueError(f"The edited caption of image {image_id!r} {fault}.")
    elif caption != proposal.caption:
        raise ValueError(
            f"Image {image_id!r} is decided by {decision!r} with another caption: write 'edit'."
        )
    return Decision(image_id, decision, "" if decision == REJECT else caption.strip(), line)


def _take(found: dict[str, Decision], new: Decision) -> None:
    known = found.get(new.image_id)
    if new.decision == UNDO:
        if known is None:
            raise ValueError(f"Nothing is decided about image {new.image_id!r} to be undone.")
        del found[new.image_id]
        return
    if known is not None:
        raise ValueError(
            f"Image {new.image_id!r} was decided already, in line {known.line}: take one of both "
            'lines out, or put {"image_id": …, "decision": "undo"} between them.'
        )
    found[new.image_id] = new


def _proposed(proposals: Sequence[Proposal]) -> dict[str, Proposal]:
    if not proposals:
        raise ValueError("There is no proposal to decide about: describe and repair images first.")
    return {proposal.image_id: proposal for proposal in proposals}


def read_decisions(path: Path, proposals: Sequence[Proposal]) -> dict[str, Decision]:
    """Reads a file of decisions.

    Args:
        path: of the file; one that is not there holds none.
        proposals: what is decided about.

    Returns:
        image_id → decision, in the order in which they were made.

    Raises:
        ValueError: with file and line, for a damaged line, an unknown image, a second decision
            about one, an edit without words, or a decision about another caption; without a
            proposal.
    """
    known = _proposed(proposals)
    found: dict[str, Decision] = {}
    for number, row in finished_lines(Path(path)):
        try:
            _take(found, _decision(row, number, known))
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from None
    return found


class DecisionFile:
    """The decisions about proposals, each on disk at once; opening the file again goes on.

    Args:
        path: of the file; it may not be there yet.
        proposals: what is decided about.

    Raises:
        ValueError: for a file that cannot be trusted, see `read_decisions`.
    """

    def __init__(self, path: Path, proposals: Sequence[Proposal]) -> None:
        self.path, self.proposals = Path(path), list(proposals)
        self.made = read_decisions(self.path, self.proposals)

    def decide(self, image_id: str, decision: str, caption: str | None = None) -> None:
        """Appends a decision.

        Args:
            image_id: of a proposal without one.
            decision: one of `DECISIONS`, or `UNDO` for one that has.
            caption: of an edit; one that equals the proposal is noted as accepted.

        Raises:
            ValueError: as in `read_decisions`; then nothing is written.
            OSError: when it cannot be written; then it does not count.
        """
        # Read again: another tab may have the same file open.
        self.made = read_decisions(self.path, self.proposals)
        row: dict[str, str] = {"image_id": image_id, "decision": decision}
        known = _proposed(self.proposals)
        proposal = known.get(image_id)
        if proposal is not None:
            row["of"] = proposal.code
            if decision == EDIT and caption is not None and caption.strip() == proposal.caption:
                row["decision"] = ACCEPT
            elif decision == EDIT:
                row["caption"] = (caption or "").strip()
        line = sum(1 for _ in finished_lines(self.path)) + 1
        made = dict(self.made)
        _take(made, _decision(row, line, known))
        append_line(self.path, row)
        self.made = made

    def undo(self) -> str:
        """Takes the last decision back.

        Returns:
            The image that it was about.

        Raises:
            ValueError: when there is none.
        """
        if not self.made:
            raise ValueError("Nothing is decided yet.")
        last = list(self.made)[-1]
        self.decide(last, UNDO)
        return last
