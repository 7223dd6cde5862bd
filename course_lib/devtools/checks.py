"""The test targets: `python -m course_lib.devtools.checks test|test-fast|test-slow|bars|bench`.

Every target ends with one line, `test: 123 passed, 0 failed`, and exits non-zero when one failed.
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from course_lib.devtools.environment import (
    NOTEBOOKS,
    ROOT,
    SANITIZE,
    cores,
    find_notebooks,
    find_with_clinics,
    offline_environment,
)
from course_lib.devtools.install_browser import browser_problem

# A training cell may take four minutes of a quiet core; a busy machine takes half as long again.
CELL_TIMEOUT = 600
NO_TESTS_COLLECTED = 5


@dataclass
class Counts:
    """How many tests passed, failed (errors included) and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped
        )

    def line(self) -> str:
        """Returns `N passed, N failed`, with the skipped ones where there are any."""
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def read_report(report: Path, exit_code: int) -> Counts:
    """Counts a JUnit file; a run that failed without a failed test counts as one failure."""
    counts = Counts()
    if report.exists():
        for suite in ElementTree.parse(report).getroot().iter("testsuite"):
            bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            skipped = int(suite.get("skipped", 0))
            # An error in a teardown belongs to a test that passed: never count below zero.
            passed = max(0, int(suite.get("tests", 0)) - bad - skipped)
            counts += Counts(passed, bad, skipped)
    if exit_code not in (0, NO_TESTS_COLLECTED) and counts.failed == 0:
        counts.failed = 1
    return counts


def run_pytest(title: str, arguments: list[str], scratch: Path) -> Counts:
    """Runs pytest in a process of its own, its output shown as it comes."""
    print(f"\n== {title}", flush=True)
    report = scratch / f"report-{len(list(scratch.glob('report-*')))}.xml"
    call = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *arguments]
    environment = {**os.environ, **offline_environment(scratch)}
    started = time.monotonic()
    exit_code = subprocess.run(call, cwd=ROOT, env=environment).returncode
    counts = read_report(report, exit_code)
    print(f"== {title}: {counts.line()}, {time.monotonic() - started:.0f} s", flush=True)
    return counts


def tests_command(marks: str, folders: list[str]) -> list[str]:
    """Returns pytest's arguments for the tests of `folders`, spread over the cores."""
    extra = os.environ.get("ARGS", "").split()
    return ["-n", str(cores()), "--dist", "worksteal", "-m", marks, *folders, *extra]


def notebooks_command(notebooks: list[Path]) -> list[str]:
    """Returns pytest's arguments for one strict nbval pass; a notebook stays on one worker."""
    workers = min(cores(), len(notebooks))
    options = ["--nbval", "--nbval-current-env", f"--nbval-cell-timeout={CELL_TIMEOUT}"]
    options += [f"--nbval-sanitize-with={SANITIZE}", f"--timeout={CELL_TIMEOUT + 60}"]
    options += ["-p", "no:cacheprovider", "-n", str(workers), "--dist", "loadscope"]
    return options + [str(path) for path in notebooks]


def changed_notebooks(root: Path = ROOT) -> list[Path]:
    """Returns the notebooks that differ from git's HEAD, or from main's branching point.

    Where there is no git, or no commit yet, every notebook counts as changed.
    """

    def git(*words: str) -> str:
        call = ["git", "-C", str(root), *words]
        return subprocess.run(call, capture_output=True, text=True, check=True).stdout

    try:
        base = git("rev-parse", "HEAD").strip()
        if git("branch", "--list", "main").strip():
            base = git("merge-base", "HEAD", "main").strip()
        names = git("diff", "--name-only", "-z", base, "--", "notebooks")
        names += git("ls-files", "--others", "--exclude-standard", "-z", "--", "notebooks")
    except (OSError, subprocess.CalledProcessError):
        return find_notebooks(folder=root / NOTEBOOKS.name)
    paths = {root / name for name in names.split("\0") if name.endswith(".ipynb")}
    folders = ("notebooks", "clinics")
    return sorted(path for path in paths if path.parent.name in folders and path.exists())


def check_notebooks(notebooks: list[Path], scratch: Path) -> Counts:
    """Runs the strict pass, or says that there is nothing to run."""
    if not notebooks:
        print("\n== notebooks: none to run", flush=True)
        return Counts()
    names = ", ".join(path.stem for path in notebooks)
    return run_pytest(f"notebooks ({names})", notebooks_command(notebooks), scratch)


def test(scratch: Path) -> Counts:
    """Unit and parity tests, then every notebook."""
    counts = run_pytest("tests", tests_command("not slow and not bars", ["tests"]), scratch)
    return counts + check_notebooks(find_with_clinics(), scratch)


def test_fast(scratch: Path) -> Counts:
    """Unit tests, then the notebooks that changed."""
    marks = "not slow and not bars"
    counts = run_pytest("unit tests", tests_command(marks, ["tests/unit"]), scratch)
    return counts + check_notebooks(changed_notebooks(), scratch)


def test_slow(scratch: Path) -> Counts:
    """What takes longer: everything marked slow; without a browser it says so before it starts."""
    if problem := browser_problem():
        raise ValueError(problem)
    arguments = tests_command("slow", ["tests"])
    return run_pytest("slow tests", [*arguments, "--timeout=1200"], scratch)


def bars(scratch: Path) -> Counts:
    """Trains and measures: everything marked bars, without a time limit.

    One test after another: core-minutes are limited, and a neighbour would lengthen them.
    """
    arguments = ["-n", "0", "-m", "bars", "tests", *os.environ.get("ARGS", "").split()]
    return run_pytest("bars", [*arguments, "--timeout=0", "--durations=0", "-rP"], scratch)


def bench(scratch: Path) -> Counts:
    """Runs `course bench`, then the other scripts of benchmarks/ without an underscore in front."""
    from course_lib.commands.bench import SCRIPTS

    calls = {"course bench": ["-c", "from course_lib.cli import main; main()", "bench"]}
    for script in sorted((ROOT / "benchmarks").glob("[!_]*.py")):
        if script.stem not in SCRIPTS:
            calls[script.name] = [str(script)]
    counts, environment = Counts(), {**os.environ, **offline_environment(scratch)}
    for name, arguments in calls.items():
        print(f"\n== {name}", flush=True)
        code = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment).returncode
        counts += Counts(passed=int(code == 0), failed=int(code != 0))
    return counts


TARGETS = {
    "test": test,
    "test-fast": test_fast,
    "test-slow": test_slow,
    "bars": bars,
    "bench": bench,
}


def main(arguments: list[str]) -> int:
    """Runs one target and prints its closing line; returns the exit status."""
    if len(arguments) != 1 or arguments[0] not in TARGETS:
        print(f"Name one of: {', '.join(TARGETS)}.", file=sys.stderr)
        return 2
    name = arguments[0]
    try:
        with tempfile.TemporaryDirectory(prefix="course-", ignore_cleanup_errors=True) as scratch:
            counts = TARGETS[name](Path(scratch))
    except ValueError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            f"\n{name}: interrupted, nothing was half-written. `make {name}` starts again;"
            " `.venv/bin/python -m pytest --last-failed tests` repeats only what had failed."
        )
        return 130
    print(f"\n{name}: {counts.line()}", flush=True)
    return 1 if counts.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
