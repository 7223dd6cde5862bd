"""The map of notebook 00 is what its script draws for the notebooks that are there now."""

import importlib.util
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from course_lib.devtools.environment import NOTEBOOKS, ROOT
from course_lib.world.draw import draw_scene
from course_lib.world.scene import sample_scenes

SCRIPT = ROOT / "data_scripts" / "draw_start_here.py"
AGAIN = "draw it again: .venv/bin/python data_scripts/draw_start_here.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("draw_start_here", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_stored_map_shows_the_notebooks_that_are_there(script):
    stored = (NOTEBOOKS / "images" / "map.svg").read_text(encoding="utf-8")
    assert stored == script.draw_map(script.written(NOTEBOOKS)), AGAIN


def test_the_stored_scene_is_a_held_out_one(script):
    stored = np.asarray(Image.open(NOTEBOOKS / "images" / "scene.png"))
    scene = sample_scenes(script.SCENE_ROW + 1, script.SCENE_SEED, "test")[script.SCENE_ROW]
    assert np.array_equal(stored, draw_scene(scene)), AGAIN


def test_what_is_not_written_is_grey_and_nothing_is_a_link(script):
    svg = "{http://www.w3.org/2000/svg}"
    for there, blue in ((set(), 0), ({"00"}, 1), ({"03"}, 6), ({"03", "04"}, 7)):
        root = ElementTree.fromstring(script.draw_map(there))
        fills = [rect.get("fill") for rect in root.iter(f"{svg}rect")]
        assert fills.count(script.HERE[0]) == blue
        assert root.find(f"{svg}title").text and root.find(f"{svg}desc").text
        assert not list(root.iter(f"{svg}a"))
    assert len(script.PAPERS) == 6


def test_notebooks_are_found_by_their_numbers(script, tmp_path):
    for name in ("00_start_here.ipynb", "03_x.ipynb", "notes.ipynb", "04_x.py"):
        (tmp_path / name).touch()
    assert script.written(tmp_path) == {"00", "03"}
    for letter in "ab":
        (tmp_path / f"09{letter}_x.ipynb").touch()
    assert script.written(tmp_path) == {"00", "03", "09"}
