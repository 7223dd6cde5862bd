"""The four experiments with mPLUG-Owl on tiny models: every variant runs, and repeats itself."""

import pytest
import torch

from course_lib.commands.mplug_owl import settings_of
from course_lib.data.toy_instructions import caption_batch
from course_lib.data.toy_owl import OwlScenes
from course_lib.evaluation import instructions, joint
from course_lib.experiments import mplug_owl_joint, mplug_owl_runs, mplug_owl_tokens, step_time
from course_lib.experiments.mplug_owl_runs import STAGE1, after_stage1, first_stage, tuned
from course_lib.experiments.runner import find_experiment, run_experiment
from course_lib.lora import lora_layers
from course_lib.teach.claims import Claim, judged
from course_lib.training.stages import apply_stage
from tests.tiny_owl import QUERIES, tiny_owl

TUNED = {"images", "blind", "over_blind", "text", "both", "captions", "detail", "conversation"}
TUNED |= {"images.kind", "text.repeat", "which.2", "inside.4", "which_in_words.3", "moved"}
SEEN = {"things_right", "exact", "colour", "size", "digit", "shape", "place"}
SCORES = {
    "mplug_owl_joint": TUNED,
    "mplug_owl_stages": TUNED,
    "mplug_owl_encoder": SEEN,
    "mplug_owl_tokens": SEEN | {"positions", "time"},
}


def built(config, numbers=None):
    """Builds a tiny model with as many queries, and the abstractor of its seed."""
    opened = tiny_owl(numbers.abstractor.num_query_tokens if numbers else QUERIES)
    torch.manual_seed(config.get("seed", 0))
    opened.model.vpg.head.reset_parameters()
    return opened


def few_held_out(opened, seed, count=40, clips=4):
    return OwlScenes(min(count, 40), seed, "test", opened.encoder, min(clips, 4))


@pytest.fixture
def small(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    inherited = []
    for module in (mplug_owl_runs, mplug_owl_tokens):
        monkeypatch.setattr(module, "build_toy", built)
    monkeypatch.setattr(mplug_owl_runs, "inherit_stage1", lambda _, init: inherited.append(init))
    monkeypatch.setattr(mplug_owl_runs, "SCENES", 70)
    monkeypatch.setattr(mplug_owl_runs, "CLIPS", 8)
    monkeypatch.setattr(mplug_owl_runs, "held_out", few_held_out)
    measured = mplug_owl_runs.measured
    for name in ("joint", "stages"):
        module = f"course_lib.experiments.mplug_owl_{name}.measured"
        monkeypatch.setattr(module, lambda opened, seed: measured(opened, seed, 2, 4))
    monkeypatch.setattr(mplug_owl_tokens, "TIMED", 2)
    for module in (instructions, joint):  # random weights write on and on
        monkeypatch.setattr(module, "LONGEST", 6)
    yield inherited
    mplug_owl_runs.encoded_scenes.cache_clear()
    mplug_owl_runs.instructed_scenes.cache_clear()


@pytest.mark.parametrize("name", SCORES)
def test_every_variant_gives_flat_numbers(name, small):
    experiment = find_experiment(name)
    for arm in experiment.arms:
        scores = experiment.measure(arm, 0, 1)
        assert scores.keys() >= SCORES[name], arm
        assert all(isinstance(score, float) for score in scores.values())
        shares = SCORES[name] - {"time", "positions", "over_blind"}
        assert all(0 <= scores[key] <= 1 for key in shares)
        if "both" in scores:
            images, blind, text = (scores[key] for key in ("images", "blind", "text"))
            assert scores["over_blind"] == pytest.approx(images - blind, abs=2e-4)
            assert scores["both"] == pytest.approx((images + text) / 2, abs=2e-4)
        if "positions" in scores:
            assert scores["positions"] == int(arm) + 1 and scores["time"] > 0


def test_a_card_reads_what_an_experiment_writes(small, tmp_path):
    rows = run_experiment("mplug_owl_encoder", steps=1, folder=tmp_path, say=lambda text: None)
    assert [(row["arm"], row["seed"]) for row in rows[:3]] == [
        ("trained", 0),
        ("frozen", 0),
        ("trained", 1),
    ]
    names = ("mplug_owl_encoder", "trained", "frozen")
    for metric in SEEN:
        result = judged(Claim("detail", "no number", *names, metric), tmp_path)
        assert len(result.pairs) == 3 and result.steps == 1


def test_a_run_repeats_itself_and_seeds_differ(small):
    def trained():
        mplug_owl_runs.instructed_scenes.cache_clear()
        state = tuned(1, 2).model.state_dict()
        return [value for key, value in state.items() if "lora_B" in key]

    first = trained()
    assert all(map(torch.equal, first, trained())) and any(value.any() for value in first)
    one, other = (first_stage(seed, 1).model.vpg.head.query_tokens for seed in (0, 1))
    assert not torch.equal(one, other)


def test_the_arms_of_a_seed_read_the_scenes_that_were_encoded_once(small, monkeypatch):
    made = []

    class Counted(OwlScenes):
        def __init__(self, count, seed, split, *rest, **how):
            made.append(split)
            super().__init__(count, seed, split, *rest, **how)

    monkeypatch.setattr(mplug_owl_runs, "OwlScenes", Counted)
    for text in mplug_owl_joint.MIXES.values():
        tuned(0, 1, joint=mplug_owl_runs.Joint(text=text))
    assert made == ["train"] and small == [STAGE1] * 4


def test_stage_2_alone_inherits_nothing_and_stage_1_alone_has_no_lora(small):
    tuned(0, 1, None)
    assert small == []
    with pytest.raises(ValueError, match="has no LoRA"):
        lora_layers(after_stage1(0).model)
    assert small == [STAGE1]
    opened = tuned(0, 2)
    assert len(lora_layers(opened.model)) == 4
    assert any(layer.lora_B.abs().max() > 0 for layer in lora_layers(opened.model).values())


@pytest.mark.parametrize("encoder", ["trained", "frozen"])
def test_an_encoder_is_trained_on_pixels_or_stays_as_it_is(small, encoder):
    before, after = built({}).encoder.state_dict(), first_stage(0, 2, encoder)
    moved = [k for k, v in after.encoder.state_dict().items() if not torch.equal(v, before[k])]
    assert bool(moved) is (encoder == "trained")
    assert not torch.equal(after.model.projector.end_token, built({}).model.projector.end_token)


def test_as_many_queries_as_asked_for_and_one_place_more(small):
    opened = first_stage(0, 1, num_queries=5)
    assert opened.asker.caption_ids().count(opened.model.image_token_id) == 6
    assert mplug_owl_runs.seen(opened, 0).keys() >= SEEN


def test_times_are_medians_beside_those_of_the_usual_queries(small, monkeypatch):
    taken = iter([99.0, 99.0, 1.0, 2.0, 3.0, 2.0, 50.0, 2.0])  # the first step of each warms up
    monkeypatch.setattr(step_time, "_seconds", lambda model, batch: next(taken))
    assert mplug_owl_tokens.relative_time(4, 0, steps=3) == 1.5


def test_time_leaves_out_the_encoder_and_counts_a_whole_step(small):
    stage = settings_of("1", encoder="frozen")
    opened = built({})
    data = mplug_owl_runs.encoded_scenes(0)
    apply_stage(opened.model, stage)
    batch = caption_batch(data, opened.asker.chat, 0, stage.batch_size, 0)
    assert "pixel_values" not in batch
    assert step_time._seconds(opened.model, batch) > 0
    assert all(p.grad is not None for p in opened.model.vpg.head.parameters())
