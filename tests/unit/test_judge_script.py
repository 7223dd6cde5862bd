"""The judge's command line: what it writes, what it refuses, and a killed process that goes on."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from course_lib.evaluation.judge import relative_scores
from course_lib.evaluation.judge_files import read_reviews
from course_lib.evaluation.llava_bench import ask, make_bench
from course_lib.evaluation.llava_bench_files import write_answers
from tests.chat_server import ChatServer
from tests.script_runner import run_script

SCRIPT = "data_scripts/judge_llava_bench.py"
BENCH = make_bench()
WORDS = [BENCH.references[q.question_id].text for q in BENCH.questions]


@pytest.fixture
def script(monkeypatch, capsys):
    """Runs the script in this process; gives (exit code, standard output, errors)."""
    return lambda *words, key="none": run_script(SCRIPT, words, monkeypatch, capsys, key)


@pytest.fixture
def answers(tmp_path):
    """A file of answers, one in four of no use, another text in all: the reference has no twin."""
    texts = [f"{text} that is all." if i % 4 else "red" for i, text in enumerate(WORDS)]
    write_answers(tmp_path / "answers.jsonl", BENCH, ask(BENCH, lambda questions: texts))
    return tmp_path / "answers.jsonl"


def endpoint(server, out, answers, *more):
    return [
        *("--out", out, "--answers", answers, "--judge", "endpoint", "--model", "m"),
        *("--base-url", server.url, "--budget-tokens", 10_000_000, "--concurrency", 3, *more),
    ]


def scores(folder):
    return json.loads((folder / "scores.json").read_text())


def test_rules_judge_the_toy_bench_and_say_what_is_exact(tmp_path, script, answers):
    out = tmp_path / "a"
    code, told, wrong = script("--out", out, "--answers", answers, "--orders", "both")
    assert code == 0 and wrong == ""
    found = scores(out)
    assert {*found["exact"]} == {"conv", "detail", "complex", "all"}
    for order in ("reference first", "candidate first", "both orders"):
        group = found["relative"][order]["as released"]["all"]
        assert group["relative"] == pytest.approx(10 + 90 * found["exact"]["all"])
        assert group["unparsable"] == 0
    assert found["position_bias"] == 0 and "standing first is worth 0.00 points" in told
    assert f"exact, in percent: conv {100 * found['exact']['conv']:.1f}" in told
    assert not list(out.glob(".*"))
    reviews = read_reviews(out / "reviews.jsonl")
    assert [review.question_id for review in reviews] == list(range(90))


def test_both_biases_can_be_seen_offline(tmp_path, script, answers):
    words = ("--answers", answers, "--position-bias", 1, "--unparsable", 0.1)
    code, told, _ = script("--out", tmp_path / "a", *words, "--orders", "both")
    assert code == 0 and "reviews are unparsable and count as -1" in told
    assert "without them: conv " in told
    found = scores(tmp_path / "a")["relative"]
    fair = 10 + 90 * scores(tmp_path / "a")["exact"]["all"]
    released = found["reference first"]["as released"]["all"]
    assert released["relative"] < found["reference first"]["left out"]["all"]["relative"]
    assert released["relative"] < fair - 7
    assert found["both orders"]["left out"]["all"]["relative"] == pytest.approx(fair, abs=2)


def test_a_written_bench_is_judged_like_the_one_that_is_made(tmp_path, script, answers):
    bench = tmp_path / "bench"
    assert script("--write-bench", bench)[:2] == (0, f"{bench}\n")
    files = [bench / f"{n}.jsonl" for n in ("questions", "reference_answers", "caps_boxes")]
    options = ("--questions", "--references", "--contexts")
    named = [word for pair in zip(options, files, strict=True) for word in pair]
    for name, words in (("a", ()), ("b", ("--bench", bench)), ("c", named)):
        assert script("--out", tmp_path / name, "--answers", answers, *words)[0] == 0
        for file in ("reviews.jsonl", "scores.json", "judgements.jsonl"):
            one, other = ((tmp_path / folder / file).read_bytes() for folder in ("a", name))
            assert one == other


def by_words(number, messages):
    said = messages[-1]["content"]
    return ("say", "9 2\nThe second is short." if "2]\nred\n" in said else "9, 7\nBoth are fine.")


def test_an_endpoint_judges_and_is_not_paid_twice(tmp_path, script, answers):
    out = tmp_path / "a"
    with ChatServer(by_words) as server:
        words = endpoint(server, out, answers)
        code, told, wrong = script(*words)
        assert code == 0 and wrong == "" and len(server.script.requests) == 90
        assert server.script.requests[0]["temperature"] == 0.2
        assert "67 of 90 reviews are unparsable and count as -1" in told
        assert "tokens: 9000 read, 1800 written" in told
        assert script(*words)[:2] == (0, told) and len(server.script.requests) == 90
        both = script(*words, "--orders", "both")
        assert both[0] == 0 and len(server.script.requests) == 180
        assert max(server.script.asked.values()) == 1
        answers.write_text(answers.read_text().replace("red", "blue", 1))
        code, _, wrong = script(*words)
        assert code == 1 and "was begun with answers" in wrong
        assert len(server.script.requests) == 180
    group = scores(out)["relative"]["reference first"]["as released"]["all"]
    assert group["relative"] == pytest.approx(100 * (23 * 2 - 67) / (23 * 9 - 67))
    reviews = read_reviews(out / "reviews.jsonl")
    assert relative_scores(reviews, "left out")["all"].relative == pytest.approx(200 / 9)


def test_a_process_killed_with_sigkill_pays_for_no_review_twice(tmp_path, script, answers):
    with ChatServer(lambda n, m: ("say", "9 7\nx"), delay=0.05) as server:
        words = endpoint(server, tmp_path / "a", answers)
        process = subprocess.Popen(
            [sys.executable, SCRIPT, *map(str, words)],
            env={**os.environ, "OPENAI_API_KEY": "none"},
            stderr=subprocess.PIPE,
        )
        deadline = time.monotonic() + 120
        while len(server.script.requests) < 20 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        time.sleep(0.3)  # What the server had under way is answered into nothing.
        assert 20 <= len(server.script.requests) < 90
        code, told, wrong = script(*words)
        lost = scores(tmp_path / "a")["report"]["lost"]
        assert code == 1 and 1 <= lost <= 3 and f"{lost} under way when killed" in told
        assert f"{lost} of 90 reviews are missing" in wrong
        assert max(server.script.asked.values()) == 1
        code, told, wrong = script(*words, "--ask-lost")
        # A request noted but killed before it was sent is lost too, and was never paid.
        assert (code, wrong) == (0, "") and len(server.script.asked) == 90
        assert 90 <= len(server.script.requests) <= 90 + lost
    assert "reference first: conv 77.8, detail 77.8, complex 77.8, all 77.8" in told


def test_a_spent_budget_and_a_refusal_are_told(tmp_path, script, answers):
    with ChatServer(by_words) as server:
        small = endpoint(server, tmp_path / "a", answers, "--budget-tokens", 9_000)
        code, told, wrong = script(*small)
        assert code == 1 and "budget would be passed" in wrong and "tokens: " in told
        there = len(read_reviews(tmp_path / "a/reviews.jsonl"))
        assert 0 < there < 90 and there == len(server.script.requests)
        assert script(*endpoint(server, tmp_path / "a", answers))[0] == 0
        assert len(server.script.requests) == 90
        nothing = endpoint(server, tmp_path / "c", answers, "--budget-tokens", 10)
        code, told, wrong = script(*nothing)
        assert code == 1 and "budget would be passed" in wrong and "reference first" not in told
    with ChatServer(lambda number, messages: ("status", 401, {})) as server:
        code, _, wrong = script(*endpoint(server, tmp_path / "b", answers))
    assert code == 1 and "refuses: status 401" in wrong


PHOTO = {
    "questions": {"question_id": 0, "image": "1.jpg", "text": "What is it?", "category": "conv"},
    "references": {"question_id": 0, "text": "A dog.", "category": "conv"},
    "contexts": {"id": "1", "image": "1.jpg", "captions": ["A dog."], "instances": []},
}


@pytest.fixture
def photographs(tmp_path):
    """Writes a bench of one photograph and an answer; gives the words of the command line."""
    words = []
    for name, row in PHOTO.items():
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
        words += [f"--{name}", tmp_path / f"{name}.jsonl"]
    (tmp_path / "photo.jsonl").write_text('{"question_id": 0, "text": "A cat."}\n')
    return [*words, "--answers", tmp_path / "photo.jsonl"]


def test_photographs_are_judged_by_an_endpoint_with_any_rules(tmp_path, script, photographs):
    (tmp_path / "rule.json").write_text('{"conv": {"role": "Guest", "prompt": "Score both."}}')
    with ChatServer(lambda n, m: ("say", "8 2\nNo cat.")) as server:
        words = endpoint(server, tmp_path / "a", *photographs[-1:], *photographs[:-2])
        code, told, _ = script(*words, "--rules", tmp_path / "rule.json")
        prompt = server.script.requests[0]["messages"][-1]["content"]
    assert code == 0 and told.startswith("reference first: conv 25.0, all 25.0\n")
    assert "[Guest 2]\nA cat.\n" in prompt and prompt.endswith("[System]\nScore both.\n\n")
    assert scores(tmp_path / "a")["exact"] is None and "exact" not in told
    code, _, wrong = script("--out", tmp_path / "b", *photographs)
    assert code == 1 and "judge photographs with --judge endpoint" in wrong


def test_broken_answers_are_named_and_nothing_is_judged(tmp_path, script, answers):
    lines = answers.read_text().splitlines()

    def told(*rows):
        answers.write_text("\n".join(rows) + "\n")
        code, out, wrong = script("--out", tmp_path / "a", "--answers", answers)
        assert code == 1 and out == "" and not (tmp_path / "a").exists()
        assert len(wrong.splitlines()) == 1 and wrong.startswith("judge_llava_bench: ")
        return wrong

    assert "2 of 90 questions have no answer: 3, 5" in told(*lines[:3], lines[4], *lines[6:])
    assert "line 91: 0 stands in line 1, too" in told(*lines, lines[0])
    assert "answers.jsonl, line 90: No JSON" in told(*lines[:-1], lines[-1][:25])
    assert "No question has the id 90" in told(*lines, '{"question_id": 90, "text": "x"}')
    assert "line 1: 'text' is None" in told('{"question_id": 0, "answer": "x"}', *lines[1:])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Give --answers FILE and --out DIR"),
        (("--out", "OUT"), "Give --answers FILE and --out DIR"),
        (("--out", "OUT", "--answers", "none.jsonl"), "none.jsonl is not there"),
        (("--bench", "none"), "none/questions.jsonl is not there"),
        (("--bench", "none", "--questions", "q.jsonl"), "not both"),
        (("--questions", "q.jsonl"), "give --references FILE, too"),
        (("--rules", "none.json"), "none.json"),
        (("--rules", "pyproject.toml"), "is no rule file"),
        (("--position-bias", 10), "position bias"),
        (("--unparsable", 2), "cannot be unparsable"),
        (("--judge", "endpoint"), "needs --model"),
        (("--judge", "endpoint", "--model", "m"), "needs a budget"),
        (
            ("--judge", "endpoint", "--model", "m", "--position-bias", 1),
            "are for --judge rules alone",
        ),
        (
            ("--judge", "endpoint", "--model", "m", "--budget-tokens", 9, "--concurrency", 0),
            "one or more",
        ),
        (("--judge", "endpoint", "--model", "m", "--budget-tokens", 9), "needs a key"),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(tmp_path, script, answers, words, said):
    whole = words if "--out" in words or not words else (*words, "--out", "OUT")
    if words and "--answers" not in words and words != ("--out", "OUT"):
        whole = (*whole, "--answers", answers)
    code, out, wrong = script(*(tmp_path / "a" if w == "OUT" else w for w in whole), key="")
    assert code == 1 and said in wrong and out == "", wrong
    assert len(wrong.splitlines()) == 1 and wrong.startswith("judge_llava_bench: ")


def test_an_unknown_category_is_named_with_its_line(tmp_path, script, photographs):
    row = {**PHOTO["questions"], "category": "poem"}
    (tmp_path / "questions.jsonl").write_text(json.dumps(row) + "\n")
    code, _, wrong = script("--out", tmp_path / "a", *photographs)
    assert code == 1 and "line 1: Unknown category 'poem': choose one of 'conv'" in wrong
