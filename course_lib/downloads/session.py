"""HTTP requests: what can go wrong becomes a `Trouble`, and private addresses stay private.

An address in somebody's list may name this machine or one beside it ("http://169.254.169.254/…").
So the other end of each connection is looked at once it stands, behind all redirects and look-ups,
and a private one is hung up on. A proxy that the environment names may be private.
"""

from __future__ import annotations

import contextlib
import ipaddress
import threading
from collections.abc import Iterator, Mapping

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from course_lib.downloads.patience import Patience, Trouble
from course_lib.instructions.retry import seconds_asked

AGENT = "multimodal-course data_scripts (python-requests)"
_BUSY = {408, 425, 429}
BLOCK = 1 << 14  # bytes of an unfinished block are lost in a cut


class PrivateAddress(ValueError):
    """A connection that led into a private network."""


def _check_other_end(connection: HTTPConnection) -> None:
    address = connection.sock.getpeername()[0].partition("%")[0]
    if not ipaddress.ip_address(address).is_global:
        connection.close()
        raise PrivateAddress(address)


class _Http(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        _check_other_end(self)


class _Https(HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        _check_other_end(self)


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


class _PublicOnly(HTTPAdapter):
    def init_poolmanager(self, *args, **kwargs) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}


class Net:
    """The way to servers, for any number of threads.

    Args:
        patience: time-outs and attempts.
        private: True also reaches private addresses: a mirror in your own network, a test.
    """

    def __init__(self, patience: Patience | None = None, private: bool = False) -> None:
        self.patience = patience or Patience()
        self.private = private
        self.stop = threading.Event()
        self._local = threading.local()

    def pause(self, seconds: float) -> None:
        """Sleeps, at most until somebody sets `stop`."""
        (self.patience.pause or self.stop.wait)(seconds)

    def _session(self) -> requests.Session:
        # `requests` does not promise that a session may be shared by threads.
        if not hasattr(self._local, "session"):
            session = requests.Session()
            session.max_redirects = 10
            # Without "identity" a server may pack the file, and then neither length nor range fit.
            session.headers.update({"User-Agent": AGENT, "Accept-Encoding": "identity"})
            if not self.private:
                session.mount("http://", _PublicOnly())
                session.mount("https://", _PublicOnly())
            self._local.session = session
        return self._local.session

    @contextlib.contextmanager
    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator:
        """Asks for an address; the body is not read yet.

        Yields:
            The response (`requests.Response`): status 200, 206 or 416.

        Raises:
            Trouble: for every other status and for what goes wrong on the way, also while the body
                is read.
        """
        with self._open(url, headers) as response:
            try:
                _check_status(response)
                yield response
            except (requests.RequestException, HTTPError) as error:
                raise _trouble(error) from error

    def _open(self, url: str, headers: Mapping[str, str] | None) -> requests.Response:
        timeout = (self.patience.connect, self.patience.read)
        try:
            return self._session().get(
                url, headers=dict(headers or {}), stream=True, timeout=timeout
            )
        except PrivateAddress as error:
            raise Trouble("leads into a private network", detail=str(error)) from error
        except (requests.RequestException, HTTPError, TimeoutError, ValueError) as error:
            raise _trouble(error) from error


def _check_status(response: requests.Response) -> None:
    code = response.status_code
    if code in (200, 206, 416):
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise Trouble("packed by the server", detail=encoding)
        return
    if code in _BUSY or code >= 500:
        wait = seconds_asked(response.headers.get("Retry-After"))
        raise Trouble(f"status {code}", later=True, wait=wait)
    raise Trouble(f"status {code}")


def _trouble(error: Exception) -> Trouble:
    if isinstance(error, requests.exceptions.SSLError):
        return Trouble("no valid certificate", detail=_short(error))
    if isinstance(error, requests.exceptions.TooManyRedirects):
        return Trouble("redirects without end")
    if isinstance(error, requests.Timeout | TimeoutError) or "timed out" in str(error):
        return Trouble("no answer in time", later=True)
    if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        lost = "resolve" not in str(error) and "getaddrinfo" not in str(error)
        reason = "the connection was lost" if lost else "no such server"
        return Trouble(reason, later=True, detail=_short(error))
    if isinstance(error, HTTPError):
        return Trouble("the connection was lost", later=True, detail=_short(error))
    return Trouble("no address that can be asked", detail=_short(error))


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:160]


def blocks(response: requests.Response) -> Iterator[bytes]:
    """Reads the body, block by block, as it was sent."""
    yield from response.iter_content(BLOCK)
