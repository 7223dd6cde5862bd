"""The runbooks: every command exists with its options, and the hours are those of the planner."""

import re
import shlex

import pytest
import typer

from course_lib.cli import SCALES, app
from course_lib.commands.runs import RECIPES
from course_lib.devtools.environment import ROOT
from course_lib.evaluation.benchmark_sets import SETS
from course_lib.planner.gpus import USUAL
from course_lib.planner.plan import plan_recipe
from course_lib.planner.report import lasting
from tests.script_runner import run_script

FOLDER = ROOT / "docs/runbooks"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md")}
COMMANDS = re.compile(r"^(?:course|python) .*$|`((?:course|python) [^`\n]*)`", re.M)


def commands(page):
    found = [shlex.split(match[1] or match[0]) for match in COMMANDS.finditer(page)]
    # In running text `course train` alone is a name and no line to type.
    return [w for w in found if w[0] != "course" or (len(w) > 2 and w[2] != "--data")]


def context_of(words):
    """Parses a line of the console script as click does, and runs nothing."""
    group = typer.main.get_command(app)
    parent = group.make_context("course", [], resilient_parsing=True)
    name, command, rest = group.resolve_command(parent, list(words))
    assert command is not None, f"course has no command {words[0]!r}"
    return name, command.make_context(name, rest, parent=parent).params


def test_every_recipe_has_a_page_that_the_readme_links():
    assert set(PAGES) == set(RECIPES)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name, page in PAGES.items():
        assert f"](docs/runbooks/{name}.md)" in readme
        assert len(page.splitlines()) <= 90
        assert max(map(len, page.splitlines())) <= 125
        for heading in ("Get the data", "stage", "Evaluate", "Numbers to expect", "check first"):
            assert re.search(rf"^## \d\. .*{heading}", page, re.M), (name, heading)


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_commands_of_the_console_script_exist(name):
    lines = [words[1:] for words in commands(PAGES[name]) if words[0] == "course"]
    used = set()
    for words in lines:
        command, given = context_of(words)
        used.add(command)
        assert given.get("data", "") in ("", *SETS), words
        assert given.get("scale", "toy") in SCALES, words
        if command in ("plan", "train"):
            assert given["recipe"] == name, words
    assert {"plan", "train", "evaluate"} <= used


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_scripts_and_their_options_exist(name, monkeypatch, capsys):
    """Each is run as it stands there, but with `--show`, which fetches nothing."""
    lines = [words[1:] for words in commands(PAGES[name]) if words[0] == "python"]
    assert len(lines) >= 3
    for path, *options in lines:
        assert (ROOT / path).is_file(), path
        shown = [] if set(options) & {"--show", "--help"} else ["--show"]
        code, out, errors = run_script(str(ROOT / path), [*options, *shown], monkeypatch, capsys)
        assert code in (0, None), (path, options, errors)
        assert out


def test_a_wrong_option_or_script_would_be_seen(monkeypatch, capsys):
    with pytest.raises(Exception, match="No such option"):
        context_of(["evaluate", "x", "--dta", "coco"])
    with pytest.raises(AssertionError, match="no command 'evaluat'"):
        context_of(["evaluat", "x"])
    script = str(ROOT / "data_scripts/get_coco.py")
    assert run_script(script, ["--part", "2018", "--show"], monkeypatch, capsys)[0] == 2
    assert commands("```\ncourse plan x\n```\n`course train y`, course words") == [
        ["course", "plan", "x"],
        ["course", "train", "y"],
    ]


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_hours_are_those_of_the_planner(name):
    for scale in ("a100", "small"):
        for plan in plan_recipe(name, scale, *USUAL[scale]):
            hours = lasting(plan.hours)
            assert hours in PAGES[name], f"{name}, {scale}, stage {plan.job.number}: {hours}"


@pytest.mark.parametrize("name", sorted(PAGES))
def test_links_lead_somewhere(name):
    for target in re.findall(r"\]\(([^)#]+)\)", PAGES[name]):
        assert target.startswith("https://") or (FOLDER / target).exists(), target
    for code in re.findall(r"`(course_lib/[\w/.]+)`", PAGES[name]):
        assert (ROOT / code).exists(), code
