"""Gates over all texts: spelling, links with their anchors, sizes, commands of README that run.

Executed cells, ignored outputs, alt text and sizes of notebooks: test_notebooks_hygiene; checks of
objectives: here; claim cards and their files: test_book_evidence; wrong answers: test_exercises.
"""

import ast
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest

from course_lib.book.stage import pages_of_texts
from course_lib.devtools.environment import ROOT, find_notebooks, number_of
from course_lib.devtools.exercise_cells import unchecked
from course_lib.teach.task import exercise_ids, find_exercise

NOTEBOOKS = find_notebooks()
TEXTS = [path for path in pages_of_texts() if path.is_relative_to(ROOT)]
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)[^)]*\)")
_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
HTTP_ALONE: set[str] = set()  # addresses of sites that speak no https


def words_of(path: Path) -> str:
    """Returns what a reader reads: a text, or the text cells of a notebook."""
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def anchors_of(text: str) -> set[str]:
    """Returns the places of a text that a link can name: headings as GitHub writes them, ids."""
    plain = [re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in
             _HEADING.findall(text)]  # fmt: skip
    return {*plain, *re.findall(r'id="([^"]+)"', text)}


def link_problems(text: str, path: Path) -> list[str]:
    """Names links to files and places that are not there, and addresses that are no https."""
    problems = []
    for target in _LINK.findall(_CODE.sub("", text)):
        parts = urlsplit(target)
        if parts.scheme:
            good = parts.scheme == "https" and re.fullmatch(r"[\w-]+(\.[\w-]+)+", parts.netloc)
            if not good and target not in HTTP_ALONE and parts.scheme != "mailto":
                problems.append(f"{target} is no https address")
            continue
        file = path.parent / parts.path if parts.path else path
        if not file.exists():
            problems.append(f"{target} leads to no file")
        elif parts.fragment and file.suffix in (".md", ".ipynb"):
            inside = text if file == path else words_of(file)
            if parts.fragment not in anchors_of(inside):
                problems.append(f"{target} leads to no place")
    return problems


@pytest.mark.parametrize("path", [*NOTEBOOKS, *TEXTS], ids=lambda path: path.stem)
def test_links_lead_somewhere(path):
    assert link_problems(words_of(path), path) == []


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("[a](none.md)", "leads to no file"),
        ("[a](README.md#no-such-head)", "leads to no place"),
        ("[a](#nowhere)", "leads to no place"),
        ("[a](http://example.org)", "no https address"),
        ("[a](https://exa mple)", "no https address"),
        ("[a](https://localhost/x)", "no https address"),
    ],
)
def test_each_bad_link_is_named(link, problem):
    assert problem in link_problems(link, ROOT / "CONTRIBUTING.md")[0]


def test_good_links_and_code_are_no_trouble():
    text = "# A head, here\n[a](#a-head-here) [b](README.md#the-folders) `[c](none)`\n"
    text += "[d](https://arxiv.org/abs/1 'title')"
    assert link_problems(text, ROOT / "CONTRIBUTING.md") == []


def misspelled(folder: Path) -> str:
    call = [sys.executable, "-m", "codespell_lib", "--toml", str(ROOT / "pyproject.toml"), "."]
    return subprocess.run(call, cwd=folder, capture_output=True, text=True).stdout


def test_texts_and_notebooks_are_spelled_right(tmp_path):
    for path in [*NOTEBOOKS, *TEXTS]:
        (tmp_path / (path.name + ".md")).write_text(words_of(path), encoding="utf-8")
    assert misspelled(tmp_path) == ""
    (tmp_path / "wrong.md").write_text("It was recieved.\n")  # codespell:ignore
    assert "==> received" in misspelled(tmp_path)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_objective_has_a_check(path):
    assert unchecked(nbformat.read(path, as_version=4), number_of(path)) == []


def test_an_objective_without_check_is_seen():
    cells = [nbformat.v4.new_markdown_cell("| 03.99 | fly |")]
    assert unchecked(nbformat.v4.new_notebook(cells=cells), "03") == ["03.99"]


def test_every_exercise_rejects_three_wrong_answers():
    few = [name for name in exercise_ids() if len(find_exercise(name).mistakes) < 3]
    assert few == []


def readme_commands() -> list[str]:
    """Returns what README tells people to type: `make …`, `course …`, python scripts."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    spans = re.findall(r"`([^`\n]+)`", text)
    spans += [line for block in re.findall(r"```\n(.*?)```", text, re.DOTALL)
              for line in block.splitlines()]  # fmt: skip
    spans = [span.partition(" #")[0].strip() for span in spans]
    return sorted({s for s in spans if re.match(r"(make|course|\.venv/bin/course) \w", s)})


def run_command(command: str) -> subprocess.CompletedProcess:
    """Runs `course plan` and `progress` whole, what is longer with --help, make as a dry run."""
    words = command.split()
    if words[0] == "make":
        if shutil.which("make") is None:
            pytest.skip("no make here, as on Windows")
        call = ["make", "-n", *shlex.split(command)[1:]]
    else:
        call = [sys.executable, "-c", "from course_lib.cli import main; main()", *words[1:]]
        call += [] if words[1] in ("plan", "progress") else ["--help"]
    return subprocess.run(call, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("command", readme_commands())
def test_commands_of_readme_run(command, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.jsonl"))
    done = run_command(command)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", ["make labs", "course plans llava", "course plan lava"])
def test_a_command_that_does_not_run_is_seen(command):
    assert run_command(command).returncode != 0


def test_python_of_benchmarks_is_as_short_as_the_library():
    for path in sorted((ROOT / "benchmarks").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 250, path.name
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 60, f"{path.name}: {node.name}"
