"""A teacher on this machine: a server that does what a paid chat endpoint does, mishaps included.

    with LocalTeacher({0: "busy"}) as local:
        teacher = EndpointTeacher("local", budget, base_url=local.url, api_key="none")

With it a notebook shows, offline and for nothing, a service that refuses, stalls and breaks off.
Its words come from the rules of `instructions.toy_rules`. Nobody tells it which facts are held out,
so it uses them, too, as a language model would.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from course_lib.errors import unknown_name_error
from course_lib.instructions import toy_rules
from course_lib.instructions.messages import messages_for
from course_lib.instructions.parsing import written_as_questions
from course_lib.instructions.symbols import TYPES, Example
from course_lib.world.scene import COLOURS, KINDS, PLACES, SIZES, Scene, Thing

# What may happen to a request: status, body (None: no reply before the server ends), headers.
MISHAPS: dict[str, tuple[int, bytes | None, dict[str, str]]] = {
    "busy": (429, b'{"error": {"message": "too many requests"}}', {"Retry-After": "3"}),
    "down": (503, b'{"error": {"message": "out of order"}}', {}),
    "stall": (200, None, {}),
    "broken": (200, b'{"choices": [{"message": {"content": "half a sent', {}),
}
_THING = re.compile(
    rf"a ({'|'.join(SIZES)}) ({'|'.join(COLOURS)}) ({'|'.join(KINDS)}) at ({'|'.join(PLACES)})"
)
_LONGEST_STALL = 60.0


def type_asked(messages: list[dict[str, str]]) -> str:
    """Tells which type of sample a prompt asks for: each has a system message of its own.

    Raises:
        ValueError: for a prompt that `messages_for` did not write.
    """
    for type in TYPES:
        if messages[0]["content"] == messages_for(Example("", "", ("",)), type)[0]["content"]:
            return type
    raise ValueError("The first message is none of the three instructions of seeds.json.")


def rule_answer(messages: list[dict[str, str]]) -> str:
    """Answers a prompt about a toy scene in the form that it asks for, always in the same way.

    Args:
        messages: of `messages_for`; the first line of the last one is the scene's caption.

    Returns:
        Plain text for "detail", else lines with `Question:` and `Answer:`. A prompt about anything
        else gets its own first line as the answer.
    """
    type, asked = type_asked(messages), messages[-1]["content"]
    caption = asked.splitlines()[0]
    things = tuple(Thing(k, c, s, p, (0, 0, 0, 0)) for s, c, k, p in _THING.findall(caption))
    if not things:
        return caption if type == "detail" else f"Question: What is there?\nAnswer: {caption}"
    number = hashlib.blake2b(f"{type}/{asked}".encode(), digest_size=8).digest()
    rng, scene = np.random.default_rng(int.from_bytes(number, "big")), Scene(things)
    if type == "reasoning":  # every one, held-out facts included
        found = toy_rules.reasoning_turns(scene)
        turns = [found[int(rng.integers(len(found)))]]
    else:
        turns = toy_rules.turns_about(scene, type, rng)
    if type == "detail":
        return turns[0].answer
    return written_as_questions([vars(turn) for turn in turns])


class LocalTeacher:
    """Serves `/v1/chat/completions` on 127.0.0.1 while a `with` block lasts.

    Args:
        mishaps: number of a request, the first is 0 → a key of `MISHAPS`.
        write: messages → the words of the answer.

    Attributes:
        url: what a client takes as its base_url.
        asked: (type, last message) → how often it came.

    Raises:
        ValueError: for an unknown mishap.
    """

    def __init__(
        self,
        mishaps: Mapping[int, str] | None = None,
        write: Callable[[list[dict[str, str]]], str] = rule_answer,
    ) -> None:
        self.mishaps, self.write = dict(mishaps or {}), write
        for name in self.mishaps.values():
            if name not in MISHAPS:
                raise unknown_name_error("mishap", name, MISHAPS)
        self.asked: Counter[tuple[str, str]] = Counter()
        self._came = threading.Condition()
        self._ending = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.teacher = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> LocalTeacher:
        serve = self._server.serve_forever
        threading.Thread(target=serve, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._ending.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def requests(self) -> int:
        """How many requests have come so far."""
        return self.asked.total()

    def wait_for(self, count: int, seconds: float = 60.0) -> bool:
        """Waits until so many requests have come; returns whether they did in time."""
        with self._came:
            return self._came.wait_for(lambda: self.requests >= count, seconds)

    def reply(self, messages: list[dict[str, str]]) -> tuple[int, bytes, dict[str, str]]:
        """Notes a request and returns its reply: status, body, headers."""
        with self._came:
            mishap = self.mishaps.get(self.requests)
            self.asked[type_asked(messages), messages[-1]["content"]] += 1
            self._came.notify_all()
        status, body, headers = MISHAPS[mishap] if mishap else (200, self._completion(messages), {})
        if body is None:
            self._ending.wait(_LONGEST_STALL)
            body = b""
        return status, body, headers

    def _completion(self, messages: list[dict[str, str]]) -> bytes:
        """Returns an answer as the endpoint's JSON; a word counts as a token."""
        text = self.write(messages)
        message = {"role": "assistant", "content": text}
        read, written = sum(len(m["content"].split()) for m in messages), len(text.split())
        usage = {"prompt_tokens": read, "completion_tokens": written}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        found = {"id": "0", "object": "chat.completion", "created": 0, "model": "local"}
        found |= {"choices": [choice], "usage": {**usage, "total_tokens": read + written}}
        return json.dumps(found).encode()


class _Server(ThreadingHTTPServer):
    """A client that went away, killed or out of patience, is no error of the server's."""

    daemon_threads = True
    teacher: LocalTeacher

    def handle_error(self, request, client_address) -> None:
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_) -> None:
        """Says nothing: a line for each request would be an output of the notebook."""

    def do_POST(self) -> None:
        """Answers one request; one that nobody here would send gets status 400."""
        try:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, body, headers = self.server.teacher.reply(asked["messages"])
        except (LookupError, TypeError, ValueError) as error:
            status, headers = 400, {}
            body = json.dumps({"error": {"message": f"no prompt of the course: {error}"}}).encode()
        with contextlib.suppress(OSError):  # the client is gone
            self.send_response(status)
            headers = {"Content-Type": "application/json", **headers}
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
