"""`course train … --scale small` on tiny backbones in the Hub's layout: all stages, all recipes."""

import json
from pathlib import Path

import pytest
import torch

from course_lib.commands.full_size import open_full_size
from course_lib.training.checkpoint import read_config
from course_lib.training.tensor_files import read_tensors
from tests import full_size_dirs as dirs
from tests.official_files import jpeg


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """What lies on the disk of a machine that trains: places by short names."""
    root = tmp_path_factory.mktemp("full")
    return {
        "clip": dirs.clip_dir(root / "clip"),
        "bert": dirs.bert_dir(root / "bert"),
        "opt": dirs.pickled(dirs.language_dir(root / "opt", "opt")),
        "t5": dirs.language_dir(root / "t5", "t5"),
        "llama": dirs.in_two_files(dirs.language_dir(root / "llama", "llama")),
        "vicuna": dirs.language_dir(root / "vicuna", "llama", seed=8),
        "blip2": dirs.in_two_files(dirs.blip2_dir(root / "blip2")),
        "captions": dirs.captions_dir(root / "data"),
        "talks": dirs.talks_dir(root / "data"),
        "text": dirs.text_dir(root / "data"),
        "curated": dirs.curated_dir(root / "data"),
    }


@pytest.fixture
def trained(course, disk, tmp_path, monkeypatch):
    """Trains by the console script in an empty folder; gives the rows of the run."""
    dirs.tiny_scales(monkeypatch)
    monkeypatch.chdir(tmp_path)

    def train(recipe, out, *words, expect=0, scale="small"):
        places = [disk.get(word, word) for word in words]
        code, printed, errors = course("train", recipe, "--scale", scale, "--out", out, *places)
        assert code == expect, errors
        if expect:
            return errors
        assert printed == "" and f"{out}: 4 steps, loss " in errors
        return [json.loads(line) for line in (tmp_path / out / "metrics.jsonl").open()]

    return train


def weights(run):
    return read_tensors(f"{run}/model.safetensors")[0]


def asked(run):
    """Opens a run as `course evaluate --data` does and lets it write two words about a picture."""
    opened, told, pixels = open_full_size(Path(run), read_config(run))
    assert (
        told["scale"] == read_config(run)["scale"]
        and told["stage"] == read_config(run)["stage_number"]
    )
    own = dict(opened.model.named_parameters())
    assert all(torch.equal(own[name], value) for name, value in weights(run).items())
    ids = torch.tensor([opened.asker.ids("what is it?", 1)])
    batch = {"pixel_values": pixels([jpeg(1)]), "input_ids": ids}
    assert len(opened.model.generate(batch, 2, eos_token_id=())[0]) == 2


def test_blip2(trained):
    seen = ("--vision", "clip", "--data", "captions")
    rows = trained("blip2", "first", "--stage", 1, "--text", "bert", *seen)
    assert {"itc", "itm", "itg"} < rows[-1].keys()
    for kind in ("opt", "t5"):
        words = ("--stage", 2, "--init", "first", "--language", kind)
        trained("blip2", kind, *words, *seen)
        config = read_config(kind)
        assert config["language"] == kind and config["init"] == "first"
        assert {name.split(".")[0] for name in weights(kind)} == {"vpg", "projector"}
        asked(kind)


def test_llava(trained):
    seen = ("--vision", "clip", "--language", "llama")
    trained("llava", "first", "--stage", 1, "--data", "captions", *seen)
    trained("llava", "second", "--stage", 2, "--init", "first", "--data", "talks", *seen)
    assert any("lora_B" in name and value.any() for name, value in weights("second").items())
    assert set(weights("first")) < set(weights("second"))
    asked("first")
    asked("second")


def test_llava_as_in_the_paper_trains_all_of_its_language_model(trained):
    seen = ("--vision", "clip", "--language", "llama")
    trained("llava", "first", "--stage", 1, "--data", "captions", *seen, scale="a100")
    words = ("--stage", 2, "--init", "first", "--data", "talks", "--micro", 2, "--recompute")
    trained("llava", "second", *words, *seen, scale="a100")
    names = {name.split(".")[0] for name in weights("second")}
    assert names == {"projector", "language"} and read_config("second")["parts"] == 2
    asked("second")
    error = trained("llava", "x", *words, *seen, expect=1)
    assert "first has scale 'a100', and stage 2 of llava begins with 'small'" in error


def test_minigpt4(trained):
    seen = ("--vision", "blip2", "--language", "llama")
    trained("minigpt4", "first", "--stage", 1, "--data", "captions", *seen)
    trained("minigpt4", "second", "--stage", 2, "--init", "first", "--data", "curated", *seen)
    first, second = weights("first"), weights("second")
    assert set(first) == set(second) == {"projector.weight", "projector.bias"}
    assert not torch.equal(*(found["projector.weight"] for found in (first, second)))
    asked("second")


def test_mplug_owl(trained):
    seen = ("--vision", "clip", "--language", "llama")
    trained("mplug_owl", "first", "--stage", 1, "--data", "captions", *seen)
    assert any(name.startswith("vpg.encoder.model") for name in weights("first"))
    seen = ("--stage", 2, "--init", "first", "--data", "talks", *seen)
    error = trained("mplug_owl", "second", *seen, expect=1)
    assert "Half of a batch is text alone here" in error and "alpaca/rows" in error
    trained("mplug_owl", "third", *seen, "--data", "text")
    assert {name.rsplit(".", 1)[1] for name in weights("third")} == {"lora_A", "lora_B"}
    asked("third")


@pytest.mark.parametrize("scale", ["small", "a100"])
def test_flamingo(trained, scale):
    words = ("--data", "captions", "--vision", "clip", "--language", "llama")
    rows = trained("flamingo", "run", *words, scale=scale)
    assert all(row["loss"] > 0 for row in rows)
    gates = {name: value for name, value in weights("run").items() if name.endswith("_gate")}
    assert len(gates) == 4 and all(value != 0 for value in gates.values())
    asked("run")


def test_vpgtrans(trained):
    data = ("--vision", "clip", "--data", "captions")
    trained("blip2", "source", "--stage", 2, "--init", "none", "--language", "opt", *data)
    ready = ("--stage", 1, "--init", "source", "--language", "llama")
    trained("vpgtrans", "warm", *ready, *data)
    assert set(weights("warm")) == {"projector.weight", "projector.bias"}
    header = read_tensors("warm/converter.safetensors")[1]
    assert header["names"][0].endswith("opt") and header["names"][1].endswith("llama")
    trained("vpgtrans", "tuned", "--stage", 2, "--init", "warm", "--language", "llama", *data)
    assert read_config("tuned")["source"] == "source"
    curated = ("--vision", "clip", "--data", "curated", "--language", "vicuna")
    trained("vpgtrans", "chat", "--stage", 3, "--init", "tuned", *curated)
    assert set(weights("chat")) == set(weights("tuned")) > set(weights("warm"))
    for run in ("warm", "tuned", "chat"):
        asked(run)
    error = trained("vpgtrans", "x", "--stage", 2, "--init", "warm", *data, expect=1)
    assert "warmed a projector up for" in error and "same --language" in error
