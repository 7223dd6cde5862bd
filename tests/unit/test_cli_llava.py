"""LLaVA by the console script: a small run of both stages goes all the way, mistakes are named."""

import json

import pytest
import torch
from safetensors.torch import load_file

from course_lib.commands import llava, runs
from course_lib.commands.bars import bars_of, scores_of
from course_lib.training.checkpoint import read_config
from course_lib.zoo.load import zoo_language


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("llava")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        numbers = {"steps": 2, "scenes": 70, "seed": 0, "resume": False}
        done = runs.train_recipe("llava", root / "both", {}, **numbers)
    assert [path.name for path, _ in done] == ["both-stage1", "both"]
    return root


@pytest.fixture
def here(root, monkeypatch):
    monkeypatch.chdir(root)
    return root


def test_each_stage_holds_what_it_trained_alone(root):
    first = load_file(root / "both-stage1" / "model.safetensors")
    second = load_file(root / "both" / "model.safetensors")
    assert {key.split(".")[0] for key in first} == {"projector"}
    assert {key.split(".")[0] for key in second} == {"projector", "language"}
    assert read_config(root / "both")["init"] == str(root / "both-stage1")


def test_stage_2_starts_from_the_projector_of_stage_1_and_the_zoos_language_model(here):
    numbers = {"steps": 1, "scenes": 70, "seed": 0, "resume": False}
    chosen = {"stage": "2", "init": str(here / "both-stage1")}
    ((path, _),) = runs.train_recipe("llava", here / "again", chosen, **numbers)
    trained, first = load_file(path / "model.safetensors"), llava.open_run(here / "both-stage1")
    alone, _ = zoo_language("llama-chat")
    # One step of warm-up moves a number by its learning rate at most.
    moved = trained["projector.up.weight"] - first.model.projector.up.weight
    assert 0 < moved.abs().max() < 1e-3
    table = "model.model.embed_tokens.weight"
    moved = trained[f"language.{table}"] - alone.state_dict()[table]
    assert 0 < moved.abs().max() < 1e-3


def test_stage_1_leaves_the_language_model_as_it_is(here):
    opened = llava.open_run(here / "both-stage1")
    alone, _ = zoo_language("llama-chat")
    for key, value in alone.state_dict().items():
        assert torch.equal(value, opened.model.language.state_dict()[key])


def test_a_run_is_measured_by_type_of_instruction(here):
    found = runs.evaluate("both", n=10)
    assert found["recipe"] == "llava" and found["stage"] == "2" and found["version"] == "v1.5"
    assert set(found["instructions"]) == {
        "conversation",
        "reasoning",
        "held_out",
        "detail",
        "words",
        "blind",
    }
    scores = scores_of(json.loads(json.dumps(found)))
    assert bars_of("llava", "2").keys() <= scores.keys()


def test_a_run_goes_on_where_it_was_stopped(here):
    numbers = {"steps": 2, "scenes": 70, "seed": 0}
    done = runs.train_recipe("llava", here / "both", {}, resume=True, **numbers)
    assert [rows[-1]["step"] for _, rows in done] == [2, 2]


def test_mistakes_are_sentences(here):
    numbers = {"steps": 1, "scenes": 70, "seed": 0, "resume": False}

    def train(recipe, **chosen):
        return runs.train_recipe(recipe, here / "none", chosen, **numbers)

    with pytest.raises(ValueError, match=r"trained the projector of 'v1.5', and this run .* 'v1'"):
        train("llava", stage="2", version="v1", init=str(here / "both-stage1"))
    with pytest.raises(ValueError, match=r"'v2'.*v1"):
        train("llava", version="v2")
    with pytest.raises(ValueError, match="'3'"):
        train("llava", stage="3")
    with pytest.raises(ValueError, match=r"llava takes no --language: it takes --stage"):
        train("llava", language="t5")
    with pytest.raises(ValueError, match="blip2 takes no --version"):
        train("blip2", version="v1")
    with pytest.raises(ValueError, match=r"'llavva'.*llava"):
        train("llavva")
    with pytest.raises(ValueError, match="llama-chat is a backbone of the zoo"):
        runs.open_run("llama-chat")
    with pytest.raises(ValueError, match="recipe 'blip2', not of 'llava'"):
        llava.open_run("blip2-opt")
