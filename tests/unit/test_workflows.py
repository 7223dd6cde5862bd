"""The workflow files: GitHub's schema, targets that exist, one list of Pythons, no secret."""

import json
import re
import sys
import tomllib

import jsonschema
import pytest
import yaml
from packaging.specifiers import SpecifierSet

from course_lib.devtools import checks, setup_env
from course_lib.devtools.environment import ROOT

FOLDER = ROOT / ".github" / "workflows"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yml"))
PYTHONS = ["3.11", "3.12", "3.13"]
CONFTEST = (ROOT / "tests/browser/conftest.py").read_text(encoding="utf-8")
# SchemaStore's, Apache-2.0, as check-jsonschema 0.39.0 carries it.
SCHEMA = json.loads((ROOT / "tests/schemas/github-workflow.json").read_text(encoding="utf-8"))


def read(text: str) -> dict:
    """Reads a workflow; YAML 1.1 takes the key `on` for a boolean."""
    found = yaml.safe_load(text)
    return {"on" if key is True else key: value for key, value in found.items()}


def workflow(name: str) -> dict:
    return read((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))


def schema_problems(found: dict) -> list[str]:
    validator = jsonschema.Draft7Validator(SCHEMA)
    return [error.json_path for error in validator.iter_errors(found)]


def commands(found: dict) -> str:
    steps = [step for job in found["jobs"].values() for step in job["steps"]]
    return "\n".join(step["run"] for step in steps if "run" in step)


def command_problems(found: dict) -> list[str]:
    """Names targets, programs and files of a workflow's commands that the repository lacks."""
    text = commands(found)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):(?!=)", makefile, re.MULTILINE))
    problems = [f"make {t}" for t in re.findall(r"\bmake ([a-z][a-z-]*)", text) if t not in targets]
    variables = set(re.findall(r"^([A-Z]+) \?=", makefile, re.MULTILINE))
    given = re.findall(r"^make .*$", text, re.MULTILINE)
    problems += [v for line in given for v in re.findall(r" ([A-Z_]+)=", line)
                 if v.replace("_", "") not in {w.replace("_", "") for w in variables}
                 and v != "TORCH_INDEX"]  # fmt: skip
    problems += [t for t in re.findall(r"devtools\.checks ([\w-]+)", text)
                 if t not in checks.TARGETS]  # fmt: skip
    scripts = re.findall(r"course_lib/[\w/]+\.py", text)
    return problems + [name for name in scripts if not (ROOT / name).is_file()]


@pytest.mark.parametrize("name", NAMES)
def test_a_workflow_is_what_github_reads(name):
    found = workflow(name)
    assert schema_problems(found) == []
    assert found["name"] == name
    assert command_problems(found) == []
    assert "secrets." not in (FOLDER / f"{name}.yml").read_text(encoding="utf-8")
    assert found["permissions"]["contents"] == ("write" if name == "colab" else "read")
    for job in found["jobs"].values():
        assert "timeout-minutes" in job or name == "pages"
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout"):
                assert set(step.get("with", {})) <= {"fetch-depth"}


def test_the_checks_find_faults():
    good = workflow("test")
    broken = {**good, "jobs": {"fast": {"runs-on": "ubuntu-latest", "step": []}}}
    assert schema_problems(broken)
    assert schema_problems({key: value for key, value in good.items() if key != "on"})
    step = {"run": "make tests PYTHON=x\npython course_lib/none.py\npython -m x.devtools.checks y"}
    assert command_problems({"jobs": {"a": {"steps": [step]}}}) == [
        "make tests",
        "y",
        "course_lib/none.py",
    ]


def test_every_push_runs_three_systems_and_three_pythons():
    found = workflow("test")
    assert "push" in found["on"] and "pull_request" in found["on"]
    matrix = found["jobs"]["fast"]["strategy"]["matrix"]
    assert matrix["os"] == ["ubuntu-latest", "macos-latest", "windows-latest"]
    assert found["jobs"]["full"]["runs-on"] == "ubuntu-latest"
    assert "make test " in commands({"jobs": {"full": found["jobs"]["full"]}})
    conditions = [step.get("if") for step in found["jobs"]["fast"]["steps"] if "run" in step]
    assert conditions == ["runner.os != 'Windows'", "runner.os == 'Windows'"]


def test_pythons_begin_where_pyproject_begins():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    used = [
        job["strategy"]["matrix"]["python"]
        for name in ("test", "newest")
        for job in workflow(name)["jobs"].values()
    ]
    assert used == [PYTHONS] * 3
    assert project["requires-python"] == f">={PYTHONS[0]}"
    assert PYTHONS[0] == ".".join(map(str, setup_env.OLDEST))
    assert all(version in SpecifierSet(project["requires-python"]) for version in PYTHONS)
    assert f"{sys.version_info[0]}.{sys.version_info[1]}" in PYTHONS


def test_windows_runs_the_lines_behind_make():
    steps = workflow("test")["jobs"]["fast"]["steps"]
    windows = steps[-1]["run"].splitlines()
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert windows[0].startswith("python course_lib/devtools/setup_env.py --torch-index")
    assert 'course_lib/devtools/setup_env.py --torch-index "$(TORCH_INDEX)"' in makefile
    assert windows[1] == r".venv\Scripts\python -m course_lib.devtools.checks test-fast"
    assert "$(PY) -m course_lib.devtools.checks test-fast" in makefile


def test_the_weekly_jobs():
    assert workflow("newest")["on"]["schedule"] and workflow("slow")["on"]["schedule"]
    text = commands(workflow("newest"))
    assert "constraints.txt" not in text and "--upgrade" in text and "make " not in text
    left_out = workflow("newest")["jobs"]["newest"]["steps"][-1]["env"]["ARGS"].split()[-1]
    file, _, name = left_out.partition("::")
    assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8")
    slow = commands(workflow("slow"))
    order = ["make ready-browser", "-m course_lib.devtools.install_browser", "make test-slow"]
    places = [slow.index(line) for line in order]
    assert places == sorted(places)
    kept = workflow("slow")["jobs"]["slow"]["steps"][-1]
    assert kept["uses"].startswith("actions/upload-artifact") and kept["if"] == "always()"
    named = re.search(r'^SCREENSHOTS = ROOT / "(.+)" / "(.+)"$', CONFTEST, re.MULTILINE)
    assert kept["with"]["path"] == "/".join(named.groups())


def test_one_thread_wherever_something_is_trained():
    for name in ("test", "slow", "newest"):
        assert workflow(name)["env"]["OMP_NUM_THREADS"] == "1"
