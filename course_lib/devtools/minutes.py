"""Minutes in the notebooks' headers: `python -m course_lib.devtools.minutes [--measure] [03 04]`.

A learner plans an evening by this line, so it is counted and measured, not guessed:

- reading: words at WORDS_A_MINUTE and lines of code at LINES_A_MINUTE, slow enough to follow a
  formula and to look at a cell's output; hints, solutions and stubs do not count;
- exercises: the sum of what each exercise's file states;
- computing: processor time of one thread from the first cell to the last, imports included, as
  `--measure` notes it in `course_lib/results/minutes.jsonl`.

Reading and exercises are rounded to ten minutes, computing up to whole ones.
"""

import argparse
import json
import math
import re
import resource
import sys
import tempfile
from pathlib import Path

import nbformat

from course_lib.devtools.bands import note
from course_lib.devtools.environment import ROOT, find_notebooks, number_of
from course_lib.devtools.execute import prepare_kernels, run_notebook, write_notebook
from course_lib.devtools.exercise_cells import exercise_of
from course_lib.teach.task import find_exercise

RESULTS = ROOT / "course_lib" / "results" / "minutes.jsonl"
README = ROOT / "README.md"
WORDS_A_MINUTE, LINES_A_MINUTE = 100, 15
LINE = re.compile(r"\*\*Time\*\*: [^.]*\.")
_FOLDED = re.compile(r"<details>.*?</details>", re.DOTALL)
_NOT_READ = re.compile(r"!\[[^\]]*\]\([^)]*\)|\]\([^)]*\)|<[^>]+>")


def words_in(notebook: nbformat.NotebookNode) -> int:
    """Returns how many words a learner reads, without hints, solutions and addresses."""
    count = 0
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            count += len(_NOT_READ.sub(" ", _FOLDED.sub(" ", cell.source)).split())
    return count


def code_lines_in(notebook: nbformat.NotebookNode) -> int:
    """Returns how many lines of code there are to read, without stubs, imports and empty lines."""
    lines = []
    for cell in notebook.cells:
        if cell.cell_type == "code" and not exercise_of(cell):
            lines += [line.strip() for line in cell.source.splitlines()]
    return sum(bool(line) and not line.startswith(("import ", "from ")) for line in lines)


def tens(minutes: float) -> int:
    """Returns minutes rounded to tens, at least ten."""
    return max(10, 10 * round(minutes / 10))


def computing(path: Path) -> int:
    """Returns the measured minutes of computing, rounded up.

    Raises:
        ValueError: when the notebook was never measured.
    """
    rows = [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]
    found = [row["core_seconds"] for row in rows if row["notebook"] == path.stem]
    if not found:
        command = f"python -m course_lib.devtools.minutes --measure {number_of(path)}"
        raise ValueError(f"{path.name} was never measured: run {command}")
    return math.ceil(found[-1] / 60)


def time_line(path: Path) -> str:
    """Returns the sentence that a notebook's header has to hold.

    Raises:
        ValueError: when the notebook was never measured.
    """
    notebook = nbformat.read(path, as_version=4)
    reading = words_in(notebook) / WORDS_A_MINUTE + code_lines_in(notebook) / LINES_A_MINUTE
    own = set(filter(None, map(exercise_of, notebook.cells)))
    parts = [f"about {tens(reading)} minutes to read"]
    if own:
        total = tens(sum(find_exercise(name).minutes for name in own))
        parts.append(f"{total} for the exercise{'s' * (len(own) > 1)}")
    return f"**Time**: {', '.join(parts)}, {computing(path)} of computing on one CPU thread."


def measure(path: Path) -> float:
    """Executes a notebook without storing it and notes its processor time; returns the seconds."""

    def used() -> float:
        total = resource.getrusage(resource.RUSAGE_CHILDREN)
        return total.ru_utime + total.ru_stime

    before = used()
    run_notebook(path)
    seconds = round(used() - before)
    command = f"python -m course_lib.devtools.minutes --measure {number_of(path)}"
    row = {"notebook": path.stem, "command": command, "core_seconds": seconds}
    note(row, RESULTS, same=("notebook",))
    return seconds


def renew(path: Path) -> str:
    """Writes the line into the notebook's header, and returns it.

    Raises:
        ValueError: when no cell of Markdown has such a line.
    """
    notebook, line = nbformat.read(path, as_version=4), time_line(path)
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and LINE.search(cell.source):
            cell.source = LINE.sub(line, cell.source, count=1)
            write_notebook(notebook, path)
            return line
    raise ValueError(f"{path.name} has no sentence that begins with '**Time**: '.")


def main() -> int:
    """Measures if asked to, then renews the line of the named notebooks."""
    parser = argparse.ArgumentParser(description="Count and measure a notebook's minutes.")
    parser.add_argument("names", nargs="*", help="beginnings of file names, such as 03")
    parser.add_argument("--measure", action="store_true", help="run and note the processor time")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="course-", ignore_cleanup_errors=True) as scratch:
        prepare_kernels(Path(scratch))
        for path in find_notebooks(options.names):
            if options.measure:
                print(f"{path.name}: {measure(path):.0f} s of processor time", flush=True)
            print(f"{path.name}: {renew(path)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
