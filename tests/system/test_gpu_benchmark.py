"""benchmarks/gpu.py and gpu_toy.py: their self-checks on the CPU, FLOPs that are the planner's."""

import argparse
import json
import sys
from dataclasses import replace

import pytest
import torch

from course_lib.devtools.environment import ROOT
from course_lib.planner.flops import flops_by_part
from course_lib.planner.jobs import jobs_of
from course_lib.planner.paper_models import blip2_with

ALONE = ("blip2 vit-g stage 1", "mplug_owl-7b stage 2")


@pytest.fixture(scope="module")
def benchmarks():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield ROOT / "benchmarks"
    sys.path.remove(str(ROOT / "benchmarks"))


@pytest.fixture
def gpu(benchmarks):
    import gpu

    return gpu


@pytest.fixture
def toy(benchmarks):
    import gpu_toy

    return gpu_toy


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def case_of(gpu, name, full=False):
    return next(case for case in gpu.cases(full) if case.name == name)


def test_without_a_gpu_it_checks_itself_and_says_so(gpu, no_gpu, tmp_path, capsys):
    out = tmp_path / "results" / "gpu.json"
    assert gpu.main(["--out", str(out), "--repeats", "1"]) == 0
    assert gpu.NOT_RUN in capsys.readouterr().err
    result = json.loads(out.read_text())
    assert result["gpu"] is False and result["machine"] and result["torch"] == torch.__version__
    sides = [(row["case"], row["side"]) for row in result["rows"]]
    names = [case.name for case in gpu.cases(False)]
    assert len(names) == 7 and [pair for pair in sides if pair[1] == "ours"] == [
        (name, "ours") for name in names
    ]
    assert {case for case, side in sides if side == "transformers"} == set(names) - set(ALONE)
    for row in result["rows"]:
        assert row["tokens_per_s"] > row["images_per_s"] > 0
        assert row["mfu"] is None and row["peak_memory_gb"] is None
    assert result["command"].startswith("python benchmarks/gpu.py --out")


def test_both_sides_share_and_train_the_same(gpu):
    for case in gpu.cases(False):
        sides = gpu.built(case, False, "cpu")
        if sides.reference is None:
            assert case.name in ALONE
            continue
        counts = [
            sum(p.numel() for p in model.parameters() if p.requires_grad)
            for model in (sides.ours, sides.reference)
        ]
        assert counts[0] == counts[1] > 0, case.name
        shared = {id(p) for p in sides.reference.parameters()}
        base = [p for name, p in sides.ours.language.named_parameters() if "lora_" not in name]
        assert all(id(p) in shared for p in base)
        own = {id(module) for module in sides.reference.modules()}
        assert not own & {id(module) for module in sides.ours.modules()}


def test_the_optimiser_works_and_moves_nothing(gpu):
    case = case_of(gpu, "llava-7b stage 2, full")
    ours = gpu.built(case, False, "cpu").ours
    before = {name: p.detach().clone() for name, p in ours.named_parameters()}
    optimiser = gpu.shared_adamw([ours, ours])
    for p in ours.parameters():
        p.grad = torch.ones_like(p) if p.requires_grad else None
    optimiser.step()
    trained = [p for p in ours.parameters() if p.requires_grad]
    assert len(optimiser.state) == len(trained) > 0
    assert all((optimiser.state[p]["exp_avg"] > 0).all() for p in trained)
    assert all(torch.equal(p, before[name]) for name, p in ours.named_parameters())


def test_two_sides_that_differ_are_not_timed(gpu, monkeypatch):
    honest = gpu.loss_of
    monkeypatch.setattr(
        gpu, "loss_of", lambda side, *rest: honest(side, *rest) * (1.01 if side == "ours" else 1)
    )
    monkeypatch.setattr(gpu, "timed", lambda *_: pytest.fail("timed"))
    with pytest.raises(RuntimeError, match="losses differ"):
        gpu.measure(gpu.cases(False)[0], False, "cpu", 1, None)
    with pytest.raises(RuntimeError, match="no numbers"):
        gpu.check_losses(gpu.cases(False)[0], [float("nan")], "cpu")


@pytest.mark.parametrize("name", ["llava-7b stage 2, lora", "blip2 vit-g opt-2.7b stage 2"])
def test_recomputation_changes_no_gradient(gpu, name):
    case = case_of(gpu, name)
    gradients = []
    for again in (False, True):
        ours = gpu.built(case, False, "cpu").ours
        if again:
            gpu.recompute(ours)
        torch.manual_seed(1)
        sides = gpu.built(case, False, "cpu")
        batch = gpu.make_batch(case, sides, "cpu")
        gpu.loss_of("ours", ours, batch).backward()
        gradients.append([p.grad for p in ours.parameters() if p.requires_grad])
    for kept, twice in zip(*gradients, strict=True):
        assert torch.allclose(kept, twice, atol=1e-6)


def test_full_size_flops_are_those_of_the_plan_and_every_case_fits(gpu):
    jobs = {"llava-7b stage 1": jobs_of("llava", "a100")[0]}
    jobs["minigpt4-7b stage 2"] = jobs_of("minigpt4", "a100")[1]
    jobs["mplug_owl-7b stage 2"] = jobs_of("mplug_owl", "a100")[1]
    jobs[ALONE[0]], jobs["blip2 vit-g opt-2.7b stage 2"] = blip2_with("facebook/opt-2.7b")
    again = {}
    for case in gpu.cases(True):
        ours = gpu.built(case, True, "meta").ours
        if case.name in jobs:
            planned = case.rows * sum(flops_by_part(jobs[case.name].inventory).values())
            assert gpu.flops_of(ours, case) == pytest.approx(planned, rel=1e-6), case.name
        again[case.name] = gpu.is_recomputed(ours, case, "auto", case.cap)
        if case.name == "llava-7b stage 2, full":
            with pytest.raises(gpu.DoesNotFit, match="4 rows need about 57 GB, and 36 of 40"):
                gpu.is_recomputed(ours, case, "auto", 40)
            with pytest.raises(gpu.DoesNotFit):
                gpu.is_recomputed(ours, case, "never", case.cap)
            assert gpu.is_recomputed(ours, case, "never", 200) is False
    assert [name for name, twice in again.items() if twice] == [
        "llava-7b stage 2, full",
        "llava-7b stage 2, lora",
    ]


def test_what_does_not_fit_is_told_and_left_out(gpu):
    options = argparse.Namespace(cap=1e-6, repeats=1, recompute="auto")
    (row,) = gpu.measure_under_cap(gpu.cases(False)[0], False, options)
    assert "raise --cap or lower the rows" in row["not_measured"] and "seconds" not in row
    broken = replace(gpu.cases(False)[0], trainable=("nothing",))
    with pytest.raises(ValueError, match="nothing"):
        gpu.measure_under_cap(broken, False, argparse.Namespace(**{**vars(options), "cap": 80}))


def test_bad_words_are_refused(gpu):
    for words in (["--repeats", "0"], ["--cap", "0"], ["--case", "gpt5"], ["--recompute", "x"]):
        with pytest.raises(SystemExit):
            gpu.main(words)


def test_peak_is_unknown_on_an_unknown_gpu(gpu, monkeypatch):
    for name, peak in (("NVIDIA A100-SXM4-80GB", 312e12), ("NVIDIA Q9", None)):
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda name=name: name)
        assert gpu.peak_of("cuda") == peak
    assert gpu.peak_of("cpu") is None


def test_a_toy_recipe_is_trained_twice_and_compared(toy, no_gpu, monkeypatch, capsys):
    """The training itself takes longer than a unit test may; what it writes stands in for it."""
    calls = []

    def course(*words, gpu):
        calls.append((words[:4], gpu))
        folder = words[words.index("--out") + 1]
        rows = [{"step": 1, "loss": 6.0}, {"step": 2, "loss": 5.5}]
        (toy.Path(folder)).mkdir()
        (toy.Path(folder) / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)))

    monkeypatch.setattr(toy, "course", course)
    assert toy.main(["llava", "--quick"]) == 0
    told = capsys.readouterr()
    assert "llava: losses 0.0e+00 apart" in told.out and toy.NOT_RUN in told.err
    assert calls == [(("train", "llava", "--stage", "1"), False)] * 2


def test_another_loss_on_the_other_device_is_told(toy, no_gpu, monkeypatch, capsys):
    losses = {"cpu": [6.0, 5.0, 4.0], "other": [6.0, 5.0, 4.1]}
    monkeypatch.setattr(toy, "first_losses", lambda recipe, folder, gpu: losses[folder.name])
    assert toy.main(["llava"]) == 1
    assert "False" in capsys.readouterr().out
    with pytest.raises(RuntimeError, match="1 losses on one device, 2"):
        toy.largest_difference([1.0], [1.0, 2.0])


def test_on_a_gpu_the_bars_decide(toy, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(toy, "first_losses", lambda recipe, folder, gpu: [1.0])
    for score, status in ((0.95, 0), (0.85, 1)):
        found = {"conversation": (score, 0.90)}
        monkeypatch.setattr(toy, "whole_recipe", lambda recipe, folder, found=found: found)
        assert toy.main(["llava"]) == status
        assert f"conversation {score:.3f}, at least 0.90" in capsys.readouterr().out
