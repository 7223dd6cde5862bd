"""Flamingo by the console script: a small run goes all the way, mistakes are named."""

import json

import pytest
import torch
from safetensors.torch import load_file

from course_lib.commands import flamingo, runs
from course_lib.data.toy_interleaved import Interleaved
from course_lib.zoo.load import zoo_language

NUMBERS = {"steps": 2, "scenes": 70, "seed": 0}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("flamingo")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        ((path, _),) = runs.train_recipe("flamingo", root / "run", {}, resume=False, **NUMBERS)
    assert path == root / "run"
    return root


@pytest.fixture
def here(root, monkeypatch):
    monkeypatch.chdir(root)
    return root


def test_a_run_holds_resampler_and_gated_layers_alone(root):
    tensors = load_file(root / "run" / "model.safetensors")
    assert {key.split(".")[0] for key in tensors} == {"vpg", "gated"}
    assert all(key.startswith(("vpg.head.", "gated.layers.")) for key in tensors)
    gates = [value for key, value in tensors.items() if key.endswith("_gate")]
    assert len(gates) == 8 and all(gate.abs() > 0 for gate in gates)


def test_the_language_model_is_the_zoos(here):
    opened = runs.open_run("run")
    alone, _ = zoo_language("llama-shots")
    for key, value in alone.state_dict().items():
        assert torch.equal(value, opened.model.language.state_dict()[key])
    assert opened.asker.wording("is it red?") == "question: is it red? answer:"


def test_a_run_is_measured(here):
    found = json.loads(json.dumps(runs.evaluate("run", n=10)))
    assert (
        found["recipe"] == "flamingo"
        and found["stage"] == "1"
        and found["language"] == "llama-shots"
    )
    assert set(found) >= {"captions", "vqa", "shots", "binding", "split", "seed", "n"}
    assert len(found["vqa"]["by_type"]) == 9


def test_a_run_goes_on_where_it_was_stopped(here):
    ((_, rows),) = runs.train_recipe("flamingo", here / "run", {}, resume=True, **NUMBERS)
    assert [row["step"] for row in rows] == [2]
    with pytest.raises(ValueError, match="reading"):
        changed = Interleaved(most_images=1)
        flamingo.train_stage("1", here / "run", reading=changed, resume=True, **NUMBERS)


def test_fewer_layers_and_another_host(here):
    settings = {"language": "opt", "every": 3, "progress": False}
    flamingo.train_stage("1", here / "opt", **settings, **NUMBERS)
    opened = flamingo.open_run(here / "opt")
    assert opened.model.gated.places == (0, 3)  # 3 does not divide 4 blocks
    assert type(opened.model.language.model).__name__ == "OPTForCausalLM"


def test_mistakes_are_sentences(here):
    def train(**chosen):
        return runs.train_recipe("flamingo", here / "none", chosen, resume=False, **NUMBERS)

    with pytest.raises(ValueError, match="'2'"):
        train(stage="2")
    with pytest.raises(ValueError, match=r"'llamma'.*llama"):
        train(language="llamma")
    with pytest.raises(ValueError, match=r"flamingo takes no --version: it takes --stage"):
        train(version="v1")
    with pytest.raises(ValueError, match=r"every 9 blocks.*has 4"):
        flamingo.train_stage("1", here / "none", every=9, **NUMBERS)
    with pytest.raises(ValueError, match="recipe 'llava', not of 'flamingo'"):
        flamingo.open_run("llava")
    assert not (here / "none").exists()
