"""What a learner has done, kept in one file on their own machine and sent nowhere.

Each attempt is a JSON line {what, right, time}; a later line about the same thing counts, but what
was right once stays right.
"""

import json
import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from course_lib.teach.quizzes import quiz_objectives
from course_lib.teach.task import exercise_ids, find_exercise


@dataclass(frozen=True)
class Kept:
    """What the progress file holds.

    Args:
        attempts: "exercise 03.itg_mask" or "quiz 03.2" → whether it was ever right.
        lines: how many attempts there were.
        trouble: a sentence where something could not be read, or else nothing.
    """

    attempts: dict[str, bool] = field(default_factory=dict)
    lines: int = 0
    trouble: str = ""


def progress_file() -> Path:
    """Returns where attempts are kept: `$COURSE_PROGRESS`, or .course/ in the repository."""
    given = os.environ.get("COURSE_PROGRESS")
    return Path(given) if given else Path(__file__).parents[2] / ".course" / "progress.jsonl"


def note(what: str, right: bool) -> str:
    """Notes an attempt; returns a sentence where it could not be kept, or else nothing.

    Args:
        what: "exercise 03.itg_mask" or "quiz 03.2".
        right: whether it was.
    """
    path = progress_file()
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    line = json.dumps({"what": what, "right": right, "time": now}).encode() + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as stream:
            # Behind a line that was cut short this one would be lost with it.
            if stream.seek(0, os.SEEK_END):
                stream.seek(-1, os.SEEK_END)
                line = line if stream.read() == b"\n" else b"\n" + line
            stream.write(line)
    except OSError as error:
        return f"(progress was not kept: {error.strerror or error})"
    return ""


def read_progress() -> Kept:
    """Reads the progress file; a damaged line is skipped and counted, and nothing raises."""
    path = progress_file()
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return Kept()
    except OSError as error:
        return Kept(trouble=f"{path} cannot be read: {error.strerror or error}.")
    found: dict[str, bool] = {}
    rows = [row for row in map(_row_of, lines) if row is not None]
    for what, right in rows:
        found[what] = found.get(what, False) or right
    damaged = sum(1 for line in lines if line.strip()) - len(rows)
    trouble = f"{damaged} of {len(lines)} lines of {path} are damaged: they count for nothing."
    return Kept(found, len(rows), trouble if damaged else "")


def _row_of(line: str) -> tuple[str, bool] | None:
    try:
        row = json.loads(line)
        what, right = row["what"], row["right"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return (what, right) if isinstance(what, str) and isinstance(right, bool) else None


def attempts() -> dict[str, bool]:
    """Returns everything attempted and whether it was ever right; a damaged line is skipped."""
    return read_progress().attempts


def forget_progress() -> str:
    """Removes the progress file, and returns a sentence that says what it held.

    Raises:
        ValueError: where it cannot be removed.
    """
    kept, path = read_progress(), progress_file()
    try:
        path.unlink()
    except FileNotFoundError:
        return f"There was no progress to remove: {path} does not exist."
    except OSError as error:
        raise ValueError(f"{path} was not removed: {error.strerror or error}.") from None
    right = sum(kept.attempts.values())
    what = f"attempts: {kept.lines}, at {len(kept.attempts)} exercises and questions, {right} right"
    return f"{path} is removed; it held {what}."


def objectives_of_checks() -> dict[str, str]:
    """Returns "exercise 03.itg_mask" or "quiz 03.2" → objective, for all that `note` is told."""
    exercises = {f"exercise {name}": find_exercise(name).objective for name in exercise_ids()}
    return exercises | quiz_objectives()
