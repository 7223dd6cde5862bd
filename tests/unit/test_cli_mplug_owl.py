"""mPLUG-Owl by the console script: a small run of both stages, its LoRA and its base, mistakes."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from course_lib.commands import mplug_owl, runs
from course_lib.commands.zoo_runs import ZOO_RUNS, export_run
from course_lib.data.toy_owl import Joint
from course_lib.lora import lora_layers
from course_lib.training.checkpoint import read_config, write_config
from course_lib.zoo.load import zoo_language, zoo_vision

NUMBERS = {"steps": 2, "scenes": 70, "seed": 0, "resume": False}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("owl")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        done = runs.train_recipe("mplug_owl", root / "both", {}, **NUMBERS)
    assert [path.name for path, _ in done] == ["both-stage1", "both"]
    return root


@pytest.fixture
def here(root, monkeypatch):
    monkeypatch.chdir(root)
    return root


def test_each_stage_holds_what_it_trained_alone(root):
    first = load_file(root / "both-stage1" / "model.safetensors")
    second = load_file(root / "both" / "model.safetensors")
    assert {".".join(k.split(".")[:2]) for k in first if k.startswith("vpg")} == {
        "vpg.encoder",
        "vpg.head",
    }
    assert {k.split(".")[0] for k in first} == {"vpg", "projector"}
    assert all(".lora_" in key for key in second) and len(second) == 4 * 2 * 2
    assert sum(value.numel() for value in second.values()) == 16_384
    assert read_config(root / "both")["init"] == str(root / "both-stage1")


def test_a_run_is_opened_with_its_stage_1_and_nothing_else_has_changed(here):
    opened = runs.open_run("both")
    state = opened.model.state_dict()
    first = load_file("both-stage1/model.safetensors")
    for key, value in first.items():
        assert torch.equal(state[key], value), key
    alone, _ = zoo_language("llama-chat")
    for key, value in alone.state_dict().items():
        assert torch.equal(state[f"language.{key}"], value), key
    assert any(layer.lora_B.abs().max() > 0 for layer in lora_layers(opened.model).values())
    assert not opened.model.training


def test_stage_1_trains_the_encoder_or_keeps_it(here):
    done = runs.train_recipe(
        "mplug_owl", here / "kept", {"stage": "1", "encoder": "frozen"}, **NUMBERS
    )
    kept = load_file(done[0][0] / "model.safetensors")
    assert not any(key.startswith("vpg.encoder") for key in kept)
    clip = zoo_vision().model.state_dict()
    for name, moved in (("both-stage1", True), ("kept", False)):
        opened = mplug_owl.open_run(here / name)
        own = opened.encoder.model.state_dict()
        assert any(not torch.equal(own[key], value) for key, value in clip.items()) is moved
    assert read_config("kept")["encoder"] == "frozen"


def test_the_console_keeps_the_encoder_where_it_is_asked_to(here, course):
    given = ["--stage", 1, "--steps", 1, "--scenes", 70, "--out", here / "asked"]
    code, _, errors = course("train", "mplug_owl", *given, "--encoder", "frozen")
    assert code == 0 and "1 steps" in errors
    kept = load_file(here / "asked" / "model.safetensors")
    assert kept and not any(key.startswith("vpg.encoder") for key in kept)
    assert read_config("asked")["encoder"] == "frozen"
    resumed = course("train", "mplug_owl", *given, "--encoder", "trained", "--resume")
    assert resumed[0] == 1 and "encoder" in resumed[2]


@pytest.mark.parametrize(("state", "trains"), [("trained", "1.02M"), ("frozen", "0")])
def test_a_dry_run_tells_what_the_encoder_costs(course, state, trains):
    words = ("train", "mplug_owl", "--stage", 1, "--encoder", state, "--dry-run")
    code, out, _ = course(*words)
    encoder = next(line.split() for line in out.splitlines() if "vpg.encoder" in line)
    assert code == 0 and encoder[:3] == ["vpg.encoder", "1.02M", trains]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["mplug_owl", "--encoder", "frosen"], "did you mean 'frozen'?"),
        (["mplug_owl", "--encoder", "frosen", "--dry-run"], "did you mean 'frozen'?"),
        (["mplug_owl", "--stage", "2", "--encoder", "frozen"], "of stage 1, since stage 2"),
        (["minigpt4", "--encoder", "frozen"], "minigpt4 takes no --encoder"),
    ],
)
def test_an_encoder_that_cannot_be_meant_is_one_sentence(here, course, words, sentence):
    code, _, errors = course("train", *words)
    assert code == 1 and sentence in errors and "Traceback" not in errors


def test_a_run_is_measured_in_text_images_several_pictures_and_clips(here):
    found = json.loads(json.dumps(runs.evaluate("both", n=10)))
    assert found["recipe"] == "mplug_owl" and found["stage"] == "2"
    assert {"captions", "instructions", "text", "several", "clips"} <= found.keys()
    assert set(found["text"]["by_kind"]) == {"told", "repeat", "pick", "facts"}
    assert set(found["several"]["which"]) == {"2", "3", "4"}
    assert 0 <= found["clips"]["moved"] <= 1
    told = found["instructions"]
    shares = [*told["conversation"]["by_type"].values(), *told["reasoning"]["by_type"].values()]
    assert found["images"]["all"] == pytest.approx(sum(shares) / len(shares)) and len(shares) == 9
    assert 0 <= found["images"]["blind"] <= 1


def test_a_run_goes_on_where_it_was_stopped(here):
    numbers = {**NUMBERS, "resume": True}
    done = runs.train_recipe("mplug_owl", here / "both", {}, **numbers)
    assert [rows[-1]["step"] for _, rows in done] == [2, 2]


def test_a_lora_of_another_base_is_refused(here):
    shutil.copytree("both-stage1", "other-stage1", dirs_exist_ok=True)
    path = here / "other-stage1" / "model.safetensors"
    tensors = load_file(path)
    tensors["projector.bias"] += 1
    from course_lib.training.tensor_files import read_tensors, write_tensors

    write_tensors(path, tensors, read_tensors(path)[1])
    shutil.copytree("both", "other", dirs_exist_ok=True)
    write_config("other", {**read_config("both"), "init": str(here / "other-stage1")})
    with pytest.raises(ValueError, match=r"LoRA of other was trained on another base than"):
        mplug_owl.open_run("other")


def test_a_run_and_its_stage_1_may_move_together(here, tmp_path):
    for name in ("both", "both-stage1"):
        shutil.copytree(name, tmp_path / name)
    write_config(tmp_path / "both", {**read_config("both"), "init": "gone/both-stage1"})
    assert mplug_owl.open_run(tmp_path / "both").config["stage_number"] == "2"
    shutil.rmtree(tmp_path / "both-stage1")
    with pytest.raises(ValueError, match="gone/both-stage1"):
        mplug_owl.open_run(tmp_path / "both")


def test_what_ships_in_half_precision_is_a_base_of_its_own(here, tmp_path):
    export_run(here / "both-stage1", tmp_path / "first")
    mplug_owl.train_stage(
        "2", tmp_path / "second", init=str(tmp_path / "first"), steps=1, scenes=70
    )
    export_run(tmp_path / "second", tmp_path / "shipped")
    assert mplug_owl.open_run(tmp_path / "shipped").config["init"] == str(tmp_path / "first")
    assert (tmp_path / "first" / "model.safetensors").stat().st_size < 10_000_000


def test_text_alone_trains_without_any_picture(here, tmp_path):
    how = {"init": "both-stage1", "joint": Joint(text=1.0), "steps": 1, "scenes": 70}
    rows = mplug_owl.train_stage("2", tmp_path / "text", **how)
    assert "images_per_s" not in rows[0]["speed"] and rows[0]["loss"] > 0


def test_the_zoo_names_both_stages():
    assert ZOO_RUNS["mplug_owl"].train["init"] == "mplug_owl-stage1"
    for name in ("mplug_owl-stage1", "mplug_owl"):
        run = ZOO_RUNS[name]
        assert mplug_owl.settings_of(run.train["stage"], run.train.get("language")).steps > 100


def test_mistakes_are_sentences(here):
    def train(**chosen):
        return runs.train_recipe("mplug_owl", here / "none", chosen, **NUMBERS)

    with pytest.raises(ValueError, match="'3'"):
        train(stage="3")
    with pytest.raises(ValueError, match=r"state of the encoder 'frosen'.*'frozen'"):
        train(stage="1", encoder="frosen")
    with pytest.raises(ValueError, match="both is a stage 2: a LoRA starts from a stage 1"):
        train(stage="2", init="both")
    with pytest.raises(ValueError, match="recipe 'llava', not of 'mplug_owl'"):
        train(stage="2", init="llava-stage1")
    with pytest.raises(ValueError, match="mplug_owl takes no --version"):
        train(version="v1")
