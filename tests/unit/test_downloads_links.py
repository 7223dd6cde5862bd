"""Pictures by their addresses: dead ones are counted, huge and hostile ones never get in."""

import io
import threading

import pytest
from PIL import Image

from course_lib.corpora.pictures import checked, first_of, from_folders, from_links
from course_lib.downloads.links import Links
from course_lib.downloads.patience import Hosts, Patience, Trouble
from course_lib.downloads.session import Net
from tests.hostile_server import HostileServer, Page


def picture(size=(40, 30), kind="JPEG", colour="red"):
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, kind)
    return stream.getvalue()


@pytest.fixture
def server():
    with HostileServer() as running:
        yield running


@pytest.fixture
def waits():
    return []


@pytest.fixture
def links(waits):
    patience = Patience(attempts=3, connect=9.0, read=9.0, pause=waits.append)
    return Links(Net(patience, private=True), most=50_000)


def reason(links, url):
    with pytest.raises(Trouble) as error:
        links.get(url)
    return error.value.reason, error.value.later


def test_a_picture_comes_as_it_was_sent(server, links):
    server.pages["/a"] = Page(picture(), [("cut", 50), ("status", 503, {}), "send"])
    assert links.get(f"{server.url}/a") == picture()
    assert len(server.asked) == 3


FAILURES = [
    (Page(b"x", [("status", 404, {})] * 9), "status 404", False),
    (Page(b"x", [("status", 410, {})] * 9), "status 410", False),
    (Page(b"x", [("status", 503, {})] * 9), "status 503", True),
    (Page(b"x", [("status", 429, {"Retry-After": "999"})] * 9), "status 429", True),
    (Page(b"x", ["close"] * 9), "the connection was lost", True),
    (Page(b"x" * 900, [("reset", 10)] * 9), "the connection was lost", True),
    (Page(b"x" * 60_000), "too many bytes", False),
    (Page(b"x" * 60_000, chunked=True), "too many bytes", False),
    (Page(b""), "empty", False),
    (Page(picture(), headers={"X-Robots-Tag": "noindex, noai"}), "forbidden by its owner", False),
]


@pytest.mark.parametrize(("page", "expected", "later"), FAILURES)
def test_every_failure_has_its_reason(server, links, page, expected, later):
    server.pages["/a"] = page
    assert reason(links, f"{server.url}/a") == (expected, later)


@pytest.mark.parametrize(
    "url", ["", "ftp://127.0.0.1/a", "file:///etc/passwd", "no address", "http://", "http://[::1"]
)
def test_what_is_no_address_is_not_asked(server, links, url):
    assert reason(links, url) == ("no address that can be asked", False)
    assert server.asked == []


def test_nobody_listens_or_there_is_no_such_server(links):
    assert reason(links, "http://127.0.0.1:1/a") == ("the connection was lost", True)
    assert reason(links, "http://course.invalid/a")[1] is True


def test_a_list_cannot_reach_into_the_own_network(server):
    links = Links(Net(Patience(attempts=1)))
    server.pages["/a"] = Page(picture())
    assert reason(links, f"{server.url}/a") == ("leads into a private network", False)
    assert server.asked == []


def test_a_rule_for_another_robot_does_not_count(server, links):
    server.pages["/a"] = Page(picture(), headers={"X-Robots-Tag": "otherbot: noai, nofollow"})
    assert links.get(f"{server.url}/a") == picture()


@pytest.mark.parametrize("act", ["stall", ("hold", 5)])
def test_a_picture_that_does_not_come_in_time(server, act):
    server.pages["/a"] = Page(picture(), [act])
    links = Links(Net(Patience(attempts=1, read=0.3), private=True))
    assert reason(links, f"{server.url}/a") == ("no answer in time", True)


def test_a_picture_that_drips_has_a_time_to_end(server):
    server.pages["/a"] = Page(picture((900, 900)), chunked=True)
    links = Links(Net(Patience(attempts=1, whole=0.0), private=True))
    assert reason(links, f"{server.url}/a") == ("no answer in time", True)


def test_redirects_without_end(server, links):
    server.pages["/a"] = Page(b"", [("status", 302, {"Location": "/a"})] * 99)
    assert reason(links, f"{server.url}/a") == ("redirects without end", False)


def test_a_server_that_says_too_many_is_left_alone_by_everybody():
    slept, lock = [], threading.Lock()

    def pause(seconds):
        with lock:
            slept.append(seconds)

    hosts = Hosts(pause)
    hosts.slow_down("http://one.example/a", 30.0)
    threads = [threading.Thread(target=hosts.wait, args=(url,)) for url in URLS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(slept) == 2 and all(29 < seconds <= 30 for seconds in slept)


URLS = ["http://one.example/b", "http://one.example/c", "http://two.example/b"]


def test_a_picture_is_let_in_if_it_can_be_decoded():
    found = checked(picture((40, 30)))
    assert (found.width, found.height) == (40, 30) and found.data == picture((40, 30))


def test_a_longest_side_makes_large_pictures_smaller_and_leaves_others():
    found = checked(picture((400, 100), "PNG"), longest=100)
    assert (found.width, found.height) == (100, 25)
    with Image.open(io.BytesIO(found.data)) as opened:
        assert opened.format == "JPEG" and opened.size == (100, 25)
    assert checked(picture((100, 90)), longest=100).data == picture((100, 90))


def huge():
    """A PNG of a few kilobytes that claims 40,000 x 40,000 pixels."""
    small = picture((8, 8), "PNG")
    import struct
    import zlib

    head = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    crc = struct.pack(">I", zlib.crc32(b"IHDR" + head))
    return small[:16] + head + crc + small[33:]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"<html>gone</html>", "no image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no image"),
        (picture()[:200], "damaged image"),
        (huge(), "over 20 megapixels"),
        (picture((5000, 4100), "PNG"), "over 20 megapixels"),
    ],
)
def test_no_image_damaged_and_huge_ones_stay_out(data, expected):
    with pytest.raises(Trouble) as error:
        checked(data)
    assert (error.value.reason, error.value.later) == (expected, False)


def test_pictures_of_folders_are_looked_for_inside_alone(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "two/a.jpg").write_bytes(b"a")
    (tmp_path / "one/link.jpg").symlink_to(tmp_path / "secret.jpg")
    get = from_folders(tmp_path / "one", tmp_path / "two")
    assert get("a.jpg") == b"a"
    for name in ("../secret.jpg", "link.jpg", str(tmp_path / "secret.jpg"), "b.jpg"):
        with pytest.raises(Trouble):
            get(name)


def test_one_source_after_the_other(server, links, tmp_path):
    server.pages["/b.jpg"] = Page(b"b")
    (tmp_path / "a.jpg").write_bytes(b"a")
    get = first_of([from_folders(tmp_path), from_links(links, lambda n: f"{server.url}/{n}")])
    assert (get("a.jpg"), get("b.jpg")) == (b"a", b"b")
    with pytest.raises(Trouble, match="status 404"):
        get("c.jpg")
