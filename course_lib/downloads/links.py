"""The pictures of a list of addresses: what is there comes, what is dead is counted.

img2dataset was looked at first (1.25): it does this well, and brings 27 more packages along, two
OpenCV and Weights & Biases among them, and writes formats of its own. A thread pool over `requests`
does what these lists need. Like img2dataset, pictures whose owner forbids the use by a header are
left alone (`X-Robots-Tag: noai`, `noimageai`, `noindex`, `noimageindex`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from course_lib.downloads.patience import Hosts, Trouble
from course_lib.downloads.remote import mirrored_url
from course_lib.downloads.session import Net, blocks

MOST = 20 << 20  # bytes of one picture
_FORBIDS = {"noai", "noimageai", "noindex", "noimageindex"}


class Links:
    """Gets pictures by their addresses; any number of threads may ask.

    Args:
        net: the way to the servers.
        most: bytes of one picture.
        mirror: see `remote.mirrored_url`.
    """

    def __init__(self, net: Net, most: int = MOST, mirror: Sequence[str] = ()) -> None:
        self.net, self.most, self.mirror = net, most, mirror
        self._hosts = Hosts(net.pause)

    def get(self, url: str) -> bytes:
        """Gets one picture, as it was sent.

        Raises:
            Trouble: when it does not come.
        """
        url = mirrored_url(url, self.mirror)
        if not url.startswith(("http://", "https://")):
            raise Trouble("no address that can be asked")
        attempt = 0
        while True:
            self._hosts.wait(url)
            try:
                return self._get(url)
            except Trouble as trouble:
                attempt += 1
                seconds = self.net.patience.before_next(attempt, trouble)
                if trouble.wait is not None:
                    self._hosts.slow_down(url, seconds)
                else:
                    self.net.pause(seconds)

    def _get(self, url: str) -> bytes:
        until = time.monotonic() + self.net.patience.whole
        with self.net.get(url) as response:
            _check_allowed(response.headers.get("X-Robots-Tag", ""))
            length = response.headers.get("Content-Length", "")
            if length.isdigit() and int(length) > self.most:
                raise Trouble("too many bytes")
            data = bytearray()
            for block in blocks(response):
                data += block
                if len(data) > self.most:
                    raise Trouble("too many bytes")
                if time.monotonic() > until:
                    raise Trouble("no answer in time", later=True)
        if length.isdigit() and len(data) < int(length):
            raise Trouble("cut short", later=True)
        if not data:
            raise Trouble("empty")
        return bytes(data)


def _check_allowed(header: str) -> None:
    """Reads `X-Robots-Tag`; a rule may be meant for one robot alone ("otherbot: noai")."""
    for rule in header.lower().split(","):
        robot, colon, words = rule.rpartition(":")
        if words.strip() in _FORBIDS and (not colon or robot.strip() in ("", "*")):
            raise Trouble("forbidden by its owner")
