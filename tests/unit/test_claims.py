"""A verdict follows its rule, from rows that an experiment wrote and went on writing."""

import json

import pytest

from course_lib.experiments import runner
from course_lib.experiments.runner import (
    Experiment,
    experiment_names,
    find_experiment,
    read_rows,
    run_experiment,
)
from course_lib.teach.claims import (
    CONTRADICTED,
    NOT_VISIBLE,
    REPRODUCED,
    Claim,
    card,
    judged,
    verdict,
)


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([(0.5, 0.3), (0.6, 0.4), (0.55, 0.3)], REPRODUCED),
        ([(0.3, 0.5), (0.4, 0.6), (0.3, 0.55)], CONTRADICTED),
        ([(0.5, 0.3), (0.6, 0.4), (0.3, 0.31)], NOT_VISIBLE),  # one seed the other way
        ([(0.31, 0.3), (0.9, 0.3), (0.32, 0.3)], NOT_VISIBLE),  # within two standard errors
        ([(0.3, 0.3), (0.3, 0.3), (0.3, 0.3)], NOT_VISIBLE),  # no difference at all
    ],
)
def test_verdicts(pairs, expected):
    assert verdict(pairs) == expected


def test_two_seeds_make_no_verdict():
    with pytest.raises(ValueError, match="2 seeds make no verdict"):
        verdict([(1.0, 0.0), (1.0, 0.0)])


@pytest.fixture
def calls(monkeypatch):
    made = []

    def measure(arm, seed, steps):
        made.append((arm, seed, steps))
        return {"score": seed / 10 + (0.5 if arm == "with" else 0.2), "blind": 0.1}

    probe = Experiment("a claim", ("with", "without"), measure, steps=7, minutes=1.0)
    monkeypatch.setattr(runner, "find_experiment", lambda name: probe)
    return made


def test_an_experiment_goes_on_where_it_was_stopped(tmp_path, calls):
    told = []
    run_experiment("probe", seeds=(0,), folder=tmp_path, say=told.append)
    assert calls == [("with", 0, 7), ("without", 0, 7)]
    path = tmp_path / "probe.jsonl"
    path.write_text(path.read_text() + '{"experiment": "pro')  # killed while writing
    rows = run_experiment("probe", seeds=(0, 1), folder=tmp_path, say=told.append)
    assert calls[2:] == [("with", 1, 7), ("without", 1, 7)]
    assert [(row["arm"], row["seed"]) for row in rows] == [call[:2] for call in calls]
    assert told[-1] == "probe: run 2 of 2, without, seed 1; about 1 core-minutes left"
    assert all(row["command"] == "course experiment probe" for row in read_rows("probe", tmp_path))


CLAIM = Claim("with is better", "0.9 against 0.5", "probe", "with", "without", "score")


def test_a_card_has_paper_ours_seeds_and_verdict(tmp_path, calls):
    run_experiment("probe", folder=tmp_path, say=lambda text: None)
    run_experiment("probe", steps=2, folder=tmp_path, say=lambda text: None)  # a trial
    result = judged(CLAIM, tmp_path)
    assert result.steps == 7 and result.verdict == REPRODUCED
    lines = card(result).splitlines()
    assert lines[1] == "paper:   0.9 against 0.5"
    assert lines[2] == "ours:    with, score     0.50  0.60  0.70   mean 0.60"
    assert lines[-2:] == ["budget:  3 seeds, 7 steps each", "verdict: reproduced"]


def test_two_metrics_of_one_variant_can_be_compared(tmp_path, calls):
    run_experiment("probe", folder=tmp_path, say=lambda text: None)
    claim = Claim("it sees", "no number", "probe", "with", "", "score", over="blind")
    assert judged(claim, tmp_path).pairs == ((0.5, 0.1), (0.6, 0.1), (0.7, 0.1))


def test_missing_results_name_the_command(tmp_path, calls):
    run_experiment("probe", seeds=(0, 1), folder=tmp_path, say=lambda text: None)
    with pytest.raises(ValueError, match=r"has 2 seeds .* run `course experiment probe` first"):
        judged(CLAIM, tmp_path)


def test_every_experiment_is_found_and_an_unknown_one_is_named():
    for name in experiment_names():
        found = find_experiment(name)
        assert len(found.arms) >= 2 and len(set(found.arms)) == len(found.arms)
    with pytest.raises(ValueError, match="did you mean 'queries'"):
        find_experiment("querie")


def test_committed_results_hold_whole_rows():
    for name in experiment_names():
        for row in read_rows(name):
            assert row["arm"] in find_experiment(name).arms
            assert row["command"] == f"course experiment {name}" and row["scores"]
            assert json.dumps(row)
