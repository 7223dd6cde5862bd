"""A budget is never passed, and runs with a paid teacher stop by themselves and go on."""

import threading

import pytest

from course_lib.instructions.budget import Budget, Prices
from course_lib.instructions.generate import Request, generate
from course_lib.instructions.journal import Journal
from course_lib.instructions.messages import messages_for, most_tokens
from course_lib.instructions.symbols import examples_of_scenes
from course_lib.instructions.teacher import BudgetSpent, Usage
from course_lib.world.scene import sample_scenes
from tests.chat_server import ChatServer
from tests.paid_teacher import ONE, PHOTO, ask, teacher


def test_no_request_leaves_that_could_pass_the_budget():
    most = most_tokens(messages_for(PHOTO, "detail")) + 1024
    with ChatServer() as server:
        one = teacher(server, tokens=most + 2 * ONE.total - 1)
        ask(one), ask(one)
        with pytest.raises(BudgetSpent, match="240 tokens"):
            ask(one)
        assert len(server.script.requests) == 2


def test_a_budget_in_money_stops_too():
    prices = Prices(read=10.0, written=30.0)
    most = prices.of(Usage(most_tokens(messages_for(PHOTO, "detail")), 1024))
    with ChatServer() as server:
        one = teacher(server)
        one.budget = Budget(money=most + 0.5 * prices.of(ONE), prices=prices)
        ask(one)
        with pytest.raises(BudgetSpent, match=r"0\.0016"):
            ask(one)
        assert len(server.script.requests) == 1


def test_threads_share_a_budget_and_wait_for_what_others_give_back():
    budget = Budget(tokens=100)
    budget.reserve(Usage(60, 0))
    later = threading.Thread(target=budget.reserve, args=(Usage(0, 80),))
    later.start()
    later.join(0.1)
    assert later.is_alive(), "80 do not fit beside 60"
    budget.settle(Usage(60, 0), Usage(5, 5))
    later.join(5)
    assert not later.is_alive()
    budget.settle(Usage(0, 80), Usage(0, 80))
    with pytest.raises(BudgetSpent):
        budget.reserve(Usage(11, 0))
    assert budget.spent == Usage(5, 85)


@pytest.mark.parametrize(
    ("kind", "match"),
    [
        ({}, "needs a budget"),
        ({"tokens": 0}, "more than zero"),
        ({"tokens": -5}, "more than zero"),
        ({"tokens": float("nan")}, "more than zero"),
        ({"money": 3.0}, "needs the price"),
        ({"money": 3.0, "prices": Prices(-1, 1)}, "not negative"),
    ],
)
def test_a_budget_that_limits_nothing_is_refused(kind, match):
    with pytest.raises(ValueError, match=match):
        Budget(**kind)


def test_a_run_keeps_to_its_concurrency_and_to_the_mix(tmp_path):
    examples = examples_of_scenes(sample_scenes(30, 0))
    with ChatServer(delay=0.02) as server, Journal(tmp_path / "a.jsonl", {}) as journal:
        made, report = generate(
            examples, teacher(server, concurrency=3), journal, Request(samples=30)
        )
        assert server.script.most_at_once == 3
        assert max(server.script.asked.values()) == 1
    assert report.accepted == {"conversation": 11, "detail": 4, "reasoning": 15}
    assert report.spent == Usage(30 * 100, 30 * 20) and report.stopped == ""
    assert len({example.id for example, _ in made["reasoning"]}) == 15


def test_a_run_stops_before_its_budget_and_a_larger_one_goes_on(tmp_path):
    examples = examples_of_scenes(sample_scenes(30, 0))
    with ChatServer() as server:
        for tokens in (8_500, 1e6):
            with Journal(tmp_path / "a.jsonl", {}) as journal:
                one = teacher(server, tokens=tokens, concurrency=3)
                _, report = generate(examples, one, journal, Request(samples=45))
            served = sum(server.script.served.values())
            assert report.spent == Usage(100 * served, 20 * served) == one.budget.spent
            assert report.spent.total <= tokens
            assert ("budget would be passed" in report.stopped) == (tokens == 8_500)
            assert 0 < sum(report.accepted.values()) == served
        assert served == 45 and max(server.script.asked.values()) == 1


def test_a_dead_endpoint_stops_a_run_and_the_next_one_asks_again(tmp_path):
    examples = examples_of_scenes(sample_scenes(12, 0))
    with ChatServer() as server:
        pass
    with Journal(tmp_path / "a.jsonl", {}) as journal:
        made, report = generate(examples, teacher(server, concurrency=2), journal)
    assert "in a row got no answer" in report.stopped and not any(made.values())
    assert 5 <= report.failed <= 7
    with ChatServer() as server, Journal(tmp_path / "a.jsonl", {}) as journal:
        made, report = generate(examples, teacher(server, concurrency=2), journal)
    assert report.accepted == report.wanted and report.failed == 0 and report.stopped == ""


def test_a_teacher_that_is_always_rejected_is_stopped(tmp_path):
    examples = examples_of_scenes(sample_scenes(200, 0))
    bad = ("say", "Question: what?\nAnswer: the caption says so.")
    with ChatServer(lambda number, messages: bad) as server:
        with Journal(tmp_path / "a.jsonl", {}) as journal:
            one = teacher(server, tokens=1e7, concurrency=2)
            _, report = generate(examples, one, journal, Request(samples=60, mix=(1, 0, 0)))
        assert len(server.script.requests) <= 52
    assert "50 answers in a row were rejected" in report.stopped
    assert list(report.rejected) == ["answer 1 mentions 'caption'"]
    assert '"raw": "Question: what?' in (tmp_path / "a.jsonl").read_text()


def test_a_teacher_that_goes_on_with_its_own_file_counts_nothing_twice(tmp_path):
    examples = examples_of_scenes(sample_scenes(10, 0))
    with ChatServer() as server, Journal(tmp_path / "a.jsonl", {}) as journal:
        one = teacher(server)
        for samples in (4, 8):
            _, report = generate(examples, one, journal, Request(samples=samples))
            assert one.budget.spent == report.spent == Usage(100 * samples, 20 * samples)
