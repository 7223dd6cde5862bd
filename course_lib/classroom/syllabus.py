"""`docs/syllabus.md`, six weeks and two days: `python -m course_lib.classroom.syllabus`.

Nothing here is guessed but the minutes of talk. Reading is counted and computing measured, as each
notebook's header says (`course_lib/devtools/minutes.py`); an exercise's minutes stand in its file.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat

from course_lib.devtools.environment import NOTEBOOKS, ROOT, find_notebooks
from course_lib.devtools.minutes import LINE
from course_lib.errors import atomic_path
from course_lib.teach.task import find_exercise

TARGET = ROOT / "docs" / "syllabus.md"
TALK = 15  # minutes that a class talks about a notebook: the one number that nobody measured
WEEK, DAY = 480, 360  # the most minutes that a week and a day of the workshop may take
WEEKS = (
    ("two models that see", ("00", "01")),
    ("a language model, and what it may read of a picture", ("02", "03")),
    ("speaking through a frozen language model", ("04", "05")),
    ("instructions: their data, and a model that follows them", ("06", "07")),
    ("little data, many images", ("08", "09")),
    ("moving, comparing, growing", ("10", "11", "12")),
)
# The workshop reads whole notebooks and does a few exercises of each.
DAYS = (
    (
        "from patches to a sentence",
        {
            "00": ("00.row_length",),
            "03": ("03.read_patches", "03.one_layer", "03.itg_mask"),
            "04": ("04.fill_places", "04.caption_loss", "04.train_only"),
        },
    ),
    (
        "from captions to a chat",
        {
            "06": ("06.boxes_to_symbols", "06.leaks"),
            "07": ("07.mlp_projector", "07.chat_string", "07.answer_labels"),
            "08": ("08.prompt_tokens", "08.curated_labels"),
        },
    ),
)
_READ = re.compile(r"about (\d+) minutes to read")
_DO = re.compile(r"(\d+) for the exercise")
_WAIT = re.compile(r"(\d+) of computing")


@dataclass(frozen=True)
class Minutes:
    """What a notebook takes: minutes to read, for its exercises, and of one CPU thread."""

    read: int
    exercises: int
    computing: int

    @property
    def in_all(self) -> int:
        """With the talk; a notebook computes while it is read."""
        return self.read + self.exercises + TALK


def minutes_of(path: Path) -> Minutes | None:
    """Reads a notebook's header; None where it has no time yet."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        found = LINE.search(cell.source) if cell.cell_type == "markdown" else None
        if found:
            parts = (pattern.search(found.group()) for pattern in (_READ, _DO, _WAIT))
            return Minutes(*(int(part.group(1)) if part else 0 for part in parts))
    return None


def notebooks_of(number: str) -> list[Path]:
    """Returns the notebooks of a chapter, such as 09a and 09b of 09."""
    return [path for path in find_notebooks() if re.match(rf"{number}[ab]?_", path.name)]


def title_of(path: Path) -> str:
    """Returns a notebook's title."""
    first = nbformat.read(path, as_version=4).cells[0].source
    return first.splitlines()[0].lstrip("# ").strip()


def syllabus() -> str:
    """Returns the document."""
    return "\n\n".join([_HEAD, *_weeks(), _WORKSHOP, *_days(), _TAIL]) + "\n"


def _weeks() -> list[str]:
    parts = []
    for week, (says, numbers) in enumerate(WEEKS, start=1):
        rows, total = [], 0
        for number in numbers:
            for path in notebooks_of(number):
                row, taken = _row(path, minutes_of(path))
                rows.append(row)
                total += taken
        parts.append(_table(f"### Week {week}: {says}", rows, total))
    return parts


def _days() -> list[str]:
    parts = []
    for day, (says, chosen) in enumerate(DAYS, start=1):
        rows, total = [], 0
        for number, names in chosen.items():
            for path in notebooks_of(number):
                found = minutes_of(path)
                picked = sum(find_exercise(name).minutes for name in names)
                row, taken = _row(path, found and Minutes(found.read, picked, found.computing))
                rows.append(row)
                total += taken
        done = ", ".join(f"`{name}`" for names in chosen.values() for name in names)
        table = _table(f"### Day {day}: {says}", rows, total)
        parts.append(f"{table}\n\nExercises: {done}.")
    return parts


def _row(path: Path, found: Minutes | None) -> tuple[str, int]:
    number = path.stem.split("_")[0]
    link = f"[{title_of(path)}](../{NOTEBOOKS.name}/{path.name})"
    if found is None:
        return f"| {number} | {link}, *not measured yet* | | | | |", 0
    numbers = f"{found.read} | {found.exercises} | {found.computing} | {found.in_all}"
    return f"| {number} | {link} | {numbers} |", found.in_all


def _table(title: str, rows: list[str], total: int) -> str:
    head = "| # | notebook | read | exercises | computing | in all |\n|---|---|---|---|---|---|"
    hours = f"{total // 60} h {total % 60:02d} min" if total else "not known yet"
    return f"{title}\n\n{head}\n" + "\n".join(rows) + f"\n\nIn all: {hours}."


_HEAD = f"""# Syllabus

Made by `python -m course_lib.classroom.syllabus`; do not edit by hand. All numbers are minutes.
*Read* is counted: words and lines of code, at a pace slow enough to follow a formula. *Exercises*
is the sum of what each exercise states. *Computing* was measured on one CPU thread; a notebook
computes while it is read. *In all* is reading, exercises and {TALK} minutes of talk with the class,
the one number here that is an assumption.

## Six weeks

At most {WEEK // 60} hours a week, at home or in class. Work is handed in at the end of the week
and graded by `make classroom SUBMISSIONS=folder`."""
_WORKSHOP = f"""## A workshop of two days

At most {DAY // 60} hours a day. Whole notebooks, few exercises: those without which the next step
makes no sense. The others are for the way home."""
_TAIL = """## Before the first day

- Each machine: `make lab` once, with the network; later nothing is fetched.
- The instructor: `make classroom`, then read the notes in `build/classroom/source/`, and hand out
  `build/classroom/release/`. See [classroom/README.md](../classroom/README.md)."""


def main() -> int:
    """Writes the document."""
    TARGET.parent.mkdir(exist_ok=True)
    with atomic_path(TARGET) as temporary:
        temporary.write_text(syllabus(), encoding="utf-8")
    print(f"{TARGET.relative_to(ROOT)}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
