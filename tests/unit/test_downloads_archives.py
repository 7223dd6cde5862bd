"""Archives from strangers: all of it inside the folder, or nothing anywhere."""

import io
import json
import stat
import struct
import tarfile
import zipfile

import pytest

from course_lib.downloads import archive as archives
from course_lib.downloads import extract as extracting
from course_lib.downloads.archive import Limits
from course_lib.downloads.extract import NOTE, extract
from course_lib.downloads.fetch import fetch
from course_lib.downloads.inside import Unsafe
from course_lib.downloads.marker import is_finished
from course_lib.downloads.remote import Remote
from course_lib.downloads.session import Net
from tests.hostile_server import HostileServer, Page, on_disk

GOOD = {"top/a.json": b'{"a": 1}', "top/deep/b.jpg": b"picture"}


def make_zip(members, **more):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", **more) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return stream.getvalue()


def make_tar(members, mode="w:gz"):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as file:
        for name, content in members.items():
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(content) if info.isreg() else 0
            file.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def tar_link(name, target, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def zip_link(name, target):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return make_zip({info: target})


@pytest.fixture
def data(tmp_path):
    (tmp_path / "outside").write_text("untouched")
    yield tmp_path / "data"
    assert {p.name for p in tmp_path.iterdir()} == {"outside", "data"}
    assert (tmp_path / "outside").read_text() == "untouched"


def bring(data, content, **more):
    """Fetches an archive from a real server and returns what it is."""
    with HostileServer({"/a": Page(content)}) as server:
        remote = Remote(f"{server.url}/a", "set/a.archive", into="set/files", **more)
        fetch(remote, data, Net(private=True))
    return remote


def contents(data):
    """Returns what was unpacked, and asserts that nothing else lies there."""
    found = on_disk(data)
    assert found.pop("set/.a.archive.done")
    found.pop("set/a.archive", None)
    if found:
        assert found.pop(f"set/files/{NOTE}")
    return found


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_an_archive_becomes_a_folder_once(data, make):
    remote = bring(data, make(GOOD), strip=1)
    said = []
    extract(remote, data, say=said.append)
    assert contents(data) == {"set/files/a.json": b'{"a": 1}', "set/files/deep/b.jpg": b"picture"}
    extract(remote, data, say=said.append)
    assert said == ["unpacked: set/files, 2 files"]


def test_of_an_archive_some_members_are_taken(data):
    remote = bring(
        data, make_zip({**GOOD, "top/c.json": b"c", "__MACOSX/x": b"x"}), only=("*.json",)
    )
    extract(remote, data)
    assert contents(data) == {"set/files/top/a.json": b'{"a": 1}', "set/files/top/c.json": b"c"}


CLIMBING = [
    "../outside",
    "top/../../outside",
    "/etc/outside",
    "top/..",
    "C:\\outside",
    "..\\outside",
]


@pytest.mark.parametrize("name", CLIMBING)
@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_paths_that_climb_out_stop_everything(data, make, name):
    remote = bring(data, make({**GOOD, name: b"evil"}))
    with pytest.raises(Unsafe, match="nothing is written"):
        extract(remote, data)
    assert contents(data) == {}
    assert is_finished(data / remote.path, remote)  # the archive itself is whole and stays


LINKS = [
    make_tar({tar_link("top/link", "/etc/passwd"): b"", "top/link/x": b"evil"}),
    make_tar({tar_link("top/link", "../../outside"): b""}),
    make_tar({tar_link("top/hard", "top/a", tarfile.LNKTYPE): b""}),
    make_tar({tar_link("top/device", "", tarfile.CHRTYPE): b""}),
    make_tar({tar_link("top/pipe", "", tarfile.FIFOTYPE): b""}),
    zip_link("top/link", "../../outside"),
]


# Names of their own: an archive holds the second it was made in, and two workers must agree.
KINDS = ("link", "link out", "hard link", "device", "pipe", "link in a zip")


@pytest.mark.parametrize("content", LINKS, ids=KINDS)
def test_links_and_devices_stop_everything(data, content):
    with pytest.raises(Unsafe, match="a link or a device"):
        extract(bring(data, content), data)
    assert contents(data) == {}


@pytest.mark.parametrize("make", ["zip", "tar"])
def test_a_bomb_is_not_unpacked(data, monkeypatch, make):
    monkeypatch.setattr(archives, "_SMALL", 1 << 20)
    zeros = {"top/zeros": b"\0" * (8 << 20)}
    packed = make_tar(zeros) if make == "tar" else make_zip(zeros, compression=zipfile.ZIP_DEFLATED)
    assert len(packed) < (8 << 20) / 100
    with pytest.raises(Unsafe, match="a bomb"):
        extract(bring(data, packed), data)
    assert contents(data) == {}


def test_a_bomb_that_lies_about_its_size_is_stopped_while_it_is_unpacked(data):
    packed = make_zip({"zeros": b"\0" * (4 << 20)}, compression=zipfile.ZIP_DEFLATED)
    lied = packed.replace(struct.pack("<I", 4 << 20), struct.pack("<I", 1000))
    assert lied != packed
    with pytest.raises(Unsafe):
        extract(bring(data, lied), data)
    assert contents(data) == {}


@pytest.mark.parametrize("limits", [Limits(members=2), Limits(size=20)])
def test_too_many_members_and_too_many_bytes(data, limits):
    remote = bring(data, make_zip({f"top/{n}": b"0123456789" for n in range(3)}))
    with pytest.raises(Unsafe, match=r"over 2 files|a bomb"):
        extract(remote, data, limits)
    assert contents(data) == {}
    extract(remote, data)
    assert len(contents(data)) == 3


def test_names_that_stand_twice(data):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file, pytest.warns(UserWarning, match="Duplicate"):
        file.writestr("top/a", b"1")
        file.writestr("top/a", b"2")
    with pytest.raises(Unsafe, match="twice"):
        extract(bring(data, stream.getvalue()), data)
    assert contents(data) == {}


@pytest.mark.parametrize(
    "content", [b"<html>not found</html>", make_zip(GOOD)[:-30], make_tar(GOOD)[:-30], b""]
)
def test_what_is_no_whole_archive(data, content):
    with pytest.raises(Unsafe):
        extract(bring(data, content), data)
    assert contents(data) == {}


def test_damage_inside_is_seen_by_the_checksum_of_the_member(data):
    packed = make_zip({"top/a": b"0123456789" * 10})
    content = packed.replace(b"0123456789", b"012345678X", 1)
    with pytest.raises(Unsafe, match="damaged"):
        extract(bring(data, content), data)
    assert contents(data) == {}


def test_a_run_that_was_killed_while_unpacking_is_begun_anew(data, monkeypatch):
    remote = bring(data, make_zip(GOOD))
    write, calls = extracting._write, []

    def killed(*args):
        calls.append(args)
        if len(calls) == 2:
            raise SystemExit  # the same for what is on the disk as a kill, but for the clean-up
        write(*args)

    with monkeypatch.context() as patch:
        patch.setattr(extracting, "_write", killed)
        patch.setattr(extracting, "_remove", lambda folder: None)
        with pytest.raises(SystemExit):
            extract(remote, data)
    left = on_disk(data)
    assert "set/.files.unpacking/top/a.json" in left
    assert not any(name.startswith("set/files") for name in left)
    extract(remote, data)
    assert set(contents(data)) == {"set/files/top/a.json", "set/files/top/deep/b.jpg"}


def test_a_new_archive_takes_the_place_of_the_old_contents(data):
    extract(bring(data, make_zip(GOOD)), data)
    (data / "set/.a.archive.done").unlink()
    (data / "set/a.archive").unlink()
    remote = bring(data, make_zip({"new": b"new"}))
    extract(remote, data)
    assert contents(data) == {"set/files/new": b"new"}


def test_a_folder_that_is_not_ours_is_left_alone(data):
    remote = bring(data, make_zip(GOOD))
    (data / "set/files").mkdir()
    (data / "set/files/own").write_text("own")
    with pytest.raises(Unsafe, match="in the way"):
        extract(remote, data)
    assert (data / "set/files/own").read_text() == "own"
    assert set(on_disk(data)) == {"set/.a.archive.done", "set/a.archive", "set/files/own"}


def test_an_archive_may_go_once_it_is_unpacked_and_is_not_fetched_again(data):
    remote = bring(data, make_zip(GOOD))
    extract(remote, data, drop=True)
    assert not (data / "set/a.archive").exists()
    assert json.loads((data / "set/.a.archive.done").read_text())["unpacked"] is True
    fetch(remote, data, Net())  # would fail: nobody listens any more
    extract(remote, data, drop=True)
    assert len(contents(data)) == 2


def test_an_archive_that_was_not_fetched_whole(data):
    (data / "set").mkdir(parents=True)
    (data / "set/a.archive").write_bytes(make_zip(GOOD))
    remote = Remote("http://127.0.0.1:1/a", "set/a.archive", into="set/files")
    with pytest.raises(Unsafe, match="not whole"):
        extract(remote, data)
    assert set(on_disk(data)) == {"set/a.archive"}


def test_a_full_disk_leaves_nothing_half_unpacked(data, monkeypatch):
    remote = bring(data, make_zip(GOOD))

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(extracting, "_to_disk", full)
    with pytest.raises(OSError, match="No disk space is left"):
        extract(remote, data)
    assert contents(data) == {}
