"""MiniGPT-4 by the console script: both stages go all the way, and mistakes are named."""

import json

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from course_lib.commands import minigpt4, runs
from course_lib.commands.bars import bars_of, scores_of
from course_lib.commands.chat import reply
from course_lib.curation.curated_set import write_curated
from course_lib.curation.toy_set import Curated
from course_lib.recipes.minigpt4 import scale
from course_lib.training.checkpoint import read_config
from course_lib.world.draw import draw_scenes
from course_lib.world.language import canonical_caption
from course_lib.world.scene import sample_scenes
from course_lib.zoo.load import zoo_language

NUMBERS = {"steps": 2, "scenes": 70, "seed": 0}
SCENES = sample_scenes(14, 9, "train")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("minigpt4")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        done = runs.train_recipe("minigpt4", root / "both", {}, resume=False, **NUMBERS)
    assert [path.name for path, _ in done] == ["both-stage1", "both"]
    return root


@pytest.fixture
def here(root, monkeypatch):
    monkeypatch.chdir(root)
    return root


def test_either_stage_holds_one_linear_layer_and_stage_2_started_from_stage_1(root):
    first = load_file(root / "both-stage1" / "model.safetensors")
    second = load_file(root / "both" / "model.safetensors")
    assert first.keys() == second.keys() == {"projector.weight", "projector.bias"}
    rate = minigpt4.settings_of("2").learning_rate
    moved = (second["projector.weight"] - first["projector.weight"]).abs().max()
    assert 0 < moved <= 2.1 * rate, "two steps move a number by two learning rates at most"
    config = read_config(root / "both")
    assert config["init"] == str(root / "both-stage1") and config["scenes"] == 70
    assert config["curated"] == {"count": 35, "source": "curated", "folder": ""}
    assert read_config(root / "both-stage1")["noise"]["other"] > 0


def test_an_opened_run_has_the_zoos_frozen_parts_as_they_are(here):
    opened = runs.open_run("both")
    alone, _ = zoo_language("llama-chat")
    for key, value in alone.state_dict().items():
        assert torch.equal(value, opened.model.language.state_dict()[key])
    source = runs.open_run(scale("toy").blip2).model.vpg.head.state_dict()
    for key, value in opened.model.vpg.head.state_dict().items():
        assert torch.equal(value, source[key])
    assert opened.encoder is opened.model.vpg.encoder


@pytest.mark.parametrize("run", ["both-stage1", "both"])
def test_a_run_is_measured_as_language_and_against_the_truth(here, run):
    found = json.loads(json.dumps(runs.evaluate(run, n=10)))
    assert found["recipe"] == "minigpt4" and found["stage"] == ("2" if run == "both" else "1")
    assert {"captions", "failures", "descriptions", "made_up"} <= found.keys()
    scores = scores_of(found)
    assert bars_of("minigpt4", found["stage"]).keys() <= scores.keys()
    assert scores["descriptions that do not fail"] == 1 - found["failures"]["rate"]


def test_a_run_is_asked_by_the_console(here):
    Image.fromarray(draw_scenes(SCENES[:1])[0]).save(here / "one.png")
    found = reply("both", here / "one.png", "describe")
    assert isinstance(found["answer"], str) and found["notes"] == []
    assert reply("both", here / "one.png", "what is the flubber?")["notes"]


def test_a_run_goes_on_where_it_was_stopped(here):
    done = runs.train_recipe("minigpt4", here / "both", {}, resume=True, **NUMBERS)
    assert [rows[-1]["step"] for _, rows in done] == [2, 2]


def test_stage_2_reads_a_folder_in_the_released_layout_also_without_stage_1(here, capsys):
    pictures = dict(zip(map(str, range(14)), draw_scenes(SCENES), strict=True))
    said = {str(row): canonical_caption(scene) for row, scene in enumerate(SCENES)}
    folder = here / "set"
    write_curated(said, pictures.__getitem__, folder, ".png")
    (folder / "image" / "13.png").unlink()
    chosen = {"curated": Curated(folder=str(folder)), "steps": 1, "progress": False}
    rows = minigpt4.train_stage("2", here / "folder", **chosen)
    by_name = {"stage": "2", "init": "none", "curated": str(folder), "steps": 1}
    minigpt4.train_runs(here / "named", **by_name, progress=False)
    assert runs.open_run("named").config["curated"]["folder"] == str(folder)
    with pytest.raises(ValueError, match="Stage 1 reads pairs"):
        minigpt4.train_runs(here / "first", stage="1", curated=str(folder))
    assert rows[-1]["step"] == 1
    assert "left out: annotation 14 names image 13" in capsys.readouterr().err
    assert runs.open_run("folder").config["curated"]["folder"] == str(folder)


def test_mistakes_are_sentences(here):
    def train(recipe="minigpt4", **chosen):
        return runs.train_recipe(recipe, here / "none", chosen, resume=False, **NUMBERS)

    with pytest.raises(ValueError, match="'3'"):
        train(stage="3")
    with pytest.raises(ValueError, match=r"minigpt4 takes no --language: it takes --stage"):
        train(language="t5")
    with pytest.raises(ValueError, match="Nobody can describe the scenes: give a stage 1"):
        train(stage="2", init="none")
    with pytest.raises(ValueError, match="recipe 'blip2', not of 'minigpt4'"):
        train(stage="2", init="blip2-opt")
    few = {"init": str(here / "both-stage1"), "scenes": 20, "curated": Curated(21), "steps": 1}
    with pytest.raises(ValueError, match=r"20 scenes gave \d+ descriptions that pass, not 21"):
        minigpt4.train_stage("2", here / "none", **few)
    with pytest.raises(ValueError, match="recipe 'blip2', not of 'minigpt4'"):
        minigpt4.open_run("blip2-opt")
