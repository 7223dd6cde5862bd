"""`course train` at toy, from nothing, reaches the bars within 20 core-minutes a stage."""

import json
import resource
import subprocess
import sys

import pytest

from course_lib.commands.bars import bars_of, scores_of

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


def missed(root, run):
    found = json.loads(course(root, "evaluate", run, "--json")[0])
    scores, bars = scores_of(found), bars_of(found["recipe"], found["stage"])
    print(run, scores)
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
def test_llava_from_nothing(root):
    _, minutes = course(root, "train", "llava", "--scale", "toy", "--out", "llava")
    assert not missed(root, "llava")
    print("core-minutes, both stages:", round(minutes, 1))
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
