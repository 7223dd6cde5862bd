"""One file from a server that cuts, lies and changes its mind; what counts lies on the disk."""

import hashlib
import json
import os
import random
import re
import subprocess
import sys
import time

import pytest

from course_lib.devtools.environment import ROOT
from course_lib.downloads.fetch import Wrong, fetch
from course_lib.downloads.inside import Unsafe
from course_lib.downloads.marker import is_finished, marker_path
from course_lib.downloads.patience import Patience, Trouble
from course_lib.downloads.remote import Remote, at_hand, mirrored_url
from course_lib.downloads.session import BLOCK, Net
from course_lib.downloads.several import Unfetched, fetch_all
from tests.hostile_server import HostileServer, Page, on_disk

DATA = random.Random(0).randbytes(700_000)
SHA = hashlib.sha256(DATA).hexdigest()
CUT = 300_000 // BLOCK * BLOCK  # what a client has of 300,000 bytes


@pytest.fixture
def server():
    with HostileServer() as running:
        yield running


@pytest.fixture
def waits():
    return []


@pytest.fixture
def net(waits):
    return Net(Patience(attempts=3, connect=9.0, read=9.0, pause=waits.append), private=True)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "outside").write_text("untouched")
    yield tmp_path / "data"
    assert {p.name for p in tmp_path.iterdir()} <= {"outside", "data", "own"}
    assert (tmp_path / "outside").read_text() == "untouched"


def remote(server, **more):
    return Remote(f"{server.url}/a.zip", "set/a.zip", **more)


def get(server, net, folder, **more):
    return fetch(remote(server, **more), folder, net)


def whole(folder, content=DATA):
    """Asserts that the file is there, its note fits, and nothing else is left."""
    found = on_disk(folder)
    assert set(found) == {"set/a.zip", "set/.a.zip.done"}
    assert found["set/a.zip"] == content
    note = json.loads(found["set/.a.zip.done"])
    assert note["sha256"] == hashlib.sha256(content).hexdigest()
    assert note["size"] == len(content)
    return note


def test_a_file_comes_and_the_second_run_asks_nobody(server, net, folder):
    server.pages["/a.zip"] = Page(DATA)
    get(server, net, folder, size=len(DATA), sha256=SHA)
    assert whole(folder)["published"] is True
    assert len(server.asked) == 1
    get(server, net, folder, size=len(DATA), sha256=SHA)
    assert len(server.asked) == 1
    whole(folder)


@pytest.mark.parametrize("kind", ["cut", "reset"])
def test_a_cut_connection_is_gone_on_with(server, net, folder, kind):
    server.pages["/a.zip"] = Page(DATA, [(kind, 300_000), (kind, 200_000)])
    get(server, net, folder)
    assert whole(folder)["published"] is False
    ranges = server.ranges("/a.zip")
    assert ranges[0] is None and len(ranges) == 3
    starts = [int(re.fullmatch(r"bytes=(\d+)-", r)[1]) for r in ranges[1:]]
    if kind == "cut":  # a reset may throw away what the client had not read yet
        assert starts == [CUT, CUT + 200_000 // BLOCK * BLOCK]
    assert 0 < starts[0] < starts[1] < len(DATA)
    assert server.asked[1][1]["If-Range"] == server.pages["/a.zip"].etag()


def test_what_a_first_run_left_is_gone_on_with_by_the_next(server, net, folder):
    page = server.pages["/a.zip"] = Page(DATA, [("cut", 300_000), *["close"] * 3])
    with pytest.raises(Trouble, match="the connection was lost"):
        get(server, net, folder)
    left = on_disk(folder)
    assert set(left) == {"set/.a.zip.part", "set/.a.zip.part.json"}
    assert left["set/.a.zip.part"] == DATA[:CUT]
    assert not is_finished(folder / "set/a.zip", remote(server))
    page.acts.clear()
    get(server, net, folder)
    whole(folder)
    assert server.ranges("/a.zip")[-1] == f"bytes={CUT}-"


def test_bytes_that_were_never_synced_do_not_count(server, net, folder):
    page = server.pages["/a.zip"] = Page(DATA, [("cut", 300_000), *["close"] * 3])
    with pytest.raises(Trouble):
        get(server, net, folder)
    with open(folder / "set/.a.zip.part", "ab") as stream:
        stream.write(b"\0" * 5000)  # the tail that a power cut leaves
    page.acts.clear()
    get(server, net, folder)
    whole(folder)
    assert server.ranges("/a.zip")[-1] == f"bytes={CUT}-"


def test_a_killed_run_that_lacked_the_last_step_alone(server, net, folder):
    server.pages["/a.zip"] = Page(DATA)
    get(server, net, folder)
    os.replace(folder / "set/a.zip", folder / "set/.a.zip.part")
    marker_path(folder / "set/a.zip").unlink()
    state = {"validator": '"x"', "total": len(DATA), "safe": len(DATA)}
    (folder / "set/.a.zip.part.json").write_text(json.dumps(state))
    get(server, net, folder)
    whole(folder)
    assert len(server.asked) == 1


KILLED = """
import sys
from pathlib import Path
from course_lib.downloads import partial
from course_lib.downloads.fetch import fetch
from course_lib.downloads.remote import Remote
from course_lib.downloads.session import Net
partial._SAFE_EVERY = 1 << 16
count = 0
def gained(more):
    global count
    count += more
    print(count, flush=True)
fetch(Remote(sys.argv[1], "set/a.zip"), Path(sys.argv[2]), Net(private=True), gained)
"""


def test_a_process_that_is_killed_leaves_nothing_that_looks_finished(server, net, folder):
    server.pages["/a.zip"] = Page(DATA, [("hold", 300_000)])
    words = [sys.executable, "-c", KILLED, f"{server.url}/a.zip", str(folder)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert any(int(line) == CUT for line in process.stdout)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    left = on_disk(folder)
    assert set(left) == {"set/.a.zip.part", "set/.a.zip.part.json"}
    safe = json.loads(left["set/.a.zip.part.json"])["safe"]
    assert 0 < safe <= CUT
    get(server, net, folder)
    whole(folder)
    assert server.ranges("/a.zip") == [None, f"bytes={safe}-"]


@pytest.mark.parametrize("ranges", [True, False, "careless"])
def test_a_file_that_changed_between_two_tries_is_never_glued(server, net, folder, ranges):
    new = random.Random(1).randbytes(650_000)
    page = Page(DATA, [("cut", 300_000), ("other", new)], ranges=ranges)
    server.pages["/a.zip"] = page
    get(server, net, folder)
    whole(folder, new)


def test_a_careless_server_that_changed_the_file_to_the_same_length(server, net, folder):
    new = random.Random(1).randbytes(len(DATA))
    page = Page(DATA, [("cut", 300_000), ("other", new)], ranges="careless")
    server.pages["/a.zip"] = page
    get(server, net, folder)
    whole(folder, new)


@pytest.mark.parametrize("page", [{"tag": ""}, {"tag": 'W/"weak"'}])
def test_without_a_validator_the_file_begins_anew(server, net, folder, page):
    server.pages["/a.zip"] = Page(DATA, [("cut", 300_000)], **page)
    get(server, net, folder)
    whole(folder)
    assert server.ranges("/a.zip") == [None, None]


def test_a_date_is_a_validator_where_there_is_no_tag(server, net, folder):
    server.pages["/a.zip"] = Page(DATA, [("cut", 300_000)], tag="", date=True)
    get(server, net, folder)
    whole(folder)
    assert server.ranges("/a.zip") == [None, f"bytes={CUT}-"]


def test_404_is_not_asked_twice_and_leaves_nothing(server, net, folder):
    with pytest.raises(Trouble, match="status 404"):
        get(server, net, folder)
    assert len(server.asked) == 1
    assert on_disk(folder) == {}


@pytest.mark.parametrize("code", [429, 503])
def test_a_busy_server_is_left_alone_as_long_as_it_asks(server, net, folder, waits, code):
    server.pages["/a.zip"] = Page(DATA, [("status", code, {"Retry-After": "7"}), ("cut", 9)])
    get(server, net, folder)
    whole(folder)
    assert waits[0] == 7.0


def test_a_server_that_asks_for_an_hour_is_left_for_another_run(server, net, folder, waits):
    server.pages["/a.zip"] = Page(DATA, [("status", 503, {"Retry-After": "3600"})])
    with pytest.raises(Trouble, match="status 503"):
        get(server, net, folder)
    assert waits == [] and on_disk(folder) == {}
    get(server, net, folder)
    whole(folder)


def test_attempts_end_where_nothing_new_comes(server, net, folder, waits):
    server.pages["/a.zip"] = Page(DATA, [("status", 500, {})] * 3)
    with pytest.raises(Trouble, match="status 500"):
        get(server, net, folder)
    assert len(waits) == 2 and on_disk(folder) == {}


def test_a_stalled_connection_times_out_and_the_next_run_finishes(server, net, folder):
    server.pages["/a.zip"] = Page(DATA, ["stall"])
    with pytest.raises(Trouble, match="no answer in time"):
        get(server, Net(Patience(attempts=1, read=0.3), private=True), folder)
    assert on_disk(folder) == {}
    get(server, net, folder)
    whole(folder)


def test_wrong_bytes_are_fetched_once_more_and_then_refused(server, net, folder):
    wrong = bytes(reversed(DATA))
    page = server.pages["/a.zip"] = Page(wrong)
    with pytest.raises(Wrong, match="another checksum"):
        get(server, net, folder, size=len(DATA), sha256=SHA)
    assert len(server.asked) == 2 and on_disk(folder) == {}
    page.content = DATA
    get(server, net, folder, size=len(DATA), sha256=SHA)
    whole(folder)


def test_wrong_bytes_that_a_cut_glued_are_repaired(server, net, folder):
    server.pages["/a.zip"] = Page(DATA, [("cut", 300_000), *["close"] * 3])
    with pytest.raises(Trouble):
        get(server, net, folder, sha256=SHA)
    with open(folder / "set/.a.zip.part", "r+b") as stream:
        stream.write(b"garbage")
    server.pages["/a.zip"].acts.clear()
    get(server, net, folder, sha256=SHA)
    whole(folder)
    assert server.ranges("/a.zip")[-2:] == [f"bytes={CUT}-", None]


def test_an_md5_is_enough(server, net, folder):
    server.pages["/a.zip"] = Page(DATA)
    with pytest.raises(Wrong):
        get(server, net, folder, md5="0" * 32)
    assert on_disk(folder) == {}
    get(server, net, folder, md5=hashlib.md5(DATA).hexdigest())
    assert whole(folder)["published"] is True


@pytest.mark.parametrize("size", [len(DATA) - 1, len(DATA) + 1])
def test_another_size_than_published_is_refused_before_it_is_read(server, net, folder, size):
    server.pages["/a.zip"] = Page(DATA)
    with pytest.raises(Trouble, match="another size"):
        get(server, net, folder, size=size)
    assert on_disk(folder) == {}


def test_a_length_that_is_too_long_is_no_whole_file(server, net, folder):
    server.pages["/a.zip"] = Page(DATA, [("lie", len(DATA) + 500)] * 9, ranges=False)
    with pytest.raises(Trouble, match=r"connection was lost|cut short"):
        get(server, net, folder)
    assert not (folder / "set/a.zip").exists() and not marker_path(folder / "set/a.zip").exists()
    server.pages["/a.zip"].acts.clear()
    get(server, net, folder)
    whole(folder)


def test_a_length_that_is_too_short_is_seen_where_a_checksum_is_published(server, net, folder):
    server.pages["/a.zip"] = Page(DATA, [("lie", len(DATA) - 500)] * 2, ranges=False)
    with pytest.raises(Wrong):
        get(server, net, folder, sha256=SHA)
    assert on_disk(folder) == {}


def test_no_length_at_all(server, net, folder):
    page = server.pages["/a.zip"] = Page(DATA, [("cut", 300_000)], chunked=True)
    get(server, net, folder)
    whole(folder)
    page.content = DATA * 2
    (folder / "set/a.zip").unlink()
    with pytest.raises(Trouble, match="longer than announced"):
        get(server, net, folder, size=len(DATA))
    assert set(on_disk(folder)) == {"set/.a.zip.done"}


def test_a_file_packed_by_the_server_is_refused(server, net, folder):
    server.pages["/a.zip"] = Page(DATA, headers={"Content-Encoding": "gzip"})
    with pytest.raises(Trouble, match="packed by the server"):
        get(server, net, folder)
    assert on_disk(folder) == {}


def test_a_checksum_nobody_published_is_kept_and_verified_later(server, net, folder):
    page = server.pages["/a.zip"] = Page(DATA)
    get(server, net, folder)
    (folder / "set/a.zip").unlink()
    page.content = bytes(reversed(DATA))
    with pytest.raises(Wrong, match="has changed since it was first fetched"):
        get(server, net, folder)
    assert set(on_disk(folder)) == {"set/.a.zip.done"}
    page.content = DATA
    get(server, net, folder)
    whole(folder)


@pytest.mark.parametrize("harm", [b"", b"short", bytes(reversed(DATA))])
def test_a_file_that_was_damaged_later_is_fetched_again(server, net, folder, harm):
    server.pages["/a.zip"] = Page(DATA)
    get(server, net, folder)
    (folder / "set/a.zip").write_bytes(harm)
    get(server, net, folder)
    whole(folder)
    assert len(server.asked) == 2


def test_damage_with_the_old_time_is_seen_by_a_deep_look(server, net, folder):
    server.pages["/a.zip"] = Page(DATA)
    get(server, net, folder)
    path = folder / "set/a.zip"
    time = path.stat().st_mtime_ns
    path.write_bytes(bytes(reversed(DATA)))
    os.utime(path, ns=(time, time))
    fetch(remote(server), folder, net, deep=True)
    whole(folder)


def test_a_file_without_a_note_counts_if_its_published_checksum_fits(server, net, folder):
    server.pages["/a.zip"] = Page(DATA)
    (folder / "set").mkdir(parents=True)
    (folder / "set/a.zip").write_bytes(DATA)
    get(server, net, folder, sha256=SHA)
    assert server.asked == []
    whole(folder)


def test_a_file_without_a_note_and_checksum_is_fetched_anew(server, net, folder):
    server.pages["/a.zip"] = Page(DATA)
    (folder / "set").mkdir(parents=True)
    (folder / "set/a.zip").write_bytes(DATA[:1000])
    get(server, net, folder)
    whole(folder)


def test_a_file_fetched_by_hand_is_taken_and_verified(server, net, folder, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "a.zip").write_bytes(DATA)
    for sha256 in (SHA, ""):
        (brought,) = at_hand([remote(server, sha256=sha256)], own)
        fetch(brought, folder, net)
        whole(folder)
    (own / "a.zip").write_bytes(DATA[:-1])
    (folder / "set/a.zip").unlink()
    (brought,) = at_hand([remote(server, sha256=SHA)], own)
    with pytest.raises(Wrong, match="another checksum"):
        fetch(brought, folder, net)
    assert set(on_disk(folder)) == {"set/.a.zip.done"}
    assert server.asked == [] and (own / "a.zip").read_bytes() == DATA[:-1]


def test_a_full_disk_is_one_sentence_and_the_rest_comes_later(server, net, folder, monkeypatch):
    from course_lib.downloads import partial

    server.pages["/a.zip"] = Page(DATA)

    def full(self, stream, blocks, gained):
        stream.write(next(iter(blocks)))
        self._note_safe(stream)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(partial.Partial, "_write", full)
        with pytest.raises(OSError, match="No disk space is left"):
            get(server, net, folder)
    assert set(on_disk(folder)) == {"set/.a.zip.part", "set/.a.zip.part.json"}
    get(server, net, folder)
    whole(folder)


@pytest.mark.parametrize("path", ["../b.zip", "/abs/b.zip", "set/../../b.zip", "C:/b.zip", "a\\b"])
def test_a_path_outside_is_refused(server, net, folder, path):
    folder.mkdir()
    with pytest.raises(Unsafe):
        fetch(Remote(f"{server.url}/a.zip", path), folder, net)
    assert server.asked == [] and on_disk(folder) == {}


def test_a_link_on_the_way_is_refused(server, net, folder, tmp_path):
    server.pages["/a.zip"] = Page(DATA)
    folder.mkdir()
    (tmp_path / "own").mkdir()
    (folder / "set").symlink_to(tmp_path / "own")
    with pytest.raises(Unsafe, match="is a link"):
        get(server, net, folder)
    assert list((tmp_path / "own").iterdir()) == []


def test_private_addresses_are_hung_up_on_also_behind_a_redirect(server, folder):
    server.pages["/a.zip"] = Page(DATA)
    server.pages["/there"] = Page(b"", [("status", 302, {"Location": "/a.zip"})])
    net = Net(Patience(attempts=1))
    with pytest.raises(Trouble, match="private network"):
        get(server, net, folder)
    assert server.asked == [] and on_disk(folder) == {}
    found = fetch(Remote(f"{server.url}/there", "set/a.zip"), folder, Net(private=True))
    assert found.size == len(DATA)
    whole(folder)


def test_of_several_files_one_may_fail_and_the_others_come(server, net, folder):
    server.pages["/a.zip"] = Page(DATA)
    server.pages["/c"] = Page(b"c", [("status", 403, {})])
    files = [Remote(f"{server.url}/{name}", f"set/{name}") for name in ("a.zip", "b", "c")]
    said = []
    with pytest.raises(Unfetched, match="2 of 3 files did not come") as error:
        fetch_all(files, folder, net, say=said.append)
    assert "status 404" in str(error.value) and "status 403" in str(error.value)
    assert set(on_disk(folder)) == {"set/a.zip", "set/.a.zip.done"}
    assert len(said) == 1 and "set/a.zip" in said[0]
    server.pages["/b"] = Page(b"b")
    found = fetch_all(files, folder, net)
    assert list(found) == ["set/a.zip", "set/b", "set/c"]
    assert [name for name in on_disk(folder) if ".done" not in name] == [
        "set/a.zip",
        "set/b",
        "set/c",
    ]
    assert server.ranges("/a.zip") == [None]


def test_an_interruption_ends_what_is_under_way_and_keeps_it(server, net, folder):
    server.pages["/a.zip"] = Page(DATA, [("drip", 0.2)])
    server.pages["/b"] = Page(b"b")
    files = [Remote(f"{server.url}/{name}", f"set/{name}") for name in ("a.zip", "b")]

    def interrupted(line):
        while not (folder / "set/.a.zip.part").exists():
            time.sleep(0.01)
        raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        fetch_all(files, folder, net, say=interrupted)
    assert time.monotonic() - began < 0.2 * len(DATA) / (1 << 14)
    left = on_disk(folder)
    assert DATA.startswith(left.pop("set/.a.zip.part")) and left.pop("set/.a.zip.part.json")
    assert set(left) == {"set/b", "set/.b.done"}
    fetch_all(files, folder, Net(private=True))
    assert on_disk(folder)["set/a.zip"] == DATA


def test_a_disk_that_is_too_small_is_told_before(server, net, folder):
    with pytest.raises(OSError, match="GB are free"):
        fetch_all([remote(server, size=1 << 60)], folder, net)
    assert server.asked == [] and not folder.exists()


def test_a_mirror_changes_the_beginning_of_an_address():
    rules = ["https://one.example/x=http://two.example/y"]
    assert mirrored_url("https://one.example/x/a", rules) == "http://two.example/y/a"
    assert mirrored_url("https://other.example/x/a", rules) == "https://other.example/x/a"
    with pytest.raises(ValueError, match="not of the form"):
        mirrored_url("https://one.example/x/a", ["two.example"])
