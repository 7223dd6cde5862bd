"""benchmarks/*.py on the CPU: both sides agree before they are timed, no row is missing."""

import json
import sys

import pytest
import torch

from course_lib.devtools.environment import ROOT

FLAMINGO = [
    ("interleaved step from pixels", 1.0),
    ("interleaved step, cached features", 1.0),
    *((f"greedy token, batch {count}", 0.85) for count in (1, 2, 4)),
]


@pytest.fixture
def flamingo(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import flamingo

    return flamingo


def test_every_row_of_flamingo_is_measured(flamingo):
    rows = [*flamingo.training(2, rows=4), *flamingo.greedy(2, new_tokens=4)]
    assert [(row.work, row.limit) for row in rows] == FLAMINGO
    for row in rows:
        assert row.ours_ms > 0 and row.reference_ms > 0 and row.ratio > 0


def test_both_sides_train_the_same_and_both_look_at_their_images(flamingo):
    reference, ours = flamingo.pair()
    assert {name.split(".")[0] for name, p in ours.named_parameters() if p.requires_grad} == {
        "vpg",
        "gated",
    }
    batch = flamingo.labelled(flamingo.make_batch(3))
    assert (batch["labels"] != -100).sum() == 3 * 45 - (0 + 1 + 2)
    losses = []
    for pixels in (batch["pixel_values"], batch["pixel_values"].flip(0)):
        shown = {**batch, "pixel_values": pixels}
        losses.append(
            (
                ours(shown).item(),
                reference(**flamingo.idefics_batch(shown, flamingo.TAG)).loss.item(),
            )
        )
    assert all(abs(own - other) < 1e-5 for own, other in losses)
    assert abs(losses[0][0] - losses[1][0]) > 1e-3
    ours(batch).backward()
    reference(**flamingo.idefics_batch(batch, flamingo.TAG)).loss.backward()
    own, theirs = (
        torch.cat([p.grad.norm()[None] for p in model.parameters() if p.grad is not None]).norm()
        for model in (ours, reference)
    )
    assert abs(own - theirs) < 1e-4 * theirs


def test_sides_that_differ_are_not_timed(flamingo, monkeypatch):
    honest = flamingo.idefics_from_hf

    def wrong(*given):
        model = honest(*given)
        with torch.no_grad():
            model.gated.layers[-1].feed_forward_gate += 1
        return model

    monkeypatch.setattr(flamingo, "idefics_from_hf", wrong)
    monkeypatch.setattr(sys.modules["_timing"], "alternate", lambda *_: pytest.fail("timed"))
    with pytest.raises(RuntimeError, match="Losses differ"):
        flamingo.training(2, rows=2)
    with pytest.raises(RuntimeError, match="different words"):
        flamingo.greedy(2, new_tokens=4)


def test_the_command_times_the_real_script(course):
    code, out, errors = course("bench", "--models", "flamingo", "--repeats", 2, "--json")
    found = json.loads(out)
    assert [(row["work"], row["limit"]) for row in found["rows"]] == FLAMINGO
    # Two turns on a busy machine say nothing about time: whatever it is, the status tells it.
    assert code == (0 if all(row["met"] for row in found["rows"]) else 1)
    assert found["torch"] == torch.__version__ and found["threads"] == 1
    assert errors.splitlines() == [
        "flamingo: measuring: training ...",
        "flamingo: measuring: greedy ...",
    ]
