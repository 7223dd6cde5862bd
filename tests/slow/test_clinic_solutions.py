"""With every repair in place each check says ✓, and every other cell prints what is stored."""

import os

import nbformat
import pytest

from course_lib.devtools.clinic_cells import repair_of, with_repairs
from course_lib.devtools.environment import CLINICS, find_notebooks
from course_lib.devtools.execute import prepare_kernels, run_notebook


def printed(cell):
    return "".join(output.get("text", "") for output in cell.outputs)


@pytest.mark.parametrize("path", find_notebooks(folder=CLINICS), ids=lambda path: path.stem)
def test_every_repair_heals(path, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "environ", os.environ.copy())
    prepare_kernels(tmp_path)
    stored = nbformat.read(path, as_version=4)
    copy = tmp_path / path.name
    nbformat.write(with_repairs(nbformat.read(path, as_version=4)), copy)
    ran = run_notebook(copy, folder=path.parent)
    for before, after in zip(stored.cells, ran.cells, strict=True):
        if after.cell_type == "code" and repair_of(after):
            assert printed(after).startswith("✓"), printed(after)
        elif after.cell_type == "code":
            assert printed(after) == printed(before)
