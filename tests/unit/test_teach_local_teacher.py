"""The teacher on this machine: its words, its mishaps, and that nothing of it is heard or left."""

import socket
import urllib.request
from urllib.error import HTTPError

import numpy as np
import pytest

from course_lib.instructions.budget import Budget
from course_lib.instructions.endpoint import EndpointTeacher, Patience
from course_lib.instructions.generate import Request, generate
from course_lib.instructions.journal import Journal
from course_lib.instructions.messages import messages_for
from course_lib.instructions.symbols import TYPES, Example, examples_of_scenes
from course_lib.instructions.teacher import Unanswered
from course_lib.instructions.validate import answer_fault
from course_lib.teach.local_teacher import LocalTeacher, rule_answer, type_asked
from course_lib.world.scene import sample_scenes

EXAMPLES = examples_of_scenes(sample_scenes(16, 0))
PHOTO = Example("7", "7.jpg", ("A dog sleeps on a red chair.", "There is a dog."))


def paid(local, waits=None, **patience):
    patience = {"attempts": 3, "timeout": 5.0, **patience}
    sleep = (lambda seconds: None) if waits is None else waits.append
    return EndpointTeacher(
        "local",
        Budget(10**7),
        base_url=local.url,
        api_key="none",
        concurrency=1,
        patience=Patience(sleep=sleep, **patience),
    )


def ask(teacher, type="detail", example=EXAMPLES[0]):
    return teacher.answer(example, type, np.random.default_rng(0))


@pytest.mark.parametrize("type", TYPES)
def test_its_words_are_valid_or_touch_a_held_out_fact(type):
    faults = set()
    with LocalTeacher() as local:
        teacher = paid(local)
        for example in EXAMPLES:
            assert type_asked(messages_for(example, type)) == type
            answer = ask(teacher, type, example)
            faults.add(answer_fault(answer, example, type))
            assert answer.usage.read > 300 and answer.usage.written >= 4
        assert set(local.asked.values()) == {1} and local.requests == len(EXAMPLES)
    assert "" in faults
    others = faults - {""}
    assert all(" touches a held-out fact: " in fault for fault in others)
    assert bool(others) == (type == "reasoning")


def test_the_same_prompt_gets_the_same_answer_and_a_photograph_gets_one():
    for type in TYPES:
        messages = messages_for(EXAMPLES[3], type)
        assert rule_answer(messages) == rule_answer(messages)
        assert PHOTO.captions[0] in rule_answer(messages_for(PHOTO, type))
    with pytest.raises(ValueError, match="none of the three"):
        type_asked([{"role": "user", "content": "hello"}])


def test_mishaps_come_when_they_are_told_to():
    waits = []
    with LocalTeacher({0: "busy", 1: "down"}) as local:
        answer = ask(paid(local, waits))
        assert answer.rejected == "" and local.requests == 3
    assert waits[0] == 3.0 and 1.0 <= waits[1] <= 2.0
    with LocalTeacher({0: "broken"}) as local:
        assert "not the JSON" in ask(paid(local)).rejected
    with LocalTeacher({0: "stall", 1: "stall"}) as local:
        with pytest.raises(Unanswered, match="no answer in time"):
            ask(paid(local, attempts=2, timeout=0.3))
        assert local.requests == 2
    with pytest.raises(ValueError, match="Unknown mishap 'busyy': did you mean 'busy'"):
        LocalTeacher({0: "busyy"})


def test_other_words_can_be_put_into_its_mouth():
    with LocalTeacher(write=lambda messages: "The caption says so.") as local:
        answer = ask(paid(local))
    assert answer_fault(answer, EXAMPLES[0], "detail") == "answer 1 mentions 'caption'"


def test_a_whole_run_keeps_its_mix(tmp_path):
    with LocalTeacher({4: "down"}) as local, Journal(tmp_path / "a.jsonl", {}) as journal:
        _, report = generate(EXAMPLES, paid(local), journal, Request(samples=16))
    assert report.accepted == report.wanted and report.stopped == ""


def test_clients_that_go_away_are_not_heard_of(capfd):
    with LocalTeacher() as local:
        host, port = local.url.removeprefix("http://").removesuffix("/v1").split(":")
        with socket.create_connection((host, int(port))) as gone:
            gone.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Le")
        assert host == "127.0.0.1" and not local.wait_for(1, seconds=0.2)
        for body in (b"no JSON", b'{"messages": []}', b'{"messages": [{"content": "hello"}]}'):
            with pytest.raises(HTTPError, match="400"):
                urllib.request.urlopen(f"{local.url}/chat/completions", body, timeout=5)
        ask(paid(local))
        assert local.wait_for(1)
    with pytest.raises(Unanswered, match="nothing answers"):
        ask(paid(local, attempts=1))
    assert capfd.readouterr().err == ""
