"""Stages: the list, the modes, the schedule, the table, the fingerprint."""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from course_lib.training.stages import (
    Stage,
    apply_stage,
    frozen_fingerprint,
    listed_names,
    stage_table,
)


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.query_tokens = nn.Parameter(torch.zeros(1, 2, 4))
        self.layers = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.LayerNorm(4))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.vpg = nn.Module()
        self.vpg.encoder = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.1))
        self.vpg.head = Head()
        self.vpg.header = nn.Linear(4, 4)
        self.projector = nn.Linear(4, 5)
        self.language = nn.ModuleList(nn.ModuleDict({"lora": nn.Linear(5, 5)}) for _ in range(2))


def stage(*trainable, **options):
    options = {"steps": 10, "batch_size": 2, "learning_rate": 1e-3, **options}
    return Stage("test", trainable, **options)


def test_only_what_is_listed_trains():
    model = Model()
    names = apply_stage(model, stage("vpg.head", "projector"))
    assert names == [
        "vpg.head.query_tokens",
        *(f"vpg.head.layers.{i}.{x}" for i in (0, 2) for x in ("weight", "bias")),
        *(f"projector.{x}" for x in ("weight", "bias")),
    ]
    assert {n for n, p in model.named_parameters() if p.requires_grad} == set(names)


def test_modes_follow_the_list():
    model = Model()
    apply_stage(model, stage("vpg.head", "projector"))
    training = {name for name, module in model.named_modules() if module.training}
    assert training == {"projector", "vpg.head"} | {
        f"vpg.head.layers{x}" for x in ("", ".0", ".1", ".2")
    }
    # A listed parameter is no reason for its module's dropout to come on.
    apply_stage(model, stage("vpg.head.query_tokens"))
    assert not any(module.training for module in model.modules())
    apply_stage(model, stage("*"))
    assert all(m.training for m in model.modules() if list(m.parameters()))


def test_a_second_stage_freezes_what_the_first_trained():
    model = Model()
    apply_stage(model, stage("vpg.head"))
    model.vpg.head.query_tokens.grad = torch.ones(1, 2, 4)
    assert apply_stage(model, stage("projector")) == ["projector.weight", "projector.bias"]
    assert model.vpg.head.query_tokens.grad is None
    assert not model.vpg.head.layers[1].training


def test_matching_is_by_component_and_star_stays_in_one():
    model = Model()
    assert "vpg.header.weight" not in listed_names(model, ("vpg.head",))
    assert listed_names(model, ("language.*.lora",)) == {
        f"language.{i}.lora.{x}" for i in (0, 1) for x in ("weight", "bias")
    }
    assert "vpg.encoder.1.running_mean" in listed_names(model, ("vpg.encoder",))
    with pytest.raises(ValueError, match="matches no parameter"):
        listed_names(model, ("*.lora",))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("vpg.haed", "'vpg.head'"),
        ("projectors", "'projector'"),
        ("vpg.head.query_token", "'vpg.head.query_tokens'"),
        ("xyzzy", r"the model has \['vpg', 'projector', 'language'\]"),
        ("vpg.head.layers.1", "'vpg.head.layers"),
    ],
)
def test_a_name_that_matches_nothing_raises_and_changes_nothing(name, hint):
    model = Model()
    with pytest.raises(ValueError, match=f"{name}.*matches no parameter.*{hint}"):
        apply_stage(model, stage("projector", name))
    assert all(p.requires_grad for p in model.parameters())


def test_tied_parameters_are_listed_together():
    model = Model()
    model.words = nn.Embedding(5, 4)
    model.lm_head = nn.Linear(4, 5, bias=False)
    model.lm_head.weight = model.words.weight
    with pytest.raises(ValueError, match=r"lm_head\.weight .* same tensor as words\.weight"):
        apply_stage(model, stage("lm_head"))
    assert apply_stage(model, stage("lm_head", "words")) == ["words.weight"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trainable": "projector"}, "write a tuple"),
        ({"trainable": ()}, "write a tuple"),
        ({"steps": 0}, "at least 1"),
        ({"batch_size": 0}, "at least 1"),
        ({"warmup_steps": 11}, "warmup_steps=11.*10 steps"),
        ({"learning_rate": 0.0}, "above 0"),
        ({"min_learning_rate": 1.0}, "min_learning_rate=1.0"),
    ],
)
def test_a_stage_that_cannot_be_meant_is_refused(options, message):
    good = {"trainable": ("a",), "steps": 10, "batch_size": 2, "learning_rate": 1e-3}
    with pytest.raises(ValueError, match=message):
        Stage("test", **{**good, **options})


def test_learning_rate_schedule():
    it = stage("a", steps=100, learning_rate=1.0, warmup_steps=10, min_learning_rate=0.1)
    rates = [it.learning_rate_at(step) for step in range(100)]
    assert rates[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert max(rates) == rates[9] == 1.0 and rates[-1] == pytest.approx(0.1)
    assert all(a > b for a, b in pairwise(rates[9:]))
    middle = 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * 45 / 90))
    assert rates[54] == pytest.approx(middle)
    assert stage("a", learning_rate=1.0).learning_rate_at(0) == 1.0
    assert stage("a", learning_rate=1.0, steps=1).learning_rate_at(0) == 1.0


def test_stage_table_counts_every_parameter_once():
    model = Model()
    model.language[1]["lora"].weight = model.language[0]["lora"].weight
    model.projector.to(torch.float16)
    apply_stage(model, stage("vpg.head", "projector"))
    rows = stage_table(model)
    assert [tuple(row) for row in rows] == [
        ("vpg.encoder", 24, False, "float32", "eval"),
        ("vpg.head", 36, True, "float32", "train"),
        ("vpg.header", 20, False, "float32", "eval"),
        ("projector", 25, True, "float16", "train"),
        ("language", 35, False, "float32", "eval"),
    ]
    assert sum(row.parameters for row in rows) == sum(p.numel() for p in model.parameters())
    apply_stage(model, stage("vpg.head.query_tokens"))
    assert stage_table(model)[1:3] == [
        ("vpg.head.query_tokens", 8, True, "float32", "eval"),
        ("vpg.head.layers", 28, False, "float32", "eval"),
    ]
    model.vpg.encoder[2].train()
    assert stage_table(model)[0].mode == "mixed"


def test_fingerprint_sees_every_frozen_bit_and_no_trained_one():
    model = Model()
    it = stage("projector", "vpg.encoder")
    apply_stage(model, it)
    before = frozen_fingerprint(model, it), frozen_fingerprint(model)
    with torch.no_grad():
        model.projector.weight.add_(1)
    assert (frozen_fingerprint(model, it), frozen_fingerprint(model)) == before
    # A trained module's buffer may move: the stage says so, gradients alone do not.
    model.vpg.encoder[1].running_mean.add_(1)
    assert frozen_fingerprint(model, it) == before[0] and frozen_fingerprint(model) != before[1]
    with torch.no_grad():
        model.vpg.header.bias[0] = torch.nextafter(model.vpg.header.bias[0], torch.tensor(9.0))
    assert frozen_fingerprint(model, it) != before[0]
