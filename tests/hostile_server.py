"""A web server on loopback that serves files properly, or fails as it is told to."""

from __future__ import annotations

import hashlib
import re
import socket
import struct
import threading
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Page:
    """What stands at a path.

    Args:
        content: the file.
        acts: what is done to the first, second, … request; later ones are answered properly.
            "send"; ("cut", count): that many bytes of what was promised, then the connection ends;
            ("reset", count): the same, and hard; ("status", code, headers); "close": no answer;
            ("other", bytes): another content, as if the file had changed for good;
            ("lie", length): a Content-Length that is not true; "stall": nothing for a long time;
            ("hold", count): that many bytes, and then nothing for a long time; ("drip", seconds):
            16,384 bytes at a time, with pauses.
        tag: the ETag; None computes one, "" sends none.
        date: sends Last-Modified.
        ranges: False ignores Range; "careless" ignores If-Range alone.
        chunked: sends no length.
        headers: more of them.
    """

    content: bytes
    acts: list = field(default_factory=list)
    tag: str | None = None
    date: bool = False
    ranges: bool | str = True
    chunked: bool = False
    headers: dict = field(default_factory=dict)

    def etag(self) -> str:
        return f'"{hashlib.md5(self.content).hexdigest()}"' if self.tag is None else self.tag


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        with server.lock:
            server.asked.append((self.path, dict(self.headers)))
            page: Page | None = server.pages.get(self.path)
            act = page.acts.pop(0) if page is not None and page.acts else "send"
            if isinstance(act, tuple) and act[0] == "other":
                page.content = act[1]
        if page is None:
            act = ("status", 404, {})
        try:
            self._do(page, act)
        except OSError:
            self.close_connection = True  # The client is gone.

    def _do(self, page: Page, act) -> None:
        kind = act[0] if isinstance(act, tuple) else act
        if kind == "status":
            return self._answer(act[1], b"no", act[2])
        if kind == "close":
            self.close_connection = True
            return None
        if kind == "stall":
            self.server.released.wait(30)
            self.close_connection = True
            return None
        headers = dict(page.headers)
        if page.etag():
            headers["ETag"] = page.etag()
        if page.date:
            headers["Last-Modified"] = formatdate(0, usegmt=True)
        code, body = 200, page.content
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        fits = condition in (None, page.etag(), headers.get("Last-Modified"))
        if asked and page.ranges and (fits or page.ranges == "careless"):
            start, size = int(asked[1]), len(page.content)
            if start >= size:
                return self._answer(416, b"", {"Content-Range": f"bytes */{size}"})
            code, body = 206, page.content[start:]
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        if page.chunked:
            return self._chunks(code, body, headers, act)
        promised = act[1] if kind == "lie" else len(body)
        cut = act if kind in ("cut", "reset", "hold", "drip") else None
        return self._answer(code, body, headers, promised, cut)

    def _answer(self, code, body, headers, promised=None, cut=None) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if promised is None else promised))
        self.end_headers()
        if cut is not None and cut[0] == "drip":
            return self._drip(body, cut[1])
        self.wfile.write(body if cut is None else body[: cut[1]])
        if cut is not None and cut[0] == "hold":
            self.wfile.flush()
            self.server.released.wait(30)
        if cut is not None or promised not in (None, len(body)):
            self._end(hard=cut is not None and cut[0] == "reset")

    def _drip(self, body, seconds) -> None:
        for start in range(0, len(body), 1 << 14):
            self.wfile.write(body[start : start + (1 << 14)])
            self.wfile.flush()
            self.server.released.wait(seconds)

    def _chunks(self, code, body, headers, act) -> None:
        self.send_response(code)
        for name, value in {**headers, "Transfer-Encoding": "chunked"}.items():
            self.send_header(name, value)
        self.end_headers()
        end = act[1] if isinstance(act, tuple) else len(body)
        for start in range(0, end, 1000):
            part = body[start : min(start + 1000, end)]
            self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        if end < len(body):
            return self._end(hard=False)
        self.wfile.write(b"0\r\n\r\n")
        return None

    def _end(self, hard: bool) -> None:
        self.wfile.flush()
        if hard:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()
        self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address) -> None:
        """Says nothing: clients that hang up are what the tests are about."""


class HostileServer:
    """Runs in threads of this process while the `with` block lasts.

    Args:
        pages: path → what stands there; may be changed meanwhile.
    """

    def __init__(self, pages: dict[str, Page] | None = None) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.pages = self.pages = pages if pages is not None else {}
        self._server.asked = self.asked = []
        self._server.lock, self._server.released = threading.Lock(), threading.Event()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> HostileServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._server.released.set()
        self._server.shutdown()
        self._server.server_close()

    def ranges(self, path: str) -> list[str | None]:
        """Returns the Range header of each request for a path."""
        return [headers.get("Range") for asked, headers in self.asked if asked == path]


def on_disk(folder: Path) -> dict[str, bytes]:
    """Returns every file below a folder and its content; a link counts as its own target's name."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[str(path.relative_to(folder))] = b"-> " + str(path.readlink()).encode()
        elif path.is_file():
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


def names_on_disk(folder: Path) -> list[str]:
    """Returns the names below a folder without locks and finished markers."""
    hidden = (".done", ".lock")
    return [name for name in on_disk(folder) if not name.endswith(hidden)]
