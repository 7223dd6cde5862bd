"""`course plan` and `course train --dry-run`: what they print, what they refuse."""

import json

import pytest

from course_lib.planner.report import lasting, short


def test_a_plan_as_json_holds_everything(course):
    words = ("--scale", "a100", "--gpu", "a100-80gb", "--gpus", 8, "--json")
    code, out, err = course("plan", "llava", *words)
    found = json.loads(out)
    assert code == 0 and err == ""
    assert (found["recipe"], found["scale"], found["gpu"]) == ("llava", "a100", "a100-80gb")
    assert found["gpus"] == 8 and found["fits"] and len(found["stages"]) == 2
    first = found["stages"][0]
    assert first["trainable"] == 20_979_712 and first["parameters"] == 7_062_902_784
    assert [part["counted"] for part in first["parts"]] == ["2N", "6N", "4N"]
    memory = first["memory"]
    each = ("weights", "gradients", "optimiser", "activations")
    assert memory["total"] == pytest.approx(sum(memory[name] for name in each))
    assert first["usd"] == pytest.approx(5.12 * first["gpu_hours"])
    assert first["hours"] == pytest.approx(first["steps"] * first["step_seconds"] / 3600)
    assert found["assumed"] == {"efficiency": 0.4, "images_per_gpu_second": 65.0}


def test_a_dry_run_prints_the_same_report(course, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("--scale", "a100", "--stage", "1")
    planned = course("plan", "minigpt4", *words)
    assert planned == course("train", "minigpt4", *words, "--dry-run")
    code, out, _ = planned
    assert code == 0 and "stage 1: 20,000 steps of 256 samples" in out and "stage 2" not in out
    assert "3.15M" in out and "fits" in out and "USD" in out and "course plan --papers" in out
    assert not list(tmp_path.iterdir())


def test_a_dry_run_takes_the_options_of_the_recipe(course):
    code, out, _ = course(
        "train", "llava", "--stage", "1", "--scale", "small", "--version", "v1", "--steps", 7,
        "--dry-run",
    )  # fmt: skip
    assert code == 0 and "stage 1: 7 steps of 64" in out and "on 1 × rtx-4080-16gb" in out


def test_a_gpu_without_bfloat16_is_named(course):
    code, out, _ = course("plan", "llava", "--scale", "small", "--gpu", "t4-16gb")
    assert code == 0 and out.count("change: t4-16gb has no bfloat16") == 2
    _, out, _ = course("plan", "llava", "--scale", "small")
    assert "bfloat16" not in out and "on 1 × rtx-4080-16gb" in out


def test_a_plan_that_does_not_fit_says_what_to_change(course):
    code, out, _ = course("plan", "llava", "--stage", 2, "--gpus", 1, "--gpu", "a100-40gb")
    assert code == 0 and "does not fit" in out and "of these GPUs are enough" in out
    assert "change: A LoRA" in out


def test_prices_and_cached_features(course):
    code, out, _ = course("plan", "llava", "--scale", "toy", "--gpu", "rtx-4090-24gb")
    assert code == 0 and "price n/a" in out
    words = ("plan", "llava", "--scale", "toy", "--price", 2, "--cached", "--json")
    code, out, _ = course(*words)
    stage = json.loads(out)["stages"][0]
    assert stage["usd"] == pytest.approx(2 * stage["gpu_hours"])
    assert stage["parts"][0]["counted"] == "0" and stage["bound"] == "arithmetic"


def test_the_papers_table(course):
    code, out, _ = course("plan", "--papers")
    assert code == 0 and "LLaVA-13B, stage 1, 8 × a100-80gb: 4 h told" in out
    assert out.splitlines()[-1].startswith("off by a factor of at most 2.")
    code, out, _ = course("plan", "--papers", "--json")
    assert code == 0 and len(json.loads(out)["rows"]) == 13


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["plan", "llava", "--gpu", "b200"], ("Unknown GPU 'b200'", "a100-80gb", "t4-16gb")),
        (["plan", "llava", "--gpus", "0"], ("0 GPUs were given", "choose 1 or more")),
        (["plan", "llava", "--scale", "toy", "--stage", "3"], ("stage '3'", "choose 1 or 2")),
        (["plan", "llama-adapter"], ("Unknown recipe",)),
        (["plan", "zzz"], ("Unknown recipe 'zzz'", "blip2", "flamingo", "vpgtrans")),
        (["plan"], ("Name a recipe", "mplug_owl", "--papers")),
        (["plan", "blip2", "--scale", "huge"], ("Unknown scale 'huge'", "small", "a100")),
        (["plan", "blip2", "--scale", "toy", "--variant", "gpt"], ("language model", "opt")),
        (["plan", "llava", "--price", "-1"], ("--price -1.0 is below zero",)),
        (["train", "llava", "--dry-run", "--stage", "9"], ("Unknown stage '9'", "1 or 2")),
        (["train", "llava", "--dry-run", "--scale", "big"], ("Unknown scale 'big'", "a100")),
    ],
)
def test_wrong_words_get_one_sentence_with_the_choices(course, words, parts):
    code, out, err = course(*words)
    assert code == 1 and out == "" and len(err.strip().splitlines()) == 1
    assert all(part in err for part in parts)


def test_numbers_for_people():
    assert [short(n) for n in (0, 950, 4_194_304, 7.12e9)] == ["0", "950", "4.19M", "7.12B"]
    times = [lasting(hours) for hours in (100, 3.54, 7 / 60, 0.02, 2 / 3600)]
    assert times == ["4.2 days", "3.5 h", "7 min", "72 s", "2 s"]
