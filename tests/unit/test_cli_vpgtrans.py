"""VPGTrans by the console script: stages and baselines go all the way, mistakes told."""

import json
import shutil

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from course_lib.commands import (
    blip2,
    runs,
    vpgtrans,
    vpgtrans_curated,
    vpgtrans_curve,
    vpgtrans_models,
)
from course_lib.commands.bars import bars_of, scores_of
from course_lib.commands.chat import reply
from course_lib.commands.vpgtrans_models import word_converter
from course_lib.curation.curated_set import write_curated
from course_lib.curation.toy_set import Curated
from course_lib.recipes import minigpt4
from course_lib.recipes.vpgtrans_converter import load_converter
from course_lib.training.checkpoint import read_config
from course_lib.world.draw import draw_scenes
from course_lib.world.language import canonical_caption
from course_lib.world.scene import sample_scenes
from course_lib.zoo import load
from course_lib.zoo.load import zoo_language

SCENES = sample_scenes(26, 9, "train")
NUMBERS = {"steps": 2, "scenes": 70, "seed": 0, "resume": False}


def _smaller(patch):
    patch.setattr(vpgtrans, "CURVE_SCENES", 4)
    patch.setattr(vpgtrans_models, "CONVERTER_SCENES", 300)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("vpgtrans")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        _smaller(patch)
        done = runs.train_recipe("vpgtrans", root / "both", {"language": "llama"}, **NUMBERS)
        assert [path.name for path, _ in done] == ["both-stage1", "both"]
        for name, init in (("vpg", "blip2-opt"), ("scratch", "blip2-stage1")):
            chosen = {"stage": "tuning", "language": "llama", "init": init}
            runs.train_recipe("vpgtrans", root / name, chosen, **NUMBERS)
        chosen = {"stage": "curated", "init": "both"}
        runs.train_recipe("vpgtrans", root / "vicuna", chosen, **NUMBERS)
    return root


@pytest.fixture
def here(root, monkeypatch):
    monkeypatch.chdir(root)
    _smaller(monkeypatch)
    return root


@pytest.fixture(scope="module")
def source():
    return blip2.open_run("blip2-opt")


def test_each_run_holds_what_it_trained_alone_and_says_what_it_began_with(root):
    parts = {"both-stage1": {"projector"}, "both": {"projector", "vpg"}}
    parts |= dict.fromkeys(("vpg", "scratch"), parts["both"])
    starts = {"both-stage1": "VPG alone", "both": "warm-up", "vpg": "VPG alone"}
    for name, wanted in parts.items():
        held = load_file(root / name / "model.safetensors")
        assert {key.split(".")[0] for key in held} == wanted
        record = read_config(root / name)
        assert record["start"] == starts.get(name, "from scratch") and record["language"] == "llama"
    assert read_config(root / "both")["samples_before"] == 2 * 64
    assert read_config(root / "scratch")["source"] == "blip2-stage1"


def test_a_warm_up_has_the_source_s_vpg_and_the_zoos_language_model(here, source):
    opened = runs.open_run("both-stage1")
    own, alone = opened.model.vpg.head.state_dict(), zoo_language("llama")[0].state_dict()
    for key, value in source.model.vpg.head.state_dict().items():
        assert torch.equal(own[key], value)
    for key, value in opened.model.language.state_dict().items():
        assert torch.equal(value, alone[key])


def test_its_projector_began_as_the_merge_and_its_converter_is_kept(here, source):
    language, tokenizer = zoo_language("llama")
    path = here / "both-stage1" / "converter.safetensors"
    kept, header = load_converter(path, source.model.language, language)
    assert header["names"] == ["opt", "llama"] and header["report"]["trained"] > 0.9
    again, report = word_converter(source, language, tokenizer)
    assert torch.equal(kept.weight, again.weight) and report.steps % 8 == 0
    merged = kept.weight @ source.model.projector.weight
    trained = load_file(here / "both-stage1" / "model.safetensors")["projector.weight"]
    # Two steps of AdamW move a number by little more than twice the learning rate.
    assert 0 < (trained - merged).abs().max() < 2.2 * 5e-3


def test_tuning_goes_on_with_the_warm_up_and_the_baselines_do_not(here, source):
    first = load_file(here / "both-stage1" / "model.safetensors")["projector.weight"]
    both, vpg, scratch = (runs.open_run(name).model for name in ("both", "vpg", "scratch"))
    assert (both.projector.weight - first).abs().max() < 2.2 * 1e-3
    random = torch.equal(vpg.projector.weight, scratch.projector.weight)
    assert not random and (vpg.projector.weight - first).abs().max() > 0.05
    queries = source.model.vpg.head.query_tokens
    assert (vpg.vpg.head.query_tokens - queries).abs().max() < 2.2e-3
    assert (scratch.vpg.head.query_tokens - queries).abs().max() > 0.05


def test_the_curve_counts_the_samples_of_both_stages(here):
    points = vpgtrans_curve.curve_of("both")
    assert [point["samples"] for point in points] == [128, 256]
    assert set(points[0]) == {"samples", "things_right", "exact"}
    assert [point["samples"] for point in vpgtrans_curve.curve_of("scratch")] == [128]


def test_the_speed_up_is_read_off_two_curves(here, monkeypatch):
    curves = {"scratch": (0.0, 0.2, 0.4), "both": (0.2, 0.6, 0.9)}

    def curve(run):
        at = zip((64, 128, 256), curves[run], strict=True)
        return [{"samples": samples, "things_right": value} for samples, value in at]

    monkeypatch.setattr(vpgtrans_curve, "curve_of", curve)
    found = vpgtrans_curve.speed_up_over("both", "scratch", share=0.5)
    assert found.quality == pytest.approx(0.2) and (found.scratch, found.transfer) == (128, 64)
    curves["both"] = (0.0, 0.1, 0.1)
    assert "not reached" in vpgtrans_curve.speed_up_over("both", "scratch").words
    monkeypatch.setattr(vpgtrans_curve, "curve_of", lambda run: [])
    with pytest.raises(ValueError, match="scratch has no scores along the way"):
        vpgtrans_curve.speed_up_over("both", "scratch")


def test_a_run_is_measured_by_captions_questions_and_its_curve(here):
    found = json.loads(json.dumps(runs.evaluate("both", n=10)))
    assert (found["recipe"], found["stage"], found["start"]) == ("vpgtrans", "2", "warm-up")
    assert bars_of("vpgtrans", "2").keys() <= scores_of(found).keys()
    assert set(found["captions"]) == {"things_right", "exact", "cider"}
    assert len(found["vqa"]["by_type"]) == 9 and len(found["curve"]) == 2


def test_a_run_goes_on_where_it_was_stopped(here):
    again = NUMBERS | {"resume": True}
    done = runs.train_recipe("vpgtrans", here / "both", {"language": "llama"}, **again)
    assert [rows[-1]["step"] for _, rows in done] == [2, 2]


def test_stage_3_goes_on_with_stage_2_and_trains_the_same_parts(root):
    second, third = (load_file(root / name / "model.safetensors") for name in ("both", "vicuna"))
    assert second.keys() == third.keys()
    moved = [(third[key] - value).abs().max() for key, value in second.items()]
    rate = vpgtrans.settings_of("3").learning_rate
    assert 0 < max(moved) <= 2.1 * rate, "two steps move a number by two learning rates at most"
    record = read_config(root / "vicuna")
    assert (record["init"], record["start"], record["language"]) == (
        "both",
        "stage 2",
        "llama-chat",
    )
    assert (record["source"], record["samples_before"]) == ("blip2-opt", 4 * 64)
    assert record["curated"] == {"count": 35, "source": "curated", "folder": ""}


def test_vl_vicuna_speaks_with_the_tuned_llama_as_it_is(here):
    opened = runs.open_run("vicuna")
    alone = zoo_language("llama-chat")[0].state_dict()
    for key, value in opened.model.language.state_dict().items():
        assert torch.equal(value, alone[key])
    assert opened.asker.template == minigpt4.scale("toy").template
    assert vpgtrans_curve.curve_of("vicuna") == []


def test_vl_vicuna_is_measured_and_asked_as_minigpt4_is(here):
    found = json.loads(json.dumps(runs.evaluate("vicuna", n=10)))
    assert (found["stage"], found["language"], found["n"]) == ("3", "llama-chat", 10)
    scores = scores_of(found)
    assert bars_of("vpgtrans", "3").keys() <= scores.keys()
    assert scores["descriptions that do not fail"] == 1 - found["failures"]["rate"]
    Image.fromarray(draw_scenes(SCENES[:1])[0]).save(here / "one.png")
    assert isinstance(reply("vicuna", here / "one.png", "describe")["answer"], str)


def test_stage_3_reads_a_folder_and_goes_on_where_it_was_stopped(here, capsys):
    pictures = dict(zip(map(str, range(26)), draw_scenes(SCENES), strict=True))
    said = {str(row): canonical_caption(scene) for row, scene in enumerate(SCENES)}
    write_curated(said, pictures.__getitem__, here / "set", ".png")
    (here / "set" / "image" / "25.png").unlink()
    shutil.copytree(here / "both", here / "runs" / "vpgtrans-toy-llama")
    again = {"stage": "3", "curated": str(here / "set"), "steps": 1}
    ((path, rows),) = vpgtrans.train_runs(None, **again, progress=False)
    assert "left out: annotation 26 names image 25" in capsys.readouterr().err
    assert read_config(path)["init"] == "runs/vpgtrans-toy-llama" and rows[-1]["step"] == 1
    ((path, rows),) = vpgtrans.train_runs(None, **again, resume=True, progress=False)
    assert rows[-1]["step"] == 1


def test_what_stage_3_cannot_begin_with_is_told(here):
    def train(**chosen):
        chosen = {"stage": "3", **chosen}
        return runs.train_recipe("vpgtrans", here / "none", chosen, **NUMBERS)

    with pytest.raises(
        ValueError, match="Stage 3 of VPGTrans goes on with a stage 2 on LLaMA: run"
    ):
        vpgtrans_curated.start_of(None)
    for init, what in (("both-stage1", "1 of 'vpgtrans'"), ("blip2-opt", "2 of 'blip2'")):
        with pytest.raises(ValueError, match=f"cannot begin with {init}, stage {what}: give a"):
            train(init=init)
    record = json.loads((here / "both" / "config.json").read_text()) | {"language": "t5"}
    (here / "on-t5").mkdir()
    (here / "on-t5" / "config.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="on-t5 speaks with 't5', and stage 3 with 'llama-chat'"):
        train(init="on-t5")
    with pytest.raises(ValueError, match=r"'llama'.*did you mean 'llama-chat'"):
        train(init="both", language="llama")
    with pytest.raises(ValueError, match="Stages 1 and 2 read captions, not the set x: add"):
        train(stage="2", curated="x")
    few = {"init": "both", "scenes": 20, "curated": Curated(21), "steps": 1}
    with pytest.raises(ValueError, match=r"20 scenes gave \d+ descriptions that pass, not 21"):
        vpgtrans.train_stage("3", here / "none", **few)
    assert not (here / "none").exists()


def test_the_baselines_see_as_many_samples_as_both_stages():
    one, two = vpgtrans.settings_of("warm-up"), vpgtrans.settings_of("2")
    baseline = vpgtrans.baseline_settings()
    assert baseline.steps == one.steps + two.steps and baseline.trainable == two.trainable
    assert baseline.learning_rate == two.learning_rate and baseline.warmup_steps == 100
    assert one.trainable == ("projector",) and vpgtrans.baseline_settings(7).warmup_steps == 7
    assert vpgtrans.sources() == {
        "opt-large": "blip2-opt",
        "t5": "blip2-opt",
        "opt": "blip2-t5",
        "llama": "blip2-opt",
        "llama-chat": "blip2-opt",
    }


def test_mistakes_are_sentences(here):
    def train(**chosen):
        return runs.train_recipe("vpgtrans", here / "none", chosen, **NUMBERS)

    with pytest.raises(ValueError, match=r"'llam'.*did you mean 'llama'"):
        train(language="llam")
    with pytest.raises(ValueError, match=r"'warmup'.*did you mean 'warm-up'"):
        train(stage="warmup")
    with pytest.raises(ValueError, match="Stage 2 of VPGTrans begins with a run"):
        train(stage="2", language="llama")
    with pytest.raises(ValueError, match=r"Stage 1 .* cannot begin with blip2-stage1, stage 1 of"):
        train(stage="1", language="llama", init="blip2-stage1")
    with pytest.raises(
        ValueError, match=r"Stage 2 .* cannot begin with llava.*a warm-up, a BLIP-2"
    ):
        train(stage="2", language="llama", init="llava")
    with pytest.raises(ValueError, match=r"projector up for 'llama', and this run .* with 'opt'"):
        train(stage="2", language="opt", init="both-stage1")
    with pytest.raises(ValueError, match="vpgtrans takes no --version"):
        train(version="v1")
    with pytest.raises(ValueError, match="recipe 'blip2', not of 'vpgtrans'"):
        vpgtrans.open_run("blip2-opt")


def test_a_backbone_that_is_not_there_is_told_with_its_command(here, monkeypatch):
    there = load.names()
    monkeypatch.setattr(load, "names", lambda: [name for name in there if name != "opt-large"])
    with pytest.raises(ValueError, match="make it with `course zoo build opt-large`"):
        runs.train_recipe("vpgtrans", here / "none", {}, **NUMBERS)
    assert not (here / "none").exists()
