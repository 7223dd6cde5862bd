"""`course train` at toy, from nothing, reaches the bars within 20 core-minutes a stage."""

import json
import math
import resource
import subprocess
import sys

import pytest

from course_lib.commands.bars import bars_of, scores_of
from course_lib.commands.vpgtrans_curve import speed_up_over

MINUTES = 20


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("bars")


def course(root, *words):
    """Runs the console script in a process of its own; gives standard output and CPU minutes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", "from course_lib.cli import main; main()", *words]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return done.stdout, seconds / 60


def scored(root, run):
    found = json.loads(course(root, "evaluate", run, "--json")[0])
    scores = scores_of(found)
    print(run, scores)
    return scores, bars_of(found["recipe"], found["stage"])


def missed(root, run):
    scores, bars = scored(root, run)
    return {key: scores[key] for key, bar in bars.items() if scores[key] < bar}


@pytest.mark.timeout(6000)
def test_blip2_from_nothing(root):
    _, first = course(root, "train", "blip2", "--stage", "1", "--scale", "toy", "--out", "first")
    assert not missed(root, "first")
    minutes = {"stage 1": first}
    for language in ("opt", "t5"):
        words = ("train", "blip2", "--stage", "2", "--scale", "toy", "--init", "first")
        out = f"second-{language}"
        _, spent = course(root, *words, "--language", language, "--out", out)
        assert not missed(root, out)
        minutes[f"stage 2, {language}"] = spent
    print("core-minutes:", {name: round(spent, 1) for name, spent in minutes.items()})
    assert max(minutes.values()) <= MINUTES, minutes


@pytest.mark.timeout(6000)
@pytest.mark.parametrize("recipe", ["flamingo", "llava"])
def test_one_command_from_nothing(root, recipe):
    _, minutes = course(root, "train", recipe, "--scale", "toy", "--out", recipe)
    assert not missed(root, recipe)
    print("core-minutes, all stages:", round(minutes, 1))
    assert minutes <= MINUTES


@pytest.mark.timeout(6000)
def test_minigpt4_from_nothing(root):
    words = ("train", "minigpt4", "--scale", "toy")
    _, first = course(root, *words, "--stage", "1", "--out", "pairs")
    assert not missed(root, "pairs")
    again = (*words, "--stage", "2", "--init", "pairs")
    _, curating = course(root, *again, "--out", "trial", "--steps", "1")
    _, second = course(root, *again, "--out", "curated")
    assert not missed(root, "curated")
    minutes = {"stage 1": first, "curating": curating, "stage 2": second - curating}
    print("core-minutes:", {name: round(spent, 1) for name, spent in minutes.items()})
    assert first <= MINUTES and minutes["stage 2"] <= 1, minutes


@pytest.mark.timeout(6000)
def test_mplug_owl_from_nothing(root):
    words = ("train", "mplug_owl", "--scale", "toy")
    _, first = course(root, *words, "--stage", "1", "--out", "owl-first")
    again = ("--stage", "2", "--init", "owl-first", "--out", "owl")
    _, second = course(root, *words, *again)
    assert not missed(root, "owl")
    print("core-minutes:", {"stage 1": round(first, 1), "stage 2": round(second, 1)})
    assert max(first, second) <= MINUTES


@pytest.mark.timeout(6000)
def test_vpgtrans_from_nothing(root, monkeypatch):
    """The transfer to the large OPT gets as far as the run from scratch with as many samples."""
    monkeypatch.chdir(root)  # a run names the one that it began with as it was given
    words = ("train", "vpgtrans", "--scale", "toy", "--language", "opt-large")
    _, first = course(root, *words, "--stage", "1", "--out", "warm-up")
    again = (*words, "--stage", "2", "--init")
    _, second = course(root, *again, "warm-up", "--out", "transfer")
    assert not missed(root, "transfer")
    _, alone = course(root, *again, "blip2-stage1", "--out", "scratch")
    scratch, transfer = (scored(root, run)[0]["things_right"] for run in ("scratch", "transfer"))
    for share in (0.95, 1.0):
        found = speed_up_over("transfer", "scratch", share)
        print(f"{share:.0%} of what scratch ends with, {found.words}")
    assert math.isfinite(found.transfer) and transfer >= scratch, (scratch, transfer)
    minutes = {"stage 1": first, "stage 2": second, "from scratch": alone}
    print("core-minutes:", {name: round(spent, 1) for name, spent in minutes.items()})
    assert max(minutes.values()) <= MINUTES, minutes


@pytest.mark.timeout(6000)
def test_vl_vicuna_from_nothing(root):
    words = ("train", "vpgtrans", "--scale", "toy")
    _, both = course(root, *words, "--language", "llama", "--out", "vl-llama")
    scored(root, "vl-llama")
    _, third = course(root, *words, "--stage", "3", "--init", "vl-llama", "--out", "vl-vicuna")
    assert not missed(root, "vl-vicuna")
    print("core-minutes:", {"stages 1 and 2": round(both, 1), "stage 3": round(third, 1)})
    assert max(both, third) <= MINUTES
