"""nbgrader itself: it makes the students' editions, and grades the shortest notebook end to end."""

import importlib.metadata
import re

import nbformat
import pytest

from course_lib.classroom.edition import FOR_INSTRUCTORS, code_cells
from course_lib.classroom.release import release, write_instructor_edition
from course_lib.devtools.environment import ROOT
from course_lib.devtools.execute import prepare_kernels, run_notebook
from course_lib.devtools.exercise_cells import exercise_of
from course_lib.devtools.solutions import solved_source
from tests.classroom_cells import WITH_EXERCISES

NOT_LOCKED = {"pip", "setuptools", "triton"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("class")
    for path in WITH_EXERCISES:
        write_instructor_edition(path, made)
    release([path.stem for path in WITH_EXERCISES], made)
    return made


@pytest.mark.parametrize("path", WITH_EXERCISES, ids=lambda path: path.stem)
def test_the_students_edition_runs_the_committed_code(folder, path):
    made = nbformat.read(folder / "release" / path.stem / path.name, as_version=4)
    nbformat.validate(made)
    theirs = [c for c in code_cells(made) if not c.metadata.get("nbgrader", {}).get("grade")]
    committed = code_cells(nbformat.read(path, as_version=4))
    assert [c.source for c in theirs] == [c.source for c in committed]
    tests = [c.source for c in code_cells(made) if c.metadata.get("nbgrader", {}).get("grade")]
    assert all(re.fullmatch(r"# Points for exercise [\w.]+: \d\. Nothing.*", s) for s in tests)
    text = nbformat.writes(made)
    assert "SOLUTION" not in text and "<summary>Solution" not in text
    assert f'"{FOR_INSTRUCTORS}"' not in text and "For the instructor" not in text
    assert "assert_right" not in text


def changed(notebook, edit):
    for cell in code_cells(notebook):
        if exercise_of(cell):
            cell.source = edit(cell.source, exercise_of(cell))
    return notebook


def public_only(source, name):
    """Right for the notebook's two inputs, wrong elsewhere."""
    told = "return {(2, 3): 6, (16, 0): 17}.get((num_queries, num_words), 0)"
    return source.replace("return ...", told)


def test_the_shortest_notebook_end_to_end(folder, monkeypatch, tmp_path):
    from nbgrader.api import Gradebook
    from nbgrader.apps import NbGraderAPI
    from traitlets.config.loader import PyFileConfigLoader

    prepare_kernels(tmp_path)
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.jsonl"))
    monkeypatch.setenv("COURSE_CLASSROOM_WORD", "a word of the tests")
    stem = WITH_EXERCISES[0].stem
    released = folder / "release" / stem / f"{stem}.ipynb"
    ran = run_notebook(released, folder=WITH_EXERCISES[0].parent)
    printed = [o.text for c in code_cells(ran) if exercise_of(c) for o in c.outputs]
    assert printed == ["○ 00.row_length not attempted: going on with the reference\n"]

    students = {"solved": solved_source, "untouched": lambda s, n: s, "public": public_only}
    for student, edit in students.items():
        target = folder / "submitted" / student / stem / f"{stem}.ipynb"
        target.parent.mkdir(parents=True)
        nbformat.write(changed(nbformat.read(released, as_version=4), edit), target)
    config = PyFileConfigLoader("nbgrader_config.py", path=str(folder)).load_config()
    config.CourseDirectory.root = str(folder)
    api = NbGraderAPI(config=config)
    for student in students:
        result = api.autograde(stem, student)
        assert result["success"], result
    with Gradebook(f"sqlite:///{folder}/gradebook.db", "multimodal-course") as book:
        scores = {s.student.id: s.score for s in book.assignment_submissions(stem)}
    assert scores == {"solved": 1.0, "untouched": 0.0, "public": 0.0}


def test_everything_below_nbgrader_is_locked():
    text = (ROOT / "constraints.txt").read_text(encoding="ascii")
    locked = {line.split("==")[0].lower().replace("_", "-") for line in text.splitlines()}
    waiting, seen = ["nbgrader", "psutil"], set()
    while waiting:
        name = waiting.pop()
        if name in seen or name in NOT_LOCKED:
            continue
        seen.add(name)
        assert name in locked, name
        for line in importlib.metadata.requires(name) or []:
            if "extra ==" not in line and "; " not in line:
                waiting.append(re.match(r"[\w.-]+", line).group().lower().replace("_", "-"))
    assert len(seen) > 20
