"""The four experiments with MiniGPT-4 on tiny models: every variant runs, and repeats itself."""

import pytest

from course_lib.commands import minigpt4 as commands
from course_lib.curation.describing import Said
from course_lib.data.toy import ToyScenes
from course_lib.experiments import minigpt4_failures, minigpt4_length, minigpt4_runs
from course_lib.experiments.runner import find_experiment
from course_lib.world.language import canonical_caption
from tests.tiny_minigpt4 import tiny_minigpt4

NAMES = ("minigpt4_failures", "minigpt4_length", "minigpt4_quality", "minigpt4_samples")
SCORES = {"sound", "failing", "things_right", "chair_i", "wrong_i", "words", "failing.endless"}


def few_held_out(opened, seed, count=4):
    return ToyScenes(count, seed, "test", opened.encoder)


def teacher(_model, _asker, data):
    """Describes scenes as their captions do, as no model of random weights would."""

    def ask(asked):
        return [Said(canonical_caption(data.scenes[int(row)]), 9) for row, _ in asked]

    return ask


@pytest.fixture
def small(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for module in (commands, minigpt4_runs):
        monkeypatch.setattr(module, "build_toy", lambda config, cached: tiny_minigpt4(cached))
    monkeypatch.setattr(minigpt4_runs, "inherit_projector", lambda model, init: None)
    monkeypatch.setattr(minigpt4_runs, "SCENES", 70)
    monkeypatch.setattr(commands, "scene_asker", teacher)
    monkeypatch.setattr(minigpt4_runs, "held_out", few_held_out)
    monkeypatch.setattr(minigpt4_length, "held_out", few_held_out)
    yield
    minigpt4_failures._first.cache_clear()
    minigpt4_length._trained.cache_clear()


@pytest.mark.parametrize("name", NAMES)
def test_every_variant_runs(name, small):
    experiment = find_experiment(name)
    for arm in experiment.arms:
        scores = experiment.measure(arm, 0, 1)
        assert scores.keys() >= SCORES
        assert scores["sound"] == round(1 - scores["failing"], 4)


def test_a_run_repeats_itself(small):
    measure = find_experiment("minigpt4_samples").measure
    assert measure("25", 1, 2) == measure("25", 1, 2)
