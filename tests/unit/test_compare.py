"""The comparison: budgets are kept, rows are kept, the table says what the rows say."""

import copy
import json

import pytest
import torch
from torch import nn

from course_lib.comparison import running, table
from course_lib.comparison.budget import BUDGETS, Budget, Ledger, inherited_cost, training_bytes
from course_lib.comparison.contestants import CONTESTANTS, chosen_contestants
from course_lib.comparison.measures import Sizes
from course_lib.comparison.running import missing, read_comparison, run_missing, run_one
from course_lib.training.stages import Stage

KINDS = ("colour", "kind")


class Line(nn.Module):
    """A model of one layer behind a frozen one."""

    def __init__(self):
        super().__init__()
        self.projector, self.language = nn.Linear(4, 4), nn.Linear(4, 1)

    def forward(self, batch):
        return self.language(self.projector(batch["image_features"])).square().mean()


def batch(step):
    generator = torch.Generator().manual_seed(step)
    features = torch.randn(8, 4, generator=generator)
    return {"image_features": features, "attention_mask": torch.ones(8, 3)}


def stage(**changed):
    return Stage("stage1", ("projector",), 10, 8, 1e-3, **changed)


def row(model, kind="samples", seed=0, vqa=(0.9, 0.8), blind=(0.3, 0.3), **scores):
    by_type = {"vqa_by_type": dict(zip(KINDS, vqa, strict=True))}
    by_type["blind_by_type"] = dict(zip(KINDS, blind, strict=True))
    means = {"vqa": sum(vqa) / 2, "blind": sum(blind) / 2}
    plain = dict.fromkeys(("things_right", "exact", "described", "text_kept", "failing"), 0.5)
    plain |= {"made_up": 0.1, "retrieval": None, "several": None, "shots": None, "symbols": None}
    plain |= {"visual_tokens": 16, "per_type": 50, "over_blind": means["vqa"] - means["blind"]}
    cost = {"samples": 400, "seconds": 10.0, "trainable": 1000}
    cost |= {"tokens_per_s": 50.0, "bytes": 2_000_000}
    own = {"samples": 800.0, "seconds": 30.0} if CONTESTANTS[model].inherits else None
    return {
        **{"model": model, "budget": kind, "amount": 400, "seed": seed, "version": 1},
        "scores": plain | by_type | means | scores,
        "cost": cost,
        "inherited": own or {"samples": 0.0, "seconds": 0.0},
    }


def test_a_budget_of_samples_is_spent_exactly_and_only_what_is_listed_trains():
    model, ledger = Line(), Ledger(Budget("samples", 80), 0)
    before = model.language.weight.clone(), model.projector.weight.clone()
    ledger.fit(model, stage(warmup_steps=9), 0.6, batch)
    ledger.fit(model, stage(), 0.4, batch)
    assert [one["steps"] for one in ledger.stages] == [6, 4]
    cost = ledger.cost()
    assert (cost["samples"], cost["images"], cost["tokens"]) == (80, 80, 240)
    assert cost["trainable"] == 20 and cost["bytes"] > 25 * 4 + 3 * 20 * 4
    assert torch.equal(model.language.weight, before[0])
    assert not torch.equal(model.projector.weight, before[1])


def test_a_budget_of_seconds_is_met_and_its_trial_leaves_no_trace():
    model, ledger = Line(), Ledger(Budget("seconds", 0.4), 0)
    twin = copy.deepcopy(model)
    ledger.fit(model, stage(), 1.0, batch)
    spent = ledger.cost()
    assert 0.1 < spent["seconds"] < 1.6
    again = Ledger(Budget("samples", spent["samples"]), 0)
    again.fit(twin, stage(), 1.0, batch)
    assert again.stages[0]["steps"] == ledger.stages[0]["steps"]
    assert torch.equal(model.projector.weight, twin.projector.weight)


def test_bytes_count_what_a_step_keeps_and_grow_with_the_batch():
    model = Line()
    small = training_bytes(model, stage(), [batch(0)])
    large = {name: torch.cat([value] * 4) for name, value in batch(0).items()}
    assert training_bytes(model, stage(), [batch(0), large]) > small
    assert small == training_bytes(model, stage(), [batch(0)])


@pytest.mark.parametrize(("kind", "amount"), [("sample", 3), ("samples", 0), ("seconds", -1)])
def test_a_budget_that_cannot_be_meant_is_refused(kind, amount):
    with pytest.raises(ValueError, match=r"did you mean 'samples'|above 0"):
        Budget(kind, amount)


def test_what_was_inherited_is_read_from_the_cards():
    assert inherited_cost(()) == {"samples": 0.0, "seconds": 0.0}
    one, both = inherited_cost(("blip2-stage1",)), inherited_cost(("blip2-stage1", "blip2-opt"))
    assert one["samples"] == 1600 * 64 and both["samples"] == one["samples"] + 3000 * 64
    assert both["seconds"] > one["seconds"] > 0


def test_unknown_and_repeated_models_are_refused():
    assert [one.name for one in chosen_contestants()] == list(CONTESTANTS)
    with pytest.raises(ValueError, match="did you mean 'llava'"):
        chosen_contestants(("lava",))
    with pytest.raises(ValueError, match="named twice"):
        chosen_contestants(("llava", "llava"))


def test_shares_of_a_budget_add_up():
    for one in CONTESTANTS.values():
        assert sum(one.shares) == pytest.approx(1), one.name


def test_a_stopped_comparison_goes_on_and_runs_nothing_twice(tmp_path):
    budgets, ran = [Budget(kind, 400) for kind in BUDGETS], []
    chosen = chosen_contestants(("llava", "blip2"))

    def run(one, budget, seed):
        if len(ran) == 3:
            raise KeyboardInterrupt
        ran.append((one.name, budget.kind, seed))
        return row(one.name, budget.kind, seed)

    with pytest.raises(KeyboardInterrupt):
        run_missing(chosen, budgets, [0], tmp_path, run=run)
    path = tmp_path / "compare.jsonl"
    with path.open("a") as stream:
        stream.write('{"model": "bl')  # killed in the middle of a line
    assert len(missing(chosen, budgets, [0], read_comparison(tmp_path))) == 1
    done, ran[:] = list(ran), []
    rows = run_missing(chosen, budgets, [0], tmp_path, run=run)
    assert len(rows) == 4 and len(ran) == 1 and ran[0] not in done
    assert len(run_missing(chosen, budgets, [0], tmp_path, run=None)) == 4
    assert len(run_missing(chosen[:1], budgets[:1], [0], tmp_path, run=None)) == 1


@pytest.mark.parametrize("line", [json.dumps({"version": 2}), "[]", '{"version": 1}'])
def test_a_file_of_another_version_is_refused_before_anything_trains(tmp_path, line):
    (tmp_path / "compare.jsonl").write_text(line + "\n")
    with pytest.raises(ValueError, match=r"compare\.jsonl, line 1, is (a row of version 2|no row)"):
        run_missing(chosen_contestants(), [Budget("samples", 9)], [0], tmp_path, run=None)


def test_the_table_says_what_the_rows_say():
    rows = [row("blip2", vqa=(0.9, 0.3)), row("llava", things_right=0.4), row("llava", seed=1)]
    rows += [row("flamingo", vqa=(0.35, 0.3), symbols={"8": 0.7}, shots={"8": 0.4})]
    cells = {
        line[0]: dict(zip(table.SCORE_HEAD, line, strict=True)) for line in table.score_rows(rows)
    }
    assert list(cells) == ["BLIP-2", "Flamingo", "LLaVA"]
    assert cells["LLaVA"]["things right"] == "0.45" and cells["LLaVA"]["symbols, 8 shots"] == "–"
    assert cells["Flamingo"]["symbols, 8 shots"] == "0.70"
    assert table.at_prior(rows, "blip2") == ["kind"] and not table.at_prior(rows, "llava")
    said = "\n".join(table.verdicts(rows))
    assert "BLIP-2 beats its own answers without the picture by 0.10 (+0.30)" in said
    assert "Flamingo does not beat" in said and "colour, kind" in said
    assert "Most of captions: BLIP-2, 0.50, with a VPG that had seen 2.0 times" in said
    costs = {line[0]: line for line in table.cost_rows(rows)}
    assert costs["BLIP-2"][3:7] == ["400", "1,200", "10", "40"]
    assert costs["LLaVA"][3:7] == ["400", "400", "10", "10"]
    head, by_type = table.type_rows(rows)
    assert head == ["model", *KINDS] and by_type[0][2] == "0.30|0.30 ·"


@pytest.mark.parametrize("name", ["blip2", "llava"])
def test_a_contestant_trains_and_is_measured(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(running, "COMMAND", "a trial")
    sizes = Sizes(captions=4, per_type=1, several=1, episodes=1, text=1, retrieved=4)
    found = run_one(CONTESTANTS[name], Budget("samples", 128), 0, scenes=80, sizes=sizes)
    assert found["cost"]["samples"] == pytest.approx(128, abs=32)
    assert found["scores"]["text_kept"] == 1.0 or name == "llava"
    assert (found["scores"]["retrieval"] is None) == (name != "blip2")
    assert (found["scores"]["several"] is None) == (name == "blip2")
    assert found["scores"]["visual_tokens"] == {"blip2": 16, "llava": 36}[name]
    json.dumps(found)
    assert table.score_rows([found]) and table.verdicts([found])
