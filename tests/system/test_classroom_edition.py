"""The instructor's edition: solutions between nbgrader's marks, hidden tests, notes."""

import ast
import re

import nbformat
import pytest

from course_lib.classroom.edition import (
    FOR_INSTRUCTORS,
    code_cells,
    instructor_edition,
    with_markers,
)
from course_lib.classroom.notes import PROMPTS, exercise_notes, points_of, prompts
from course_lib.classroom.release import write_instructor_edition
from course_lib.classroom.slicing import statements
from course_lib.classroom.word import instructors_word
from course_lib.devtools.environment import ROOT, find_notebooks
from course_lib.devtools.exercise_cells import exercise_of, solution_source
from course_lib.teach.task import exercise_ids, find_exercise
from tests.classroom_cells import WITH_EXERCISES, names_in

REGION = re.compile(r"( *)### BEGIN SOLUTION.*?### END SOLUTION", re.DOTALL)


def cleared(source):
    """Does what nbgrader does with its marks; `make test-slow` asks nbgrader itself."""
    return REGION.sub(r"\1return ...", source)


@pytest.fixture(scope="module", params=WITH_EXERCISES, ids=lambda path: path.stem)
def editions(request):
    notebook = nbformat.read(request.param, as_version=4)
    return request.param, notebook, instructor_edition(notebook, request.param.stem)


def test_without_its_solutions_it_is_the_committed_notebook(editions):
    _, committed, made = editions
    ours = [c for c in code_cells(made) if not c.metadata.get("nbgrader", {}).get("grade")]
    assert [cleared(c.source) for c in ours] == [c.source for c in code_cells(committed)]
    for cell in code_cells(made):
        name = exercise_of(cell)
        if name:
            task = find_exercise(name)
            wanted, found = (ast.parse(s).body[0] for s in (solution_source(task), cell.source))
            assert ast.dump(wanted.body[-1]) == ast.dump(found.body[-1])
            assert len(wanted.body) == len(found.body)


def test_each_exercise_has_a_test_of_its_own_with_its_points(editions):
    path, _, made = editions
    nbformat.validate(made)
    about = [cell.metadata["nbgrader"] for cell in made.cells if "nbgrader" in cell.metadata]
    assert len({one["grade_id"] for one in about}) == len(about) == 2 * len(names_in(path))
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", one["grade_id"]) for one in about)
    assert [one["points"] for one in about if one["grade"]] == list(map(points_of, names_in(path)))
    tests = [c.source for c in code_cells(made) if c.metadata.get("nbgrader", {}).get("grade")]
    for name, source in zip(names_in(path), tests, strict=True):
        hidden = source.split("### BEGIN HIDDEN TESTS")[1].split("### END HIDDEN TESTS")[0]
        assert f'assert_right("{name}")' in hidden
        assert statements([source])


def test_notes_are_for_instructors_alone(editions):
    path, _, made = editions
    notes = [c for c in made.cells if FOR_INSTRUCTORS in c.metadata.get("tags", [])]
    assert len(notes) == 1 + len(names_in(path))
    for name, note in zip(names_in(path), notes[1:], strict=True):
        assert f"**For the instructor: {name}," in note.source
        assert all(m.cause in note.source.replace(r"\|", "|") for m in find_exercise(name).mistakes)
        assert "**To discuss**" in note.source, f"classroom/discussion.json has nothing on {name}"
    others = "\n".join(c.source for c in made.cells if c.cell_type == "markdown" and c not in notes)
    assert "<summary>Solution</summary>" not in others and "<summary>Hint 3" in others


def test_the_committed_notebook_is_left_alone():
    path = WITH_EXERCISES[0]
    notebook = nbformat.read(path, as_version=4)
    before = nbformat.writes(notebook)
    instructor_edition(notebook, path.stem)
    assert nbformat.writes(notebook) == before


def test_pictures_come_along(tmp_path):
    made = write_instructor_edition(WITH_EXERCISES[0], tmp_path)
    text = made.read_text(encoding="utf-8")
    shown = set(re.findall(r"images/[\w.-]+", text))
    real = {name for name in shown if (ROOT / "notebooks" / name).exists()}
    assert "images/map.svg" in real and all((made.parent / name).exists() for name in real)


def test_a_stub_that_does_not_fit_its_solution_is_named():
    call = '\n\n\nitg_mask = exercise(itg_mask, "03.itg_mask")'
    with pytest.raises(ValueError, match=r"the stub has \['other'\], the solution"):
        with_markers(f"def other():\n    return ...{call}", "03.itg_mask")
    with pytest.raises(ValueError, match=r"should end with `return ...`"):
        with_markers(f"def itg_mask():\n    pass{call}", "03.itg_mask")


def test_questions_to_discuss_belong_to_exercises():
    assert PROMPTS.exists() and set(prompts()) <= set(exercise_ids())
    asked = [question for questions in prompts().values() for question in questions]
    assert len(set(asked)) == len(asked) and all(q.endswith("?") for q in asked)
    assert "| Common mistakes" in exercise_notes("03.itg_mask")


def test_students_do_not_install_the_hidden_checks():
    from setuptools import find_packages

    packages = find_packages(str(ROOT), include=["course_lib*"])
    assert "course_lib.classroom" in packages
    assert not [p for p in packages if p.startswith("classroom") or "hidden" in p]
    text = "".join(p.read_text() for p in (ROOT / "course_lib" / "classroom").glob("*.py"))
    assert "def itg_mask" not in text and len(find_notebooks()) >= len(WITH_EXERCISES)


def test_the_word_is_made_once_and_kept(tmp_path, monkeypatch):
    monkeypatch.delenv("COURSE_CLASSROOM_WORD", raising=False)
    first = instructors_word(tmp_path / "class")
    assert len(first) == 32 and instructors_word(tmp_path / "class") == first
    assert instructors_word(tmp_path / "other") != first
    monkeypatch.setenv("COURSE_CLASSROOM_WORD", "given")
    assert instructors_word(tmp_path / "class") == "given"
