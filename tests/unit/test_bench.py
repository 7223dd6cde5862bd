"""`course bench`: one table of all scripts, a status that tells of a missed limit, plain errors."""

import json

import pytest

from course_lib.commands import bench
from course_lib.devtools import checks

ABOUT = {"torch": "2.0", "transformers": "5.0", "machine": "x86_64", "python": "3.11", "threads": 1}
LINE = "measuring: part ..."


def row(ratio, limit, work="step"):
    times = {"work": work, "ours_ms": 100 * ratio, "reference_ms": 100.0}
    return {**times, "ratio": ratio, "spread": 0.01, "limit": limit}


def script(rows):
    """Writes a stand-in that says how it was called, as the real ones print."""
    result = {"rows": rows, **ABOUT}
    lines = ["import json, os, sys", f"print({LINE!r}, file=sys.stderr)"]
    lines += ["print('a warning', file=sys.stderr)", f"result = json.loads({json.dumps(result)!r})"]
    lines += ["result['argv'] = sys.argv[1:]", "result['omp'] = os.environ['OMP_NUM_THREADS']"]
    return "\n".join([*lines, "print(json.dumps(result))"])


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """Puts stand-ins where the scripts lie; gives what changes one of them."""
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    monkeypatch.setattr(bench, "benchmarks_folder", lambda: folder)

    def put(name, text):
        (folder / f"{name}.py").write_text(text, encoding="utf-8")

    for name in bench.SCRIPTS:
        put(name, script([row(0.9, 1.0), row(0.5, None, f"more of {name}")]))
    return put


def test_all_rows_come_in_one_table(course, scripts):
    code, out, errors = course("bench")
    assert code == 0
    assert [out.index(name) for name in bench.SCRIPTS.values()] == sorted(
        out.index(name) for name in bench.SCRIPTS.values()
    )
    assert out.count("0.900") == 3 == out.count("1.00") and out.count("✓") == 3
    assert "3 of 3 limits met; torch 2.0, transformers 5.0, one thread" in out
    assert errors.splitlines() == [f"{name}: {LINE}" for name in bench.SCRIPTS]


def test_json_has_every_row_and_how_it_was_measured(course, scripts, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    code, out, _ = course("bench", "--json", "--repeats", 3, "--models", "llava, flamingo")
    found = json.loads(out)
    assert code == 0 and found["passed"] is True
    assert found["argv"] == ["--json", "--repeats", "3"] and found["omp"] == "1"
    assert {key: found[key] for key in ABOUT} == ABOUT
    told = [(one["model"], one["work"], one["met"]) for one in found["rows"]]
    assert told == [
        ("llava", "step", True),
        ("llava", "more of llava", None),
        ("flamingo", "step", True),
        ("flamingo", "more of flamingo", None),
    ]


def test_a_missed_limit_is_the_status(course, scripts):
    scripts("llava", script([row(1.0, 1.0), row(1.001, 1.0)]))
    code, out, _ = course("bench")
    assert code == 1 and out.count("✗") == 1 and "3 of 4 limits met" in out
    code, out, _ = course("bench", "--json")
    assert code == 1 and json.loads(out)["passed"] is False
    assert course("bench", "--models", "blip2,flamingo")[0] == 0


def test_a_script_that_stops_is_told_with_its_last_line(course, scripts):
    scripts("blip2", "raise RuntimeError('Losses differ: 1.0 and 2.0.')")
    code, out, errors = course("bench")
    assert code == 1 and not out
    assert errors == (
        "course: benchmarks/blip2.py stopped and timed nothing more: "
        "RuntimeError: Losses differ: 1.0 and 2.0.\n"
    )


def test_bad_words_are_refused(course, scripts):
    code, _, errors = course("bench", "--models", "lava")
    assert code == 1 and "did you mean 'llava'" in errors
    assert course("bench", "--repeats", 1)[0] == 2


def test_an_interruption_promises_no_resume(course, scripts, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(bench, "measure", interrupted)
    code, out, errors = course("bench")
    assert code == 130 and not out and "begins anew" in errors and "--resume" not in errors


def test_without_the_repository_it_says_where_the_scripts_are(tmp_path):
    with pytest.raises(ValueError, match=r"benchmarks/ are not at .*with the course's repository"):
        bench.benchmarks_folder(tmp_path)
    assert (bench.benchmarks_folder() / "flamingo.py").is_file()


def test_make_bench_runs_the_command_and_every_other_script_once(tmp_path, monkeypatch):
    calls = []

    def run(call, cwd, env):
        calls.append(call[1:])
        return type("Done", (), {"returncode": int("gpu.py" in call[-1])})()

    monkeypatch.setattr(checks.subprocess, "run", run)
    counts = checks.bench(tmp_path)
    names = [call[-1].rsplit("/", 1)[-1].rsplit("\\", 1)[-1] for call in calls]
    assert names == ["bench", "data_throughput.py", "gpu.py", "gpu_toy.py"]
    assert (counts.passed, counts.failed) == (3, 1)
