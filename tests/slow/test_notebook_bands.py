"""A band of a notebook means something: it is False without training, and with other images."""

import os

import nbformat
import pytest

from course_lib.devtools.bands import TAGS, measure
from course_lib.devtools.environment import find_notebooks
from course_lib.devtools.execute import prepare_kernels


def has_bands(path):
    cells = nbformat.read(path, as_version=4).cells
    return TAGS[-1] in {tag for cell in cells for tag in cell.metadata.get("tags", [])}


WITH_BANDS = [path for path in find_notebooks() if has_bands(path)]


@pytest.mark.parametrize("variant", ["untrained", "shuffled"])
@pytest.mark.parametrize("path", WITH_BANDS, ids=lambda path: path.stem)
def test_bands_are_false_where_they_should_be(path, variant, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "environ", os.environ.copy())
    prepare_kernels(tmp_path)
    found = measure(path, **{variant: True})
    held = {k: found["measured"][k] for k, least in found["bands"].items()}
    assert held and not {k: v for k, v in held.items() if v >= found["bands"][k]}
