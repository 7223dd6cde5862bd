"""With every exercise solved, every check says ✓ and the cells behind go on with it, in time."""

import os

import pytest

from course_lib.devtools.environment import find_notebooks
from course_lib.devtools.execute import prepare_kernels
from course_lib.devtools.solutions import MOST_SECONDS, has_exercises, run_with_solutions

WITH_EXERCISES = [path for path in find_notebooks() if has_exercises(path)]


@pytest.mark.parametrize("path", WITH_EXERCISES, ids=lambda path: path.stem)
def test_every_check_accepts_its_solution(path, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "environ", os.environ.copy())
    prepare_kernels(tmp_path)
    progress = tmp_path / "progress.jsonl"
    os.environ["COURSE_PROGRESS"] = str(progress)
    ran = run_with_solutions(path)
    assert ran.printed
    assert not ran.failed(), [ran.printed[name] for name in ran.failed()]
    assert ran.changed == []
    assert ran.seconds < MOST_SECONDS
    assert not progress.exists() and os.environ["COURSE_PROGRESS"] == str(progress)
