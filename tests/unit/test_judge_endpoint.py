"""The paid judge against a real HTTP server: reviews, failures, the budget, and going on."""

import pytest

from course_lib.evaluation.judge import UNREADABLE, position_bias, relative_scores
from course_lib.evaluation.judge_prompt import ORDERS, REFERENCE_FIRST, comparisons, judge_messages
from course_lib.evaluation.judges import EndpointJudge, journal_settings, judge_answers
from course_lib.evaluation.llava_bench import ask, make_bench
from course_lib.instructions.budget import Budget
from course_lib.instructions.chat_endpoint import EndpointRefuses, Patience
from course_lib.instructions.journal import Journal
from course_lib.instructions.messages import most_tokens
from course_lib.instructions.teacher import Usage
from tests.chat_server import ChatServer
from tests.paid_teacher import ONE

BENCH = make_bench(4)
WORDS = [BENCH.references[q.question_id].text for q in BENCH.questions]
GOOD = [f"{words} that is all." for words in WORDS[:6]]
COMPARED = comparisons(BENCH, ask(BENCH, lambda questions: [*GOOD, *["red"] * 6], "m"))
MOST = max(most_tokens(judge_messages(compared)) for compared in COMPARED) + 64


def judge(server, tokens=1e6, sleep=lambda seconds: None, concurrency=1, **patience):
    numbers = {"attempts": 4, "timeout": 5.0, "longest_pause": 8.0, **patience}
    return EndpointJudge(
        "m",
        Budget(tokens),
        base_url=server.url,
        api_key="none",
        concurrency=concurrency,
        max_tokens=64,
        temperature=0.2,
        patience=Patience(**numbers, sleep=sleep),
    )


def run(path, one, orders=ORDERS[:1], **options):
    with Journal(path, journal_settings(COMPARED, one)) as journal:
        return judge_answers(COMPARED, one, journal, orders, **options)


def likes_the_first(number, messages):
    return ("say", "9 7\nThe first one reads well.")


def test_a_round_trip_in_both_orders_shows_the_bias_and_cancels_it(tmp_path):
    with ChatServer(likes_the_first, delay=0.01) as server:
        one = judge(server, concurrency=3)
        reviews, report = run(tmp_path / "a.jsonl", one, ORDERS)
        assert max(server.script.asked.values()) == 1 and server.script.most_at_once == 3
        sent = server.script.requests[0]
    assert report.stopped == "" and report.accepted == dict.fromkeys(ORDERS, 12)
    assert report.spent == one.budget.spent == Usage(24 * ONE.read, 24 * ONE.written)
    assert sent["temperature"] == 0.2 and sent["max_tokens"] == 64
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]
    by_order = [[r for r in reviews if r.order == order] for order in ORDERS]
    relative = [relative_scores(found)["all"].relative for found in (*by_order, reviews)]
    assert relative == pytest.approx([100 * 7 / 9, 100 * 9 / 7, 100])
    assert position_bias(reviews) == 2
    assert [r.question_id for r in by_order[0]] == list(range(12))


def test_each_review_belongs_to_the_comparison_that_was_sent(tmp_path):
    """The server scores by what it reads: an answer "red" gets 2, any other 8."""

    def by_words(number, messages):
        said = messages[-1]["content"]
        scores = [2 if f"[Assistant {n}]\nred\n" in said else 8 for n in (1, 2)]
        return ("say", f"{scores[0]} {scores[1]}\nSo it is.")

    with ChatServer(by_words, delay=0.01) as server:
        reviews, _ = run(tmp_path / "a.jsonl", judge(server, concurrency=4), ORDERS)
    for review in reviews:
        wanted = (8, 8) if review.question_id < 6 else (8, 2)
        assert review.reference_and_candidate == wanted
    assert relative_scores(reviews)["all"].relative == pytest.approx(62.5)
    assert position_bias(reviews) == 0


def test_what_may_pass_is_asked_again(tmp_path):
    waits = []
    first = [("status", 429, {"Retry-After": "3"}), "stall", ("status", 500, {})]

    def act(number, messages):
        return first[number] if number < len(first) else likes_the_first(number, messages)

    with ChatServer(act) as server:
        one = judge(server, sleep=waits.append, timeout=0.3)
        reviews, report = run(tmp_path / "a.jsonl", one)
        assert len(server.script.requests) == 15
    assert waits[0] == 3.0 and len(waits) == 3 and all(review.readable for review in reviews)
    assert report.spent.written == 12 * ONE.written + 64, "the stalled one may have been paid"


@pytest.mark.parametrize(
    ("action", "scores", "rejected"),
    [
        (("say", "Both are good.\n8 7"), UNREADABLE, 0),
        (("say", "8, 7\nThe first."), UNREADABLE, 0),
        (("say", ""), UNREADABLE, 0),
        ("nothing", UNREADABLE, 0),
        ("empty", UNREADABLE, 0),
        ("broken", UNREADABLE, 12),
        ("html", UNREADABLE, 12),
        (("status", 400, {}), UNREADABLE, 12),
        (("say", "8 7"), (8, 7), 0),
    ],
)
def test_what_came_and_cannot_be_read_is_minus_one_and_never_paid_again(
    tmp_path, action, scores, rejected
):
    with ChatServer(lambda number, messages: action) as server:
        reviews, report = run(tmp_path / "a.jsonl", judge(server))
        assert len(server.script.requests) == 12
        again, _ = run(tmp_path / "a.jsonl", judge(server))
        assert len(server.script.requests) == 12 and again == reviews
    assert {review.scores for review in reviews} == {scores} and len(reviews) == 12
    assert report.stopped == "" and sum(report.rejected.values()) == rejected
    assert relative_scores(reviews)["all"].relative == (87.5 if scores == (8, 7) else 100)


def test_a_review_that_breaks_off_has_its_first_line(tmp_path):
    from tests import chat_server

    text = chat_server.ANSWERS["reasoning"]
    with ChatServer(lambda number, messages: "long") as server:
        reviews, _ = run(tmp_path / "a.jsonl", judge(server))
    assert {review.content for review in reviews} == {text}


def test_the_budget_stops_a_run_and_a_larger_one_goes_on(tmp_path):
    path = tmp_path / "a.jsonl"
    with ChatServer(likes_the_first) as server:
        first = judge(server, tokens=MOST + 4 * ONE.total)
        reviews, report = run(path, first)
        paid = len(server.script.requests)
        assert 5 <= paid < 12 and len(reviews) == paid
        assert "budget would be passed" in report.stopped
        assert report.spent.total == paid * ONE.total <= MOST + 4 * ONE.total
        more, report = run(path, judge(server), ORDERS)
        assert len(server.script.requests) == 24 and max(server.script.asked.values()) == 1
    assert report.stopped == "" and len(more) == 24 and report.spent.total == 24 * ONE.total


def test_what_nobody_answers_is_missing_and_asked_again(tmp_path):
    path = tmp_path / "a.jsonl"
    with ChatServer(lambda number, messages: ("status", 503, {})) as server:
        reviews, report = run(path, judge(server, attempts=1))
        assert reviews == [] and "5 questions in a row got no answer" in report.stopped
        assert report.failed == 5
    with ChatServer(lambda n, m: likes_the_first(n, m) if n else ("status", 503, {})) as server:
        reviews, report = run(path, judge(server, attempts=1))
        assert len(reviews) == 11 and report.stopped == "1 of 12 reviews are missing"
        reviews, report = run(path, judge(server))
        assert len(reviews) == 12 and report.stopped == "" and report.failed == 0


def test_what_a_killed_run_had_under_way_is_asked_again_only_on_demand(tmp_path):
    path = tmp_path / "a.jsonl"
    with ChatServer(likes_the_first) as server:
        one = judge(server)
        with Journal(path, journal_settings(COMPARED, one)) as journal:
            journal.asked(("3", REFERENCE_FIRST), Usage(500, 64))
        reviews, report = run(path, one)
        assert len(server.script.requests) == 11 == len(reviews) and report.lost == 1
        assert report.stopped == "1 of 12 reviews are missing"
        assert report.spent.total == 564 + 11 * ONE.total, "it counts as paid"
        reviews, report = run(path, judge(server), ask_lost=True)
        assert len(server.script.requests) == 12 == len(reviews)
    assert report.lost == 0 and report.spent.total == 564 + 12 * ONE.total


def test_a_refusal_stops_at_once(tmp_path):
    with ChatServer(lambda number, messages: ("status", 401, {})) as server:
        with pytest.raises(EndpointRefuses, match="401"):
            run(tmp_path / "a.jsonl", judge(server))
        assert len(server.script.requests) == 1
