"""The four experiments with Flamingo: what a way changes, what a run tells, what they share."""

import pytest
import torch

from course_lib.data.toy import ToyScenes
from course_lib.evaluation.few_shot import FewShotAnswerer
from course_lib.evaluation.speedup import read_curves
from course_lib.experiments import (
    flamingo_data,
    flamingo_gates,
    flamingo_places,
    flamingo_runs,
    flamingo_shots,
    runner,
    step_time,
)
from course_lib.experiments.flamingo_data import DOCUMENTS, NO_SYMBOLS, PAIRS
from course_lib.experiments.flamingo_runs import USUAL, Way, begin, documents_of, run_way, stage_of
from course_lib.recipes import flamingo
from course_lib.teach.claims import Claim, judged
from course_lib.training.stages import frozen_fingerprint
from course_lib.zoo.load import zoo_vision

MODULES = (flamingo_shots, flamingo_gates, flamingo_data, flamingo_places)
SHARES = {"things_right", "exact", "vqa", "blind", "vqa.kind", "vqa.is_there", "gate.least"}
SHARES |= {f"shots.{count}" for count in (0, 2, 4, 8)} | {"binding.0"}
SHARES |= {f"{n}.{c}" for n in ("binding", "chosen", "shuffled", "either") for c in (2, 4, 8, 16)}
OTHERS = {"over_blind", "gate.start", "loss.first", "loss", "grad_norm.most"}
OTHERS |= {"layers", "millions", "time"}


@pytest.fixture(scope="module")
def few():
    return ToyScenes(80, 7, "train", zoo_vision("clip", drop_cls=True))


@pytest.fixture
def small(monkeypatch, few):
    """Makes a run as small as it goes: few scenes, few questions, answers of three words."""
    monkeypatch.setattr(flamingo_runs, "scenes_of", lambda seed: few)
    monkeypatch.setattr(flamingo_runs, "held_out", lambda seed: few)
    for name, count in {"CAPTIONS": 2, "PER_TYPE": 4, "EPISODES": 2}.items():
        monkeypatch.setattr(flamingo_runs, name, count)
    write = FewShotAnswerer.write
    short = lambda self, prompts, longest=3: write(self, prompts, min(longest, 3))  # noqa: E731
    monkeypatch.setattr(FewShotAnswerer, "write", short)
    timed = flamingo_runs.relative_time
    monkeypatch.setattr(flamingo_runs, "relative_time", lambda way, seed, steps: 0.5)
    return timed


def test_what_is_left_out_is_not_replaced_by_more_of_the_rest(few):
    opened = begin_on(few, USUAL)
    asked = {}
    for arm, way in flamingo_data.WAYS.items():
        documents = documents_of(way, opened, 0)
        batches = [documents.batch(step, way.batch_size, 0) for step in range(12)]
        asked[arm] = sum(len(batch["image_features"]) for batch in batches) / 12
        tags = [(b["input_ids"] == opened.model.image_token_id).sum(1).max() for b in batches]
        assert max(tags) == {DOCUMENTS: 9, NO_SYMBOLS: 3, PAIRS: 1}[arm]
    assert asked[NO_SYMBOLS] == pytest.approx(asked[PAIRS], rel=0.1) and asked[PAIRS] == 32
    assert asked[DOCUMENTS] > asked[PAIRS] + 20


def begin_on(few, way, seed=0):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flamingo_runs, "scenes_of", lambda seed: few)
        return begin(way, seed)


@pytest.mark.parametrize(
    ("arm", "places"),
    list(zip(flamingo_places.WAYS, [(0, 1, 2, 3), (0, 2), (0,), (3,)], strict=True)),
)
def test_layers_stand_where_the_arm_says(few, arm, places):
    assert begin_on(few, flamingo_places.WAYS[arm]).model.gated.places == places


def test_without_a_gate_the_layers_begin_open_at_their_usual_size_and_stay_open(small, few):
    opened, usual = begin(Way(gated=False), 0), begin(USUAL, 0)
    assert (opened.model.gated.gate_values() == 1).all()
    assert (usual.model.gated.gate_values() == 0).all()
    for one, other in zip(opened.model.gated.layers, usual.model.gated.layers, strict=True):
        gain = flamingo.scale("toy").gain
        assert torch.allclose(gain * one.attention.out_proj.weight, other.attention.out_proj.weight)
    batch = documents_of(USUAL, usual, 0).batch(0, 4, 0)
    bare = usual.model.language.model
    alone = bare(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    with torch.no_grad():
        assert torch.equal(usual.model.logits(batch), alone)
        assert not torch.allclose(opened.model.logits(batch), alone, atol=0.1)
    found = run_way(Way(gated=False, batch_size=2), 0, 2)
    assert {value for point in found["curve"] for key, value in point.items() if "." in key} == {1}


def test_a_run_tells_flat_numbers_and_a_curve(small):
    found = run_way(Way(batch_size=8), 0, 3)
    curve = found.pop("curve")
    assert found.keys() > SHARES | OTHERS and all(type(v) is float for v in found.values())
    assert all(0 <= found[key] <= 1 for key in SHARES)
    assert found["over_blind"] == pytest.approx(found["vqa"] - found["blind"], abs=2e-4)
    assert [point["samples"] for point in curve] == [0, 8, 16, 24]
    gates = {f"{part}.{place}" for part in ("attention", "feed_forward") for place in range(4)}
    assert all(gates < point.keys() for point in curve) and gates < found.keys()
    assert all(curve[0][gate] == 0 < curve[1][gate] for gate in gates)
    assert found["gate.least"] == min(found[gate] for gate in gates) > found["gate.start"] == 0
    assert found["layers"] == 4 and found["loss.first"] > 0 < found["grad_norm.most"]
    rows = [{"arm": "a", "seed": s, "steps": 3, "scores": {"curve": curve}} for s in range(3)]
    assert read_curves(rows, "attention.3")["a"].values[0][0] == 0


@pytest.mark.parametrize("module", MODULES[1:])
def test_every_arm_runs_through(module, small):
    for arm in set(module.EXPERIMENT.arms) - module.EXPERIMENT.shared.keys():
        found = module.EXPERIMENT.measure(arm, 0, 1)
        assert found.keys() > SHARES | OTHERS, arm
        assert found["layers"] == 4.0 or module is flamingo_places


def test_a_run_repeats_itself_and_leaves_the_host_alone(small):
    def trained(seed):
        way = Way(batch_size=4)
        opened = begin(way, seed)
        before = frozen_fingerprint(opened.model, stage_of(way, 2))
        reads = documents_of(way, opened, seed).batch
        flamingo_runs.fit(opened.model, stage_of(way, 2), lambda step: reads(step, 4, seed), seed)
        assert frozen_fingerprint(opened.model, stage_of(way, 2)) == before
        return opened.model.vpg.head.state_dict()

    one, same, other = trained(1), trained(1), trained(2)
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)


def test_behind_symbols_without_images_an_answer_is_right_half_of_the_time(small, few, monkeypatch):
    answerer, asked = FewShotAnswerer(None, None, few), []

    def first_symbol(prompts, longest):
        asked.extend(prompts)
        return [prompt[0].said for prompt in prompts]

    monkeypatch.setattr(answerer, "write", first_symbol)
    assert 0.4 < flamingo_runs.bound_in_words(answerer, 400, 0) < 0.6
    for prompt in asked:
        assert [len(chunk.images) for chunk in prompt] == [0, 0, 1]
        assert len({chunk.said for chunk in prompt[:2]}) == 2 and not prompt[2].said


def test_times_are_medians_beside_a_layer_in_front_of_every_block(small, monkeypatch):
    taken = iter([99.0, 99.0, 1.0, 2.0, 3.0, 2.0, 50.0, 2.0])  # the first step of each warms up
    monkeypatch.setattr(step_time, "_seconds", lambda model, batch: next(taken))
    assert small(Way(every=2), 0, steps=3) == 1.5
    assert small(Way(gated=False), 0, steps=3) == 1.0


def test_a_timed_step_goes_all_the_way_back(small):
    way = Way(every=4, batch_size=2)
    opened = begin(way, 0)
    flamingo_runs.apply_stage(opened.model, stage_of(way, 1))
    assert step_time._seconds(opened.model, documents_of(way, opened, 0).batch(0, 2, 0)) > 0
    assert opened.model.vpg.head.latents.grad.abs().sum() == 0  # behind closed gates
    assert opened.model.gated.layers[0].attention_gate.grad.abs().sum() > 0


@pytest.fixture
def stand_in(monkeypatch):
    """Puts a quick run in the place of every way's; returns which ways were run."""
    made = []

    def run(way, seed, steps):
        made.append((way, seed))
        return {"score": float(len(made))}

    for module in MODULES:
        monkeypatch.setattr(module, "run_way", run)
    return made


def test_a_way_that_two_experiments_have_runs_once(tmp_path, stand_in):
    for name in runner.named_experiments("flamingo"):
        runner.run_experiment(name, folder=tmp_path, say=lambda text: None)
    assert len(stand_in) == len(set(stand_in)) == 7 * 3
    shots = runner.read_rows("flamingo_shots", tmp_path)
    scores = {(row["arm"], row["seed"]): row["scores"] for row in shots}
    for module in MODULES[1:]:
        name = module.__name__.split(".")[-1]
        rows = runner.read_rows(name, tmp_path)
        assert sorted({row["arm"] for row in rows}) == sorted(module.EXPERIMENT.arms)
        assert len(rows) == 3 * len(module.EXPERIMENT.arms)
        taken = [row for row in rows if "taken_from" in row]
        assert {row["arm"] for row in taken} == module.EXPERIMENT.shared.keys()
        for row in taken:
            _, other = module.EXPERIMENT.shared[row["arm"]]
            assert row["scores"] == scores[other, row["seed"]]
            assert row["taken_from"] == "flamingo_shots"
            assert row["command"] == f"course experiment {name}"


def test_an_experiment_alone_runs_all_of_its_ways_and_a_trial_is_not_taken(tmp_path, stand_in):
    runner.run_experiment("flamingo_shots", (0,), 2, tmp_path, lambda text: None)
    del stand_in[:]
    rows = runner.run_experiment("flamingo_gates", (0,), None, tmp_path, lambda text: None)
    assert [way for way, _ in stand_in] == [USUAL, Way(gated=False)]
    assert not any("taken_from" in row for row in rows)


def test_what_is_shared_is_the_same_way():
    for module in MODULES[1:]:
        for arm, (name, other) in module.EXPERIMENT.shared.items():
            assert name == "flamingo_shots" and module.WAYS[arm] == flamingo_data.WAYS[other]
            assert other in flamingo_shots.EXPERIMENT.arms


def test_a_card_compares_numbers_of_shots(tmp_path, stand_in, monkeypatch):
    scores = {"binding.8": 0.75, "binding.0": 0.5, "curve": []}
    monkeypatch.setattr(flamingo_shots, "run_way", lambda way, seed, steps: scores)
    runner.run_experiment("flamingo_shots", folder=tmp_path, say=lambda text: None)
    card = Claim("more", "no", "flamingo_shots", DOCUMENTS, "", "binding.8", "binding.0")
    assert judged(card, tmp_path).pairs == ((0.75, 0.5),) * 3


def test_the_whole_sweep_fits_50_core_minutes_and_its_places_are_whole_steps():
    runs = 0.0
    for module in MODULES:
        found = module.EXPERIMENT
        own = [arm for arm in found.arms if arm not in found.shared]
        runs += len(runner.SEEDS) * len(own) * found.minutes
        places = [found.steps * place / 30 for place in flamingo_runs.PLACES]
        assert places == [round(place) for place in places]
    assert runs <= 50
