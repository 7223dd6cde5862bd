"""Whole runs: the mix, the journal, answers that are never asked twice."""

import pytest

from course_lib.instructions.generate import Request, generate, records
from course_lib.instructions.journal import Journal
from course_lib.instructions.mix import PAPER_MIX, shares
from course_lib.instructions.rules import RuleTeacher
from course_lib.instructions.symbols import TYPES, examples_of_scenes
from course_lib.instructions.teacher import Answer, Turn, Usage
from course_lib.instructions.validate import record_fault
from course_lib.world.scene import sample_scenes

SCRIPT = "data_scripts/make_llava_instructions.py"
EXAMPLES = examples_of_scenes(sample_scenes(60, 0))
TWO_AN_IMAGE = Request()


def make(path, teacher=None, request=TWO_AN_IMAGE, examples=EXAMPLES):
    with Journal(path, {"seed": request.seed}) as journal:
        return generate(examples, teacher or RuleTeacher(), journal, request)


class Counting(RuleTeacher):
    """The rules, counting what they are asked, and failing on demand."""

    def __init__(self, stop_after=None):
        super().__init__()
        self.asked, self.stop_after = [], stop_after

    def answer(self, example, type, rng, asking=None):
        if len(self.asked) == self.stop_after:
            raise KeyboardInterrupt
        self.asked.append((example.id, type))
        return super().answer(example, type, rng)


def test_the_mix_holds_though_answers_are_rejected(tmp_path):
    made, report = make(tmp_path / "a.jsonl", request=Request(samples=100))
    assert report.accepted == report.wanted == shares(100, PAPER_MIX)
    assert sum(report.rejected.values()) > 0 and report.stopped == ""
    for type, rows in records(made).items():
        assert len({row["image"] for row in rows}) == len(rows) == report.wanted[type]
        assert all(record_fault(row) == "" for row in rows)


def test_a_stopped_run_goes_on_asks_nothing_twice_and_ends_like_one_that_was_not(tmp_path):
    whole, _ = make(tmp_path / "whole.jsonl")
    first = Counting(stop_after=30)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "a.jsonl", first)
    with open(tmp_path / "a.jsonl", "ab") as stream:
        stream.write(b'{"id": "cut sho')
    second = Counting()
    made, _ = make(tmp_path / "a.jsonl", second)
    assert made == whole
    assert len(first.asked) == 30 and not set(first.asked) & set(second.asked)
    third = Counting()
    assert make(tmp_path / "a.jsonl", third)[0] == whole and third.asked == []


def test_more_images_and_another_mix_use_every_answer_that_is_there(tmp_path):
    path = tmp_path / "a.jsonl"
    before, _ = make(path, request=Request(samples=20), examples=EXAMPLES[:30])
    more = Counting()
    after, report = make(path, more, Request(samples=60, mix=(1, 1, 1)))
    kept = {(e.id, type) for type in TYPES for e, _ in before[type]}
    assert not kept & set(more.asked)
    assert report.accepted == dict.fromkeys(TYPES, 20) == {t: len(r) for t, r in after.items()}


def test_what_cannot_be_made_is_said(tmp_path):
    _, report = make(tmp_path / "a.jsonl", request=Request(samples=60, mix=(0, 0, 1)))
    assert report.accepted["reasoning"] < 60 and "no image is left" in report.stopped
    with pytest.raises(ValueError, match="share the id"):
        make(tmp_path / "b.jsonl", examples=[EXAMPLES[0], EXAMPLES[0]])


def test_a_journal_keeps_to_its_settings_and_to_one_process(tmp_path):
    path = tmp_path / "a.jsonl"
    with Journal(path, {"seed": 0}), pytest.raises(ValueError, match="Another process"):
        Journal(path, {"seed": 0})
    with pytest.raises(ValueError, match="begun with seed 0, now it is 1"):
        Journal(path, {"seed": 1})
    path.write_text(path.read_text() + "{]\n" + '{"id": "1"}\n')
    with pytest.raises(ValueError, match="line 2, is damaged"):
        Journal(path, {"seed": 0})


def test_a_journal_counts_what_was_paid_in_every_attempt(tmp_path):
    path, key = tmp_path / "a.jsonl", ("1", "detail")
    with Journal(path, {}) as journal:
        journal.asked(key, Usage(100, 50))
        journal.asked(key, Usage(100, 50))
        assert journal.spent() == Usage(200, 100)
        journal.over(key, Answer(rejected="time", usage=Usage(150, 50)), "failed")
        journal.asked(key, Usage(100, 50))
        assert journal.spent() == Usage(250, 100)
    with Journal(path, {}) as journal:
        assert journal.spent() == Usage(250, 100) and journal.kept[key].state == "asked"
        turns = (Turn("a?", "é.", facts=("x",)),)
        journal.over(key, Answer(turns, usage=Usage(9, 1)), "accepted")
    with Journal(path, {}) as journal:
        assert journal.spent() == Usage(159, 51) and journal.kept[key].turns == turns
