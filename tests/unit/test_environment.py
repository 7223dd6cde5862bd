"""One list of dependencies: environment.yml, constraints.txt, Makefile and README agree with it."""

import importlib.metadata
import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from course_lib.devtools import checks, setup_env
from course_lib.devtools.environment import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
# Not in the constraints: they belong to the environment itself, or to torch's CUDA build alone.
NOT_LOCKED = re.compile(r"^(pip|setuptools|wheel|triton|nvidia-.*|cuda-.*)$")


def declared() -> list[Requirement]:
    lines = PROJECT["dependencies"] + EXTRAS["test"]
    return [Requirement(line) for line in lines]


def constraints() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text(encoding="ascii").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    for pin in pins:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", pin), f"not a pin: {pin}"
    pairs = [pin.split("==") for pin in pins]
    return {canonicalize_name(name): Version(version) for name, version in pairs}


def makefile_targets() -> set[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z][a-z-]*):(?!=)", text, re.MULTILINE))


def test_conda_file_holds_python_pip_and_this_project():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert conda["channels"] == ["conda-forge", "nodefaults"]
    pip = [entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict)]
    plain = [entry for entry in conda["dependencies"] if isinstance(entry, str)]
    assert [re.match(r"[a-z]+", entry).group() for entry in plain] == ["python", "pip"]
    assert pip == [["-c constraints.txt", "-e .[test]"]]
    python = plain[0].partition("=")[2]
    assert Version(python) in SpecifierSet(PROJECT["requires-python"])
    assert "test" in EXTRAS and (ROOT / "constraints.txt").exists()


@pytest.mark.parametrize("requirement", declared(), ids=lambda requirement: requirement.name)
def test_declared_dependency_is_locked_within_its_range(requirement):
    locked = constraints()
    name = canonicalize_name(requirement.name)
    assert name in locked, f"constraints.txt lacks {name}"
    assert locked[name] in requirement.specifier


def test_everything_below_the_declared_dependencies_is_locked():
    locked, missing = constraints(), set()
    waiting, seen = [canonicalize_name(r.name) for r in declared()], set()
    while waiting:
        name = waiting.pop()
        if name in seen or NOT_LOCKED.match(name):
            continue
        seen.add(name)
        if name not in locked:
            missing.add(name)
        for line in importlib.metadata.requires(name) or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(canonicalize_name(requirement.name))
    assert missing == set()


def test_torch_and_transformers_cover_what_the_code_was_tried_with():
    ranges = {r.name: r.specifier for r in declared()}
    assert all(version in ranges["torch"] for version in ("2.11.0", "2.13.0", "2.13.0+cpu"))
    assert all(version in ranges["transformers"] for version in ("5.17.0", "5.23.0"))


def test_console_script_and_oldest_python():
    assert PROJECT["scripts"] == {"course": "course_lib.cli:main"}
    oldest = ".".join(str(number) for number in setup_env.OLDEST)
    assert PROJECT["requires-python"] == f">={oldest}"


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_documents_name_targets_that_exist(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))
    named = set(re.findall(r"\bmake ([a-z][a-z-]*)", code))
    assert named and named <= makefile_targets()
    for target in re.findall(r"\]\(((?!https?:)[^)#\s]+)", text):
        assert (ROOT / target).exists(), f"{name} links to {target}, which does not exist"


def test_makefile_has_every_target_and_helps_with_each():
    asked = ["help", "lab", "course", "zoo", "notebooks", *checks.TARGETS]
    assert set(asked) <= makefile_targets()
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert all(re.search(rf"^{target}:.*## \S", text, re.MULTILINE) for target in asked)
