"""The paid teacher against a real HTTP server: answers, failures, retries."""

import pytest

from course_lib.instructions.endpoint import EndpointRefuses
from course_lib.instructions.messages import messages_for, most_tokens
from course_lib.instructions.retry import seconds_asked
from course_lib.instructions.symbols import TYPES
from course_lib.instructions.teacher import Unanswered, Usage
from tests.chat_server import ChatServer
from tests.paid_teacher import ONE, PHOTO, ask, teacher


def first_then_answer(*actions):
    return lambda number, messages: actions[number] if number < len(actions) else "answer"


@pytest.mark.parametrize("type", TYPES)
def test_an_answer_becomes_turns_and_the_request_holds_the_few_shots(type):
    with ChatServer() as server:
        one = teacher(server)
        answer = ask(one, type)
        sent = server.script.requests[0]
    assert answer.rejected == "" and answer.usage == ONE == one.budget.spent
    assert len(answer.turns) == (2 if type == "conversation" else 1)
    assert sent["path"] == "/v1/chat/completions" and sent["max_tokens"] == 1024
    roles = [message["role"] for message in sent["messages"]]
    shots = 2 if type == "conversation" else 3
    assert roles == ["system", *(["user", "assistant"] * shots), "user"]
    assert sent["messages"][-1]["content"].startswith("A dog sleeps")


@pytest.mark.parametrize(
    ("action", "paid_before"),
    [
        (("status", 429, {"Retry-After": "3"}), False),
        (("status", 500, {}), False),
        (("status", 503, {}), False),
        ("reset", True),
    ],
)
def test_what_may_pass_is_asked_again(action, paid_before):
    waits = []
    with ChatServer(first_then_answer(action, action)) as server:
        one = teacher(server, sleep=waits.append)
        answer = ask(one)
        assert len(server.script.requests) == 3
    assert answer.rejected == ""
    if action[1] == 429:
        assert waits == [3.0, 3.0]
    else:
        assert 0.5 <= waits[0] <= 1.0 <= waits[1] <= 2.0
    most = Usage(most_tokens(messages_for(PHOTO, "detail")), 1024)
    assert answer.usage == (ONE + most + most if paid_before else ONE) == one.budget.spent


def test_a_stalled_request_is_given_up_counted_and_asked_again():
    with ChatServer(first_then_answer("stall")) as server:
        one = teacher(server, timeout=0.3)
        answer = ask(one)
    assert answer.rejected == "" and answer.usage.total > ONE.total + 1024


def test_retry_after_is_never_longer_than_the_longest_pause():
    waits = []
    with ChatServer(first_then_answer(("status", 429, {"Retry-After": "900"}))) as server:
        ask(teacher(server, sleep=waits.append))
    assert waits == [8.0]


def test_retry_after_reads_seconds_and_dates():
    assert seconds_asked("2.5") == 2.5 and seconds_asked("-1") == 0.0
    assert seconds_asked("Thu, 01 Jan 1970 00:01:40 GMT", now=90.0) == 10.0
    assert seconds_asked(None) is None and seconds_asked("soon") is None


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("empty", "answer is empty"),
        ("nothing", "answer is empty"),
        (("say", "   "), "answer is empty"),
        ("long", "cut off"),
        ("broken", "not the JSON"),
        ("html", "not the JSON"),
        (("say", "Answer: four.\nQuestion: how many?"), "turn 1 is by gpt"),
        (("say", "Question: a?\nQuestion: b?\nAnswer: c."), "turn 2 is by human"),
        (("say", "Question: a?\nAnswer: b.\nQuestion: c?"), "ends with a question"),
        (("say", "I would rather not."), "holds no 'Question:'"),
        (("status", 400, {}), "status 400"),
    ],
)
def test_what_came_and_is_of_no_use_is_rejected_and_not_asked_again(action, reason):
    with ChatServer(lambda number, messages: action) as server:
        one = teacher(server)
        answer = ask(one, "conversation")
        assert len(server.script.requests) == 1
    assert reason in answer.rejected and answer.turns == ()
    assert one.budget.spent == answer.usage
    if action in ("broken", "html"):
        assert answer.usage.written == 1024, "a broken reply counts at its most"


def test_a_completion_that_hides_its_usage_counts_at_its_most():
    with ChatServer(lambda number, messages: "silent") as server:
        assert ask(teacher(server)).usage.written == 1024


@pytest.mark.parametrize("code", [401, 403, 404])
def test_a_refusal_stops_at_once(code):
    with ChatServer(lambda number, messages: ("status", code, {})) as server:
        with pytest.raises(EndpointRefuses, match=str(code)):
            ask(teacher(server))
        assert len(server.script.requests) == 1


def test_attempts_end():
    with ChatServer(lambda number, messages: ("status", 500, {})) as server:
        with pytest.raises(Unanswered, match="4 attempts: status 500"):
            ask(teacher(server))
        assert len(server.script.requests) == 4


def test_nobody_at_the_address_costs_nothing():
    with ChatServer() as server:
        pass
    one = teacher(server)
    with pytest.raises(Unanswered, match="nothing answers"):
        ask(one)
    assert one.budget.spent == Usage()
