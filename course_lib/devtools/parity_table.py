"""Makes PARITY.md: `python -m course_lib.devtools.parity_table` runs the parity tests and writes.

Each line leads from an equation to the cell that builds it, the library, the authors' file and the
proof, with the largest difference that the proof met in float32. A row without a proof raises.
"""

import json
import os
import pkgutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import nbformat

from course_lib.devtools.correspondence import rows_now
from course_lib.devtools.correspondence_row import Row
from course_lib.devtools.environment import ROOT, find_notebooks, number_of

RESULTS = ROOT / "course_lib" / "results" / "parity.jsonl"
TABLE = ROOT / "PARITY.md"
COMMAND = "python -m course_lib.devtools.parity_table"
TITLES = (
    "what",
    "equation",
    "cell",
    "library",
    "official file",
    "proof",
    "largest difference",
    "known divergence",
)
DTYPES = ("float32", "float64")
Differences = dict[str, float]  # dtype → the largest one
HEAD = f"""# What equals what, and how much

Every equation that a notebook builds by hand, the cell that builds it, the library's own code, the
authors' file, and the proof that it is the same. Where a test stands, random weights were given to
ours and to the class of transformers; the difference is the largest one in float32 (a test that is
in float64 alone says so), relative to the largest reference value above 1. Where a cell stands, it
compares with a reference that nobody here wrote, at 1e-5, and the strict pass over the notebooks
runs it again.

Made by `{COMMAND}`; a test holds each line.
"""


def run_parity_tests() -> dict[str, Differences]:
    """Runs tests/parity; returns "file::function[kind]" → the largest differences it noted.

    Raises:
        RuntimeError: when a test fails.
    """
    with tempfile.TemporaryDirectory(prefix="course-") as scratch:
        report = Path(scratch) / "report.xml"
        words = ["-q", "-n", "0", "tests/parity", f"--junitxml={report}"]
        done = subprocess.run([sys.executable, "-m", "pytest", *words], cwd=ROOT, env=os.environ)
        if done.returncode:
            raise RuntimeError("The parity tests fail: nothing was written.")
        return read_report(report)


def read_report(report: Path) -> dict[str, Differences]:
    """Reads differences from a JUnit report; parameters but the kind of LLM fall together."""
    found: dict[str, Differences] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        file = case.get("classname", "").rpartition(".")[2] + ".py"
        function, _, parameters = case.get("name", "").partition("[")
        names = {f"{file}::{function}"}
        names |= {f"{file}::{function}[{kind}]" for kind in parameters.rstrip("]").split("-")}
        for note in case.iter("property"):
            if (dtype := note.get("name")) in DTYPES:
                for name in names:
                    kept = found.setdefault(name, {})
                    kept[dtype] = max(kept.get(dtype, 0.0), float(note.get("value")))
    return found


@cache
def printed_by(path: Path) -> frozenset[str]:
    """Returns the lines that the cells of a notebook print, as they are stored."""
    lines: set[str] = set()
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            lines |= set(output.get("text", "").splitlines())
    return frozenset(lines)


def notebook_of(row: Row) -> Path | None:
    """Returns the notebook that prints a row's line: of a chapter with two files the one of both.

    The line begins with the chapter's number ("09: …"), or with that of one file ("09b: …").
    """
    number, _, line = row.line.partition(": ")
    there = (path for path in find_notebooks([number]) if f"{line}: True" in printed_by(path))
    return next(there, None)


def problems_of(row: Row, measured: dict[str, Differences]) -> list[str]:
    """Returns what is missing of a row: its line in the notebook, its symbol, its proof."""
    problems = []
    number, _, line = row.line.partition(": ")
    if notebook_of(row) is None:
        problems.append(f"no cell of notebook {number} prints {line + ': True'!r}")
    if row.symbol:
        try:
            pkgutil.resolve_name(row.symbol)
        except (ImportError, AttributeError):
            problems.append(f"{row.symbol} does not exist")
        if row.test not in measured:
            problems.append(f"the test {row.test!r} notes no difference: use `agree`")
    return [f"{row.what}: {problem}" for problem in problems]


def written(row: Row, measured: dict[str, Differences]) -> str:
    """Writes a row as a line of Markdown."""
    path, line = notebook_of(row), row.line.partition(": ")[2]
    cell = f"[{number_of(path)}](notebooks/{path.name}): “{line}”"
    proof, difference = "the cell", "< 1e-5"
    if row.test:
        file, _, function = row.test.partition("::")
        proof = f"[{function}](tests/parity/{file})"
        dtype = next(dtype for dtype in DTYPES if dtype in measured[row.test])
        value = measured[row.test][dtype]
        difference = (f"{value:.0e}" if value else "0") + " in float64" * (dtype == "float64")
    symbol = f"`{row.symbol.removeprefix('course_lib.')}`" if row.symbol else "–"
    cells = (row.what, row.equation, cell, symbol, row.official, proof, difference, row.difference)
    return f"| {' | '.join(cells)} |"


def render(measured: dict[str, Differences]) -> str:
    """Returns PARITY.md.

    Raises:
        ValueError: for rows that lack their proof; all are named.
    """
    if problems := [problem for row in rows_now() for problem in problems_of(row, measured)]:
        raise ValueError("\n".join(problems))
    lines = [f"| {' | '.join(TITLES)} |", "|---" * len(TITLES) + "|"]
    lines += [written(row, measured) for row in rows_now()]
    return f"{HEAD}\n" + "\n".join(lines) + "\n"


def read_results() -> dict[str, Differences]:
    """Returns what the parity tests noted when the table was made."""
    rows = map(json.loads, RESULTS.read_text(encoding="utf-8").splitlines())
    return {row["test"]: {dtype: row[dtype] for dtype in DTYPES if dtype in row} for row in rows}


def main() -> None:
    """Runs the tests, notes the differences of the rows' tests, writes the table."""
    measured = run_parity_tests()
    table = render(measured)
    names = sorted({row.test for row in rows_now() if row.test})
    lines = [{"test": name, **measured[name], "command": COMMAND} for name in names]
    RESULTS.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    TABLE.write_text(table, encoding="utf-8")
    print(f"{TABLE.name}: {len(rows_now())} rows")


if __name__ == "__main__":
    main()
