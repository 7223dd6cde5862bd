"""A chat endpoint on loopback that answers like /v1/chat/completions, or fails as it is told to."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWERS = {
    "conversation": (
        "Question: what is there?\nAnswer: two things.\nQuestion: is one red?\nAnswer: yes, one is."
    ),
    "detail": "there are two things in the picture. one is red.",
    "reasoning": "Question: which is more?\nAnswer: two is more than one.",
}
USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


def type_of(messages: list[dict]) -> str:
    """Tells the type from the first message's own words."""
    system = messages[0]["content"]
    if "Write a talk" in system:
        return "conversation"
    return "detail" if "Describe the picture" in system else "reasoning"


@dataclass
class Script:
    """What the server does.

    Args:
        act: (how many requests came before, messages) → an action: "answer", "stall", "broken",
            "html", "empty", "nothing", "long", "reset", "silent", ("status", code, headers) or
            ("say", text).
        delay: seconds before every answer.
        served: (type, last message) → answers that were sent whole.
        asked: the same for requests.
    """

    act: Callable[[int, list[dict]], object] = lambda number, messages: "answer"
    delay: float = 0.0
    served: Counter = field(default_factory=Counter)
    asked: Counter = field(default_factory=Counter)
    requests: list[dict] = field(default_factory=list)
    most_at_once: int = 0
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    released: threading.Event = field(default_factory=threading.Event)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        script: Script = self.server.script
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = (type_of(body["messages"]), body["messages"][-1]["content"])
        with script._lock:
            number = len(script.requests)
            script.requests.append({**body, "path": self.path, "headers": dict(self.headers)})
            script.asked[key] += 1
            script._now += 1
            script.most_at_once = max(script.most_at_once, script._now)
        try:
            time.sleep(script.delay)
            self._do(script.act(number, body["messages"]), script, key)
        except OSError:
            pass  # The client is gone.
        finally:
            with script._lock:
                script._now -= 1

    def _do(self, action, script: Script, key) -> None:
        if action == "stall":
            script.released.wait(30)
            self.close_connection = True
        elif action == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            self.close_connection = True
        elif action == "broken":
            self._send(200, b'{"choices": [{"message": {"content": "half')
        elif action == "html":
            self._send(200, b"<html>busy</html>", {"Content-Type": "text/html"})
        elif isinstance(action, tuple) and action[0] == "status":
            error = json.dumps({"error": {"message": "told to fail"}}).encode()
            self._send(action[1], error, action[2])
        else:
            self._send(200, json.dumps(self._completion(action, key[0])).encode())
            with script._lock:
                script.served[key] += 1

    def _completion(self, action, type: str) -> dict:
        text = action[1] if isinstance(action, tuple) else ANSWERS[type]
        message = {"role": "assistant", "content": None if action == "nothing" else text}
        choice = {
            "index": 0,
            "message": message,
            "finish_reason": "length" if action == "long" else "stop",
        }
        found = {
            "id": "x",
            "object": "chat.completion",
            "created": 0,
            "model": "m",
            "choices": [] if action == "empty" else [choice],
            "usage": USAGE,
        }
        if action == "silent":
            del found["usage"]
        return found

    def _send(self, code: int, body: bytes, headers: dict | None = None) -> None:
        self.send_response(code)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class ChatServer:
    """Runs in threads of this process while the `with` block lasts; `url` is its base_url."""

    def __init__(self, act=None, delay: float = 0.0) -> None:
        self.script = Script(delay=delay)
        if act is not None:
            self.script.act = act
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.script = self.script
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> ChatServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.script.released.set()
        self._server.shutdown()
        self._server.server_close()
