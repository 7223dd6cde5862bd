"""What a learner has done, kept in one file on their own machine and sent nowhere.

Each attempt is a JSON line {what, right, time}; a later line about the same thing counts, but what
was right once stays right.
"""

import json
import os
from datetime import datetime
from pathlib import Path


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
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"what": what, "right": right, "time": now}) + "\n")
    except OSError as error:
        return f"(progress was not kept: {error.strerror or error})"
    return ""


def attempts() -> dict[str, bool]:
    """Returns everything attempted and whether it was ever right; a damaged line is skipped."""
    path = progress_file()
    found: dict[str, bool] = {}
    if not path.exists():
        return found
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
            found[row["what"]] = found.get(row["what"], False) or bool(row["right"])
        except (json.JSONDecodeError, KeyError, TypeError):
            continue
    return found
