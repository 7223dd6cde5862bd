"""`course progress`: attempts are kept, read, counted by objective, shown and forgotten."""

import json
import re
from functools import partial

import pytest

from course_lib.commands.progress import (
    NO_WORDS,
    NONE_YET,
    objectives_in,
    progress_lines,
    progress_report,
)
from course_lib.teach.exercise import exercise
from course_lib.teach.progress import (
    attempts,
    forget_progress,
    note,
    objectives_of_checks,
    progress_file,
    read_progress,
)
from course_lib.teach.quiz import quiz
from course_lib.teach.task import exercise_ids, find_exercise


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    path = tmp_path / "kept" / "progress.jsonl"
    monkeypatch.setenv("COURSE_PROGRESS", str(path))
    monkeypatch.setenv("COLUMNS", "120")
    return path


@pytest.fixture
def course(course):
    """Runs `course progress`."""
    return partial(course, "progress")


def answer_all(notebook):
    shown = quiz(notebook)
    for choice, button, question in zip(shown.choices, shown.buttons, shown.questions, strict=True):
        choice.value = [option.right for option in question.options].index(True)
        button.click()


def row_of(report, objective):
    rows = report["notebooks"][objective.split(".")[0]]["objectives"]
    return next(row for row in rows if row["id"] == objective)


def test_the_real_notebooks_have_their_objectives_and_every_check_one_of_them():
    words, troubles = objectives_in()
    assert troubles == [] and {"00.1", "03.1", "03.7", "04.7"} <= set(words)
    assert words["03.4"].startswith("draw the three masks")
    checks = objectives_of_checks()
    assert {f"exercise {name}" for name in exercise_ids()} < set(checks)
    written = {objective.split(".")[0] for objective in words}
    about = {objective for objective in checks.values() if objective.split(".")[0] in written}
    assert about <= set(words)  # a notebook that is not there yet has no table


def test_an_objective_is_met_when_every_check_was_right_once(course, capsys):
    objective = find_exercise("03.itg_mask").objective
    answer_all("03")
    report = json.loads(course("--json")[1])
    row = row_of(report, objective)
    assert not row["met"] and "exercise 03.itg_mask" in row["open"] and row["done"]
    exercise(lambda *_: None, "03.itg_mask")
    assert not row_of(json.loads(course_json(course, capsys)), objective)["met"]
    for name in exercise_ids():
        if find_exercise(name).objective == objective:
            exercise(find_exercise(name).solution, name)
    exercise(lambda *_: None, "03.itg_mask")  # what was right once stays right
    report = json.loads(course_json(course, capsys))
    row = row_of(report, objective)
    assert row["met"] and row["open"] == [] and "exercise 03.itg_mask" in row["done"]
    assert report["met"] == report["notebooks"]["03"]["met"] >= 1 and report["notes"] == []


def course_json(course, capsys):
    capsys.readouterr()
    return course("--json")[1]


def test_met_is_counted_by_hand():
    words = {"03.2": "two", "03.10": "ten", "05.1": "five"}
    checks = {"quiz 03.1": "03.2", "exercise 03.a": "03.2", "quiz 03.2": "03.10", "quiz 9": "04.1"}
    tried = {"quiz 03.1": True, "exercise 03.a": False, "quiz 03.2": True, "exercise gone": True}
    report = progress_report(words, checks, tried)
    assert (report["met"], report["of"]) == (1, 4) and list(report["notebooks"]) == [
        "03",
        "04",
        "05",
    ]
    three = report["notebooks"]["03"]
    assert [row["id"] for row in three["objectives"]] == ["03.2", "03.10"]
    assert row_of(report, "03.2") == {
        "id": "03.2",
        "words": "two",
        "met": False,
        "done": ["quiz 03.1"],
        "open": ["exercise 03.a"],
    }
    assert row_of(report, "03.10")["met"] and (three["met"], three["of"]) == (1, 2)
    assert not row_of(report, "05.1")["met"]  # nothing checks it
    assert [one["attempted"] for one in report["notebooks"].values()] == [True, False, False]
    assert row_of(report, "04.1")["words"] == ""
    words = {"quiz 9": True, "quiz 03.1": True}
    assert NO_WORDS in list(progress_lines(progress_report({}, checks, words)))[2].columns[1]._cells


def test_the_table_names_objectives_words_and_counts(course):
    answer_all("04")
    code, out, err = course()
    words, _ = objectives_in()
    report = json.loads(course("--json")[1])
    assert code == 0 and err == "" and "notebook 04: " in out and "notebook 03: " not in out
    flat = " ".join(re.sub("[│┃]", " ", out).split())
    for row in report["notebooks"]["04"]["objectives"]:
        assert words[row["id"]].split()[0] in flat
        counts = rf"{row['id']} .* {len(row['done'])} {len(row['open'])} (✓ met|open)"
        assert re.search(counts, flat), row
    assert f"{report['met']} of {report['of']} objectives met." in out
    assert re.search(r"not begun: .*\b03\b", out) and not re.search(r"not begun: .*\b04\b", out)
    left = [what for row in report["notebooks"]["04"]["objectives"] for what in row["open"]]
    assert ("open in 04: " in out) == bool(left) and all(what in flat for what in left)


def test_no_progress_yet_is_a_sentence(course):
    code, out, err = course()
    assert code == 0 and err == "" and NONE_YET in out and re.search("not begun: .*03, .*04", out)
    found = json.loads(course("--json")[1])
    assert found["met"] == 0 and not any(one["attempted"] for one in found["notebooks"].values())
    assert not progress_file().exists()


def test_damaged_lines_are_skipped_counted_and_said(course, kept):
    note("quiz 03.1", True)
    damaged = ["[]", '{"what": "quiz 03.2"}', '{"what": ["x"], "right": true}', "3", "[" * 9999]
    damaged += ['{"what": "quiz 03.3", "right": "yes"}', '{"what": "quiz 03.4", "ri']
    with kept.open("ab") as stream:
        stream.write(b"\xff\xfe\n\n" + "\n".join(damaged).encode())
    assert note("quiz 03.5", True) == ""  # behind a line that was cut short
    assert attempts() == {"quiz 03.1": True, "quiz 03.5": True}
    assert "8 of 11 lines" in read_progress().trouble
    code, out, _ = course()
    assert code == 0 and "8 of 11 lines of" in out and "damaged" in out and "notebook 03" in out
    assert "damaged" in json.loads(course("--json")[1])["notes"][0]


def test_a_place_that_cannot_be_read_or_written_is_a_sentence(course, kept):
    kept.mkdir(parents=True)
    assert note("quiz 03.1", True).startswith("(progress was not kept: ")
    assert attempts() == {}
    code, out, err = course()
    assert code == 0 and err == "" and f"{kept} cannot be read: " in out and NONE_YET in out
    code, out, err = course("--reset")
    assert code == 1 and out == "" and f"{kept} was not removed: " in err
    assert len(err.strip().splitlines()) == 1


def test_reset_says_what_it_removed(course, kept):
    for what, right in (("quiz 03.1", False), ("quiz 03.1", True), ("exercise 03.x", False)):
        note(what, right)
    code, out, _ = course("--reset")
    says = "it held attempts: 3, at 2 exercises and questions, 1 right."
    assert code == 0 and out.strip() == f"{kept} is removed; {says}"
    assert not kept.exists() and attempts() == {}
    code, out, _ = course("--reset", "--json")
    assert code == 0 and "no progress to remove" in json.loads(out)["reset"]
    note("quiz 03.1", True)
    assert "attempts: 1" in forget_progress() and not kept.exists()


def test_notebooks_that_cannot_be_read_are_named_and_tables_of_others_not_taken(tmp_path):
    row = "| id | words |\n|---|---|\n| 03.1 | see |\n|  03.2|read [a] `b`  |\n| 04.1 | not mine |"
    cells = [{"cell_type": "markdown", "source": row.splitlines(keepends=True)}]
    cells += [{"cell_type": "code", "source": ["| 03.9 | code |"]}]
    (tmp_path / "03_x.ipynb").write_text(json.dumps({"cells": cells}))
    (tmp_path / "04_cut.ipynb").write_text('{"cells": [')
    (tmp_path / "05_list.ipynb").write_text("[]")
    (tmp_path / "06_bytes.ipynb").write_bytes(b"\xff")
    words, troubles = objectives_in(tmp_path)
    assert words == {"03.1": "see", "03.2": "read [a] `b`"}
    assert [trouble.split()[0] for trouble in troubles] == [
        "04_cut.ipynb",
        "05_list.ipynb",
        "06_bytes.ipynb",
    ]
    (tmp_path / "03b_y.ipynb").write_text(
        json.dumps({"cells": [cells[0] | {"source": "| 03.7 | b |"}]})
    )
    assert objectives_in(tmp_path)[0] == words | {"03.7": "b"}  # two files of one chapter
    assert objectives_in(tmp_path / "nowhere") == ({}, [])
    table = next(progress_lines(progress_report(words, {"quiz 1": "03.2"}, {"quiz 1": True})))
    assert table.columns[1]._cells == ["see", "read \\[a] `b`"]
