"""The script's command line: what it writes, what it refuses, and a killed process that goes on."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from course_lib.instructions.mix import PAPER_MIX, shares
from course_lib.instructions.validate import record_fault
from course_lib.world.draw import draw_scene
from course_lib.world.scene import sample_scenes
from tests.chat_server import ChatServer
from tests.script_runner import run_script

SCRIPT = "data_scripts/make_llava_instructions.py"


def command(*words):
    return [sys.executable, SCRIPT, *map(str, words)]


def run(*words, **environment):
    return subprocess.run(
        command(*words), capture_output=True, text=True, env={**os.environ, **environment}
    )


@pytest.fixture
def script(monkeypatch, capsys):
    """Runs the script in this process; gives (exit code, standard output, errors)."""

    def run_here(*words, key="none"):
        return run_script(SCRIPT, words, monkeypatch, capsys, key)

    return run_here


def endpoint(server, out, *more):
    return [
        *("--out", out, "--toy", 40, "--teacher", "endpoint", "--model", "m"),
        *("--base-url", server.url, "--budget-tokens", 10_000_000, "--concurrency", 3, *more),
    ]


def test_a_process_killed_with_sigkill_pays_for_no_answer_twice(tmp_path, script):
    with ChatServer(delay=0.05) as server:
        words = endpoint(server, tmp_path, "--samples", 40)
        environment = {**os.environ, "OPENAI_API_KEY": "none"}
        process = subprocess.Popen(command(*words), env=environment, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 120
        while len(server.script.requests) < 15 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        time.sleep(0.3)  # What the server had under way is answered into nothing.
        before = len(server.script.requests)
        code, told, _ = script(*words)
        assert code == 0
        assert 15 <= before < 40 < len(server.script.requests) + 4
        assert max(server.script.asked.values()) == 1, "no question was asked twice"
        assert script(*words)[:2] == (0, told) and max(server.script.asked.values()) == 1
        requests = len(server.script.requests)
        report = json.loads((tmp_path / "report.json").read_text())
        assert report["accepted"] == shares(40, PAPER_MIX) and 1 <= report["lost"] <= 3
        # A request noted but killed before it was sent is lost too, and never reached anybody.
        assert 40 <= requests <= 40 + report["lost"]
        last = {}
        for row in map(json.loads, (tmp_path / "answers.jsonl").read_text().splitlines()[1:]):
            last[row["id"], row["type"]] = row
        lost = [row for row in last.values() if row["state"] == "asked"]
        paid = 120 * 40 + sum(sum(row["usage"]) for row in lost)
        assert sum(report["spent"].values()) == paid, "a lost answer counts at its most"
        assert len(lost) == report["lost"]


def test_the_script_makes_toy_images_and_instructions(tmp_path, script):
    code, out, told = script("--out", tmp_path / "a", "--toy", 30, "--split", "test")
    assert code == 0, told
    assert "conversation: 18 of 18\ndetail: 7 of 7\nreasoning: 24 of 24" in out
    rows = json.loads((tmp_path / "a/llava_instruct.json").read_text())
    scenes = sample_scenes(30, 0, "test")
    for row in rows:
        assert record_fault(row) == ""
        with Image.open(tmp_path / "a/images" / row["image"]) as image:
            truth = draw_scene(scenes[int(row["image"][:-4]) - 1])
            assert (np.asarray(image) == truth).all()
    assert run("--out", tmp_path / "b", "--toy", 30, "--split", "test").returncode == 0
    for name in ("llava_instruct.json", "answers.jsonl"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_script_reads_coco_files(tmp_path, script):
    world = [sys.executable, "data_scripts/make_toy_world.py", "--out", tmp_path, "--count", "20"]
    assert subprocess.run(world, capture_output=True).returncode == 0
    files = [
        *("--captions", tmp_path / "annotations/captions_train.json"),
        *("--instances", tmp_path / "annotations/instances_train.json"),
    ]
    assert script("--out", tmp_path / "a", *files)[0] == 0
    assert script("--out", tmp_path / "b", "--toy", 20)[0] == 0
    a, b = (json.loads((tmp_path / f / "llava_instruct.json").read_text()) for f in "ab")
    assert a == b, "the toy teacher reads the same from either"
    captions = json.loads(files[1].read_text())
    captions["annotations"].append({"image_id": 99, "caption": "x"})
    files[1].write_text(json.dumps(captions))
    code, _, told = script("--out", tmp_path / "c", *files)
    assert code == 0 and "annotation 100 names image 99" in told
    code, _, told = script("--out", tmp_path / "d", *files, "--strict")
    assert code == 1 and "--strict stops here" in told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "either --toy COUNT or --captions FILE"),
        (("--toy", 3, "--captions", "x.json"), "either --toy COUNT or --captions FILE"),
        (("--toy", 0), "at least one scene"),
        (("--toy", 3, "--mix", "1:2"), "not three numbers"),
        (("--toy", 3, "--samples", 90), "there are 3"),
        (("--toy", 3, "--exhaustive"), "give --instances"),
        (("--captions", "none.json"), "none.json"),
        (("--captions", "pyproject.toml"), "not whole JSON"),
        (("--captions", "x.json", "--limit", 0), "at least one image"),
        (("--toy", 3, "--teacher", "endpoint"), "needs --model"),
        (("--toy", 3, "--teacher", "endpoint", "--model", "m"), "needs a budget"),
        (
            ("--toy", 3, "--teacher", "endpoint", "--model", "m", "--budget-money", 2),
            "needs the price",
        ),
        (
            ("--toy", 3, "--teacher", "endpoint", "--model", "m", "--budget-tokens", 9),
            "needs a key",
        ),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(tmp_path, script, words, said):
    code, _, told = script("--out", tmp_path / "a", *words, key="")
    assert code == 1 and said in told, told
    assert len(told.splitlines()) == 1 and told.startswith("make_llava_instructions: ")


def test_the_script_tells_a_refusal_and_a_spent_budget(tmp_path, script):
    with ChatServer(lambda number, messages: ("status", 401, {})) as server:
        code, _, told = script(*endpoint(server, tmp_path / "a"))
    assert code == 1 and "refuses: status 401" in told
    with ChatServer() as server:
        code, out, told = script(*endpoint(server, tmp_path / "b", "--budget-tokens", 9_000))
        assert code == 1 and "budget would be passed" in told and "tokens: " in out
        assert json.loads((tmp_path / "b/report.json").read_text())["spent"]["read"] > 0
        code, _, told = script(*endpoint(server, tmp_path / "b", "--seed", 1))
        assert code == 1 and "begun with seed 0" in told
