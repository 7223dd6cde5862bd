"""The experiments with VPGTrans: what an arm is, where it is measured, what its VPG still tells."""

import io
import json

import pytest
import torch
from rich.console import Console
from torch import nn

from course_lib.commands import vpgtrans_models
from course_lib.commands.experiment import run_all
from course_lib.data.toy import ToyScenes
from course_lib.evaluation import vpg_probe as probing
from course_lib.evaluation.speedup import read_curves
from course_lib.evaluation.vpg_probe import vpg_probe
from course_lib.experiments import (
    runner,
    vpgtrans_rate,
    vpgtrans_runs,
    vpgtrans_size,
    vpgtrans_type,
    vpgtrans_watch,
)
from course_lib.experiments.vpgtrans_runs import Arm, constant_stage, run_arm
from course_lib.teach.claims import Claim, judged
from course_lib.world.draw import draw_scenes
from course_lib.world.scene import PLACES, sample_scenes
from course_lib.zoo.load import zoo_vision

LLAMA = "opt-to-llama"


@pytest.fixture(scope="module")
def few():
    encoder = zoo_vision("clip")
    return {count: ToyScenes(count, 7, "train", encoder) for count in (16, 80)}


@pytest.fixture
def small(monkeypatch, few):
    """Makes an arm as small as it goes: few scenes, few captions, a question of each type."""
    monkeypatch.setattr(vpgtrans_runs, "scenes_of", lambda seed: few[80])
    monkeypatch.setattr(vpgtrans_watch, "held_out", lambda seed: few[80])
    monkeypatch.setattr(vpgtrans_watch, "probe_scenes", lambda seed: few[16])
    monkeypatch.setattr(vpgtrans_models, "CONVERTER_SCENES", 100)
    monkeypatch.setattr(vpgtrans_watch, "CAPTIONS", 4)
    monkeypatch.setattr(vpgtrans_watch, "PER_TYPE", 2)
    return few


def test_the_arms_are_the_paper_s_chain_and_all_see_as_many_samples():
    for name, arm in vpgtrans_size.ARMS.items():
        stages = arm.stages(300)
        assert sum(stage.steps for stage in stages) == 300, name
        assert all(stage.batch_size == 64 for stage in stages)
        if arm.warms:
            assert [stage.steps for stage in stages] == [60, 240]
            assert stages[0].trainable == ("projector",) and stages[1].warmup_steps == 0
            assert {stages[0].learning_rate_at(step) for step in (0, 59)} == {5e-3}
            assert stages[1].learning_rate_at(0) == 1e-3
    assert Arm(tunes=False).stages(30)[0].trainable == ("projector",)
    assert Arm().stages(300)[0].learning_rate_at(0) == pytest.approx(1e-3 / 25)
    fast = constant_stage(9, 50, whole_vpg=True)
    assert fast.learning_rate_at(8) == 0.05 and fast.trainable == ("vpg.head", "projector")


def test_an_arm_is_measured_as_it_goes(small):
    found = run_arm(LLAMA, Arm(converts=True, warms=True), seed=0, steps=3)
    assert [point["samples"] for point in found["curve"]] == [0, 64, 128, 192]
    seconds = [point["seconds"] for point in found["curve"]]
    assert seconds[0] == 0 and seconds == sorted(seconds)
    assert {"things_right", "at_start", "early", "vqa"} < found.keys()
    # The warm-up moves no VPG, so nothing can be lost by its end.
    assert found["probe.start"] == found["probe.early"] != found["probe.end"]
    rows = [{"arm": "a", "seed": s, "steps": 3, "scores": found} for s in range(3)]
    curve = read_curves(json.loads(json.dumps(rows)), "things_right")["a"]
    assert curve.values[0][-1] == found["things_right"]


def test_from_scratch_begins_with_stage_1_and_a_random_projector(small):
    scratch = vpgtrans_runs.begin(LLAMA, Arm(inherits=False), seed=0).model
    inherits = vpgtrans_runs.begin(LLAMA, Arm(), seed=0).model
    source = vpgtrans_runs.source_of(LLAMA).model
    assert torch.equal(inherits.vpg.head.query_tokens, source.vpg.head.query_tokens)
    assert not torch.equal(scratch.vpg.head.query_tokens, source.vpg.head.query_tokens)
    assert not torch.equal(inherits.projector.weight, source.projector.weight)


def test_a_crash_counts_as_nothing_right_and_other_errors_stay_errors(small, monkeypatch):
    monkeypatch.setattr(vpgtrans_rate, "begin", lambda *_: vpgtrans_runs.begin(LLAMA, Arm(), 0))
    measure = vpgtrans_rate.EXPERIMENT.measure
    found = measure("projector, 5×", 0, 3)
    assert found["crashed"] == 0 and {"things_right", "loss", "probe.end"} < found.keys()

    def stops(*_):
        raise ValueError("The loss is nan at step 3, and the run stops there: use a smaller …")

    monkeypatch.setattr(vpgtrans_rate, "fit", stops)
    assert measure("VPG and projector, 50×", 0, 3)["crashed"] == 1

    def breaks(*_):
        raise ValueError("something else")

    monkeypatch.setattr(vpgtrans_rate, "fit", breaks)
    with pytest.raises(ValueError, match="something else"):
        measure("projector, 1×", 0, 3)


def test_the_type_transfers_are_those_of_the_recipe():
    known = vpgtrans_runs.TOY.transfers
    others = {"opt-to-large", "opt-to-vicuna"}  # another experiment; as OPT to LLaMA
    assert set(vpgtrans_type.TRANSFERS.values()) == known.keys() - others
    assert len(vpgtrans_type.EXPERIMENT.arms) == 6


@pytest.fixture
def stand_in(monkeypatch):
    """Puts two quick arms in the place of every experiment; returns what was run."""
    made = []

    def find(name):
        def measure(arm, seed, steps):
            made.append((name, arm, seed))
            return {"things_right": 0.5}

        return runner.Experiment("a claim", ("a", "b"), measure, steps=3, minutes=1.5)

    monkeypatch.setattr(runner, "find_experiment", find)
    return made


def test_one_name_runs_all_three_in_order_and_goes_on_where_it_was_stopped(tmp_path, stand_in):
    names, told = runner.named_experiments("vpgtrans"), io.StringIO()
    console = Console(file=told, width=200)
    run_all("vpgtrans", names, (0,), None, console, tmp_path)
    assert (
        [name for name, _, _ in stand_in[::2]]
        == list(names)
        == [
            "vpgtrans_size",
            "vpgtrans_rate",
            "vpgtrans_type",
        ]
    )
    (tmp_path / "vpgtrans_type.jsonl").unlink()
    rows = run_all("vpgtrans", names, (0,), None, console, tmp_path)
    assert stand_in[6:] == [("vpgtrans_type", arm, 0) for arm in "ab"]
    assert [len(found) for found in rows] == [2, 2, 2]
    assert "vpgtrans_type: run 2 of 2, b, seed 0; about 2 core-minutes left" in told.getvalue()
    assert runner.named_experiments("queries") == ("queries",)
    with pytest.raises(ValueError, match="did you mean 'vpgtrans'"):
        runner.named_experiments("vpgtran")


def test_a_bar_counts_the_runs_of_all_three(tmp_path, stand_in):
    told = io.StringIO()
    console = Console(file=told, width=80, force_terminal=True)
    run_all("vpgtrans", runner.named_experiments("vpgtrans"), (0,), None, console, tmp_path)
    assert "6/6" in told.getvalue()


@pytest.mark.parametrize(
    ("line", "found"),
    [('{"arm": "a", "version": 2}', "a row of version 2"), ("[1]", "no row"), ("7", "no row")],
)
def test_an_experiment_file_of_another_version_is_named(tmp_path, stand_in, line, found):
    run_all("x", ("vpgtrans_size",), (0,), None, Console(file=io.StringIO()), tmp_path)
    path = tmp_path / "vpgtrans_size.jsonl"
    rows = runner.read_rows("vpgtrans_size", tmp_path)
    assert {row["version"] for row in rows} == {runner.VERSION}
    path.write_text(path.read_text() + f"{line}\n")
    says = rf"vpgtrans_size.jsonl, line 3, is {found}, .* version 1: .*experiment vpgtrans_size`"
    with pytest.raises(ValueError, match=says):
        runner.run_experiment("vpgtrans_size", folder=tmp_path)
    claim = Claim("a beats b", "no number", "vpgtrans_size", "a", "b", "things_right")
    with pytest.raises(ValueError, match=says):
        judged(claim, tmp_path)
    assert len(path.read_text().splitlines()) == 3


def test_a_file_from_before_versions_is_of_the_first(tmp_path):
    (tmp_path / "old.jsonl").write_text('{"arm": "a"}\n')
    assert runner.read_rows("old", tmp_path) == [{"arm": "a"}]


def test_the_whole_sweep_fits_90_core_minutes_and_its_places_are_whole_steps():
    found = [runner.find_experiment(name) for name in runner.named_experiments("vpgtrans")]
    assert sum(len(runner.SEEDS) * len(one.arms) * one.minutes for one in found) <= 90
    for one in found:
        places = [one.steps * place / 30 for place in vpgtrans_watch.PLACES]
        assert places == [round(place) for place in places]


class Scenes:
    """Scenes whose features are whatever a test gives."""

    def __init__(self, seed, features_of):
        self.scenes = sample_scenes(200, seed, "train")
        self.features = features_of(self.scenes)

    def __len__(self):
        return len(self.scenes)

    def image_inputs(self, rows):
        return {"image_features": self.features[rows]}


def told(scenes):
    """Writes every attribute of every place into a token of its own."""
    parts = []
    for attribute in probing.ATTRIBUTES:
        values = sorted({getattr(t, attribute) for s in scenes for t in s.things})
        parts.append(torch.stack([probing._one_hot(s, attribute, values) for s in scenes]))
    return torch.cat(parts, dim=1).float().unflatten(1, (len(PLACES), -1))


def test_a_probe_reads_what_is_there_and_nothing_from_noise():
    full = vpg_probe(nn.Identity(), Scenes(0, told), Scenes(1, told))
    assert all(score > 0.97 for score in full.values())
    noise = vpg_probe(nn.Identity(), *[Scenes(s, lambda x: torch.randn(200, 4, 9)) for s in (0, 1)])
    assert noise["kind"] < 0.3 and noise["colour"] < 0.4 < noise["size"] < 0.7


def test_a_probe_leaves_mode_and_weights_alone():
    head = nn.Sequential(nn.Dropout(0.5), nn.Linear(20, 8)).train()
    before = head[1].weight.clone()

    def features(scenes):
        return torch.from_numpy(draw_scenes(scenes)[:, 20:24, :20, 0]).float()

    data = Scenes(0, features), Scenes(1, features)
    assert vpg_probe(head, *data) == vpg_probe(head, *data)
    assert head.training and head[0].training and torch.equal(before, head[1].weight)
