"""The measuring of bands: variants of a notebook, a real run of one, and the verdict."""

import json
import os

import nbformat
import pytest

from course_lib.devtools import bands
from course_lib.devtools.execute import prepare_kernels

SETTINGS = "STEPS, SEED, images = 9, 0, [1, 2]"
TRAIN = "quality = STEPS * 0.1 + SEED * 0.001 if images == [1, 2] else 0.2"
BANDS = "BANDS, MEASURED = {'quality': 0.6}, {'quality': quality}"


@pytest.fixture
def path(tmp_path):
    cells = []
    for tag, source in zip(bands.TAGS, (SETTINGS, TRAIN, BANDS), strict=True):
        cells.append(nbformat.v4.new_code_cell(source, metadata={"tags": [tag]}))
    cells[1].metadata["shuffle"] = "images.reverse()"
    cells.append(nbformat.v4.new_code_cell("raise RuntimeError('what follows is not run')"))
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "05_small.ipynb")
    return tmp_path / "05_small.ipynb"


def test_variants_run_as_they_should(path, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "environ", os.environ.copy())
    prepare_kernels(tmp_path)
    measured = bands.measure(path, seed=3)
    assert measured == {"bands": {"quality": 0.6}, "measured": {"quality": pytest.approx(0.903)}}
    assert bands.measure(path, untrained=True)["measured"]["quality"] == pytest.approx(0.1)
    assert bands.measure(path, shuffled=True)["measured"]["quality"] == 0.2


def test_a_missing_tag_is_named():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x = 1")])
    with pytest.raises(ValueError, match="'settings'"):
        bands.variant(notebook)


@pytest.mark.parametrize(
    ("least", "fits"), [(0.6, True), (0.4, False), (0.85, False), (0.55, False)]
)
def test_a_band_lies_above_the_middle_below_every_run_and_above_the_shuffled(least, fits):
    values = {"seed 0": 0.8, "seed 1": 0.9, "untrained": 0.1, "shuffled": 0.58}
    rows = [{"variant": k, "measured": {"q": v}, "bands": {"q": least}} for k, v in values.items()]
    text, good = bands.table("05", rows)
    assert good is fits and str(fits) in text


def test_a_row_takes_the_place_of_the_older_one(tmp_path):
    path = tmp_path / "bands.jsonl"
    for name, variant, value in (("05", "seed 0", 1), ("04", "seed 0", 2), ("05", "seed 0", 3)):
        bands.note({"notebook": name, "variant": variant, "measured": value}, path)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(row["notebook"], row["measured"]) for row in rows] == [("04", 2), ("05", 3)]
