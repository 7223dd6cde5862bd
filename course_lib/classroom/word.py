"""The instructor's word, from which hidden inputs are drawn; made once, kept, shown to nobody."""

import os
import secrets
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "build" / "classroom"
VARIABLE = "COURSE_CLASSROOM_WORD"


def instructors_word(folder: Path | None = None) -> str:
    """Returns the word of `$COURSE_CLASSROOM_WORD` or of the file `word`, which is made at first.

    Args:
        folder: what `make classroom` writes to.
    """
    if given := os.environ.get(VARIABLE):
        return given
    path = (folder or FOLDER) / "word"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(secrets.token_hex(16), encoding="ascii")
    return path.read_text(encoding="ascii").strip()
