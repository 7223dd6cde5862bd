"""Colab, Binder and the dev container: what they would run is run here, with pip kept dry."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from types import SimpleNamespace

import nbformat
import pytest
import yaml

from course_lib.devtools import launchers
from course_lib.devtools.environment import ROOT

URL = "https://github.com/someone/a.course"
NAMES = ["00_start_here.ipynb", "03_blip2_stage1.ipynb"]
CLINIC = "clinics/03_llava.ipynb"


@pytest.fixture(autouse=True)
def nobody_knows_the_address(monkeypatch):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)


def test_the_address_stands_in_one_place(tmp_path, monkeypatch):
    assert launchers.address(tmp_path) is None
    monkeypatch.setenv("GITHUB_REPOSITORY", "someone/fork")
    assert launchers.address(tmp_path) == "https://github.com/someone/fork"
    assert launchers.address(tmp_path, workflow=False) is None
    (tmp_path / "CITATION.cff").write_text(f'title: "x"\nrepository-code: "{URL}.git"\n')
    assert launchers.address(tmp_path) == URL


@pytest.mark.parametrize("bad", ["https://example.org/a/b", f"{URL}/tree/main", "someone/course"])
def test_another_address_is_refused(tmp_path, bad):
    (tmp_path / "CITATION.cff").write_text(f"repository-code: {bad}\n")
    with pytest.raises(ValueError, match=re.escape(bad)):
        launchers.address(tmp_path)


def test_readme_has_the_links_that_the_address_gives():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    names = launchers.names_of(launchers.numbered())
    assert names[0] == NAMES[0] and CLINIC in names and names[-1].startswith("clinics/")
    url = launchers.address(workflow=False)
    assert launchers.with_links(readme, url, names) == readme, "run launchers.py links"
    assert launchers.with_links(readme, URL, NAMES) != readme
    with pytest.raises(ValueError, match="once each"):
        launchers.with_links("# no marks", URL, NAMES)


def test_links_name_owner_branch_and_file():
    block = launchers.links_block(URL, [*NAMES, CLINIC])
    links = re.findall(r"\]\((\S+)\)", block)
    colab = "https://colab.research.google.com/github/someone/a.course/blob/colab/notebooks/"
    assert links[:3] == [colab + name for name in (*NAMES, CLINIC)] and "[clinics/03]" in block
    assert links[3].endswith("gh/someone/a.course/HEAD?urlpath=lab/tree/" + launchers.FIRST)
    assert links[4] == "https://codespaces.new/someone/a.course"
    assert (ROOT / launchers.FIRST).exists()


def test_the_links_command_writes_readme(tmp_path, capsys):
    (tmp_path / "README.md").write_text(f"a\n{launchers.BEGIN}\nold\n{launchers.END}\nb\n")
    (tmp_path / "CITATION.cff").write_text(f"repository-code: {URL}\n")
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / NAMES[1]).write_text("{}")
    assert launchers.main(["links"], tmp_path) == 0
    text = (tmp_path / "README.md").read_text()
    assert text == f"a\n{launchers.links_block(URL, NAMES[1:])}\nb\n"
    assert launchers.main(["links"], tmp_path) == 0
    assert (tmp_path / "README.md").read_text() == text
    assert URL in capsys.readouterr().out


def test_the_edition_is_the_course_with_one_cell_more(tmp_path, capsys):
    written = launchers.write_colab(tmp_path / "out", URL, "0123abc")
    assert [path.name for path in written] == [path.name for path in launchers.numbered()]
    assert tmp_path / "out/notebooks" / CLINIC in written
    for path in written:
        own = path.relative_to(tmp_path / "out")
        notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
        nbformat.validate(notebook)
        stored = nbformat.read(ROOT / own, as_version=nbformat.NO_CONVERT)
        assert notebook.cells[1:] == stored.cells
        assert notebook.cells[0].id == launchers.CELL_ID
        assert f"'{URL}', '0123abc'" in notebook.cells[0].source.replace('"', "'")
        assert notebook.cells[0].source.endswith(f'chdir(course + "/{own.parent.as_posix()}")')
    assert (tmp_path / "out/notebooks/images/map.svg").exists()
    with pytest.raises(ValueError, match="not empty"):
        launchers.write_colab(tmp_path / "out", URL, "main")
    with pytest.raises(ValueError, match="no branch, tag or commit"):
        launchers.set_up_cell(URL, "--upload-pack=x")
    assert launchers.main(["colab", str(tmp_path / "b")], tmp_path) == 1
    assert "CITATION.cff" in capsys.readouterr().err


@pytest.fixture
def fetched_from(tmp_path):
    """A repository with a course of two files, which git fetches from as Colab does."""
    source = tmp_path / "source"
    (source / "course_lib").mkdir(parents=True)
    (source / "notebooks").mkdir()
    (source / "notebooks" / "x.txt").touch()
    (source / "course_lib" / "__init__.py").write_text("FETCHED = 1\n")
    shutil.copy(ROOT / "pyproject.toml", source)
    for name in ("README.md", "LICENSE"):
        (source / name).write_text("x")

    def git(*words):
        who = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
        call = ["git", "-C", str(source), *who, *words]
        return subprocess.run(call, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-b", "main")
    git("add", ".")
    git("commit", "-m", "first")
    return SimpleNamespace(url=source.as_uri(), commit=git("rev-parse", "HEAD"))


def test_the_cell_fetches_installs_and_imports(tmp_path, fetched_from):
    """Runs the cell twice in a process of its own: real git, real pip that installs nothing."""
    source = "".join(launchers.set_up_cell(fetched_from.url, fetched_from.commit)["source"])
    probe = "\nimport course_lib; print(course_lib.FETCHED, os.getcwd())"
    # pip reads "0" as: no isolated build, which would fetch setuptools.
    dry = {"PIP_DRY_RUN": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0"}
    environment = {**os.environ, **dry, "HOME": str(tmp_path), "PIP_NO_INDEX": "1"}
    environment |= {"USERPROFILE": str(tmp_path), "PYTHONPATH": ""}
    call = [sys.executable, "-c", source + probe]
    for _ in range(2):
        done = subprocess.run(call, env=environment, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        # In a real notebook the working directory is not on the path before the cell.
        assert done.stdout.split() == ["1", str(tmp_path / "multimodal-course" / "notebooks")]


@pytest.mark.skipif(os.name == "nt", reason="Binder's scripts run on Linux")
def test_binder_installs_by_the_constraints_and_keeps_one_thread(tmp_path):
    conda = yaml.safe_load((ROOT / ".binder/environment.yml").read_text(encoding="utf-8"))
    whole = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    plain = [entry for entry in whole["dependencies"] if isinstance(entry, str)]
    assert conda["dependencies"] == plain and conda["channels"] == whole["channels"]
    for name in ("postBuild", "start"):
        assert (ROOT / ".binder" / name).stat().st_mode & stat.S_IXUSR
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/said\n')
    python.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run([ROOT / ".binder/postBuild"], env=environment, cwd=ROOT, check=True)
    words = (tmp_path / "said").read_text().split()
    assert words[:3] == ["-m", "pip", "install"]
    assert words[words.index("-c") + 1] == "constraints.txt"
    assert words[words.index("-e") + 1] == "."
    start = [ROOT / ".binder/start", "sh", "-c", "echo $OMP_NUM_THREADS"]
    environment = {"PATH": os.environ["PATH"]}
    assert subprocess.check_output(start, text=True, env=environment).strip() == "1"


@pytest.mark.skipif(shutil.which("make") is None, reason="no make here, as on Windows")
def test_the_dev_container_sets_up_by_make():
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    command = container["postCreateCommand"].split()
    assert command[:2] == ["make", "ready"] and command[2].startswith("TORCH_INDEX=https://")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^ready:", makefile, re.MULTILINE) and "\nTORCH_INDEX ?=" in makefile
    done = subprocess.run(["make", "-n", *command[1:]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and command[2].partition("=")[2] in done.stdout
    assert container["image"].rpartition(":")[2] == "3.11"
    assert container["containerEnv"]["OMP_NUM_THREADS"] == "1"
    python = container["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"]
    assert python.endswith("/.venv/bin/python")
