"""Rows and pictures become shards: dead links are counted, a stopped run is gone on with."""

import io
import json

import pytest
from PIL import Image

from course_lib.corpora.corpus import INDEX, Split, told, write_corpus
from course_lib.corpora.pictures import from_links
from course_lib.corpora.reading import one_by_one, open_corpus, shard_files
from course_lib.corpora.rows import Bad, Question, Row
from course_lib.corpora.shards import NothingComes, Settings
from course_lib.downloads.links import Links
from course_lib.downloads.patience import Patience
from course_lib.downloads.remote import Card
from course_lib.downloads.session import Net
from tests.hostile_server import HostileServer, Page, on_disk
from tests.official_files import jpeg

CARD = Card("set", "A set", "a licence", "http://one.example")
SETTINGS = Settings(rows=4, workers=3)


@pytest.fixture
def server():
    with HostileServer({f"/{n}.jpg": Page(jpeg(n)) for n in range(10)}) as running:
        yield running


@pytest.fixture
def data(tmp_path):
    yield tmp_path / "data"
    assert [path.name for path in tmp_path.iterdir()] in ([], ["data"])


def rows_of(server, count=10):
    return [Row(str(n), f"{server.url}/{n}.jpg", (f"caption {n}",)) for n in range(count)]


def write(server, data, rows=None, settings=SETTINGS, source=None, **more):
    patience = Patience(attempts=2, connect=9.0, read=9.0, pause=lambda seconds: None)
    source = source or from_links(Links(Net(patience, private=True)))
    made = rows_of(server) if rows is None else rows
    return write_corpus(
        CARD, [Split("train", lambda: made, source)], data, "set/rows", settings, **more
    )


def ids(data):
    return open_corpus(data / "set/rows", "train")["id"][:]


def shards_on_disk(data):
    names = [name for name in on_disk(data) if "/train/" in name]
    assert all(name.endswith((".arrow", ".json")) for name in names), names
    return sorted(name.rsplit("/", 1)[1] for name in names if name.endswith(".arrow"))


def test_rows_come_back_as_they_were_with_the_bytes_of_their_pictures(server, data):
    question = Question("q", "Which?", ("a", "b"), ("a",), {"k": 1})
    rows = [
        Row("0", f"{server.url}/0.jpg", ("one", "two"), (("box", (1.0, 2.0, 3.0, 4.5), True),)),
        Row("1", "", (), (), (question, question), (("human", "Hi."), ("gpt", "Hello."))),
    ]
    write(server, data, rows)
    found = open_corpus(data / "set/rows", "train")
    first, second = found
    assert isinstance(first["image"], Image.Image) and first["image"].size == (40, 30)
    raw = found.cast_column("image", found.features["image"].__class__(decode=False))[0]["image"]
    assert raw == {"bytes": jpeg(0), "path": f"{server.url}/0.jpg"}
    assert first["captions"] == ["one", "two"] and (first["width"], first["height"]) == (40, 30)
    assert first["boxes"] == [{"label": "box", "box": [1.0, 2.0, 3.0, 4.5], "crowd": True}]
    assert second["image"] is None and second["conversations"][1] == {
        "from": "gpt",
        "value": "Hello.",
    }
    asked = list(one_by_one(found))
    assert [q["answers"] for q in asked] == [["a"], ["a"]] and asked[0]["extra"] == '{"k": 1}'


def test_dead_links_are_counted_by_reason_and_stop_nothing(server, data):
    for number in (1, 5):
        del server.pages[f"/{number}.jpg"]
    server.pages["/2.jpg"] = Page(b"<html>gone</html>")
    server.pages["/3.jpg"] = Page(jpeg(3)[:300])
    server.pages["/4.jpg"] = Page(b"x" * (21 << 20))
    rows = [*rows_of(server), Bad("a line without address")]
    index = write(server, data, rows)
    assert ids(data) == ["0", "6", "7", "8", "9"]
    assert index["splits"]["train"]["left_out"] == {
        "a line without address": 1,
        "damaged image": 1,
        "no image": 1,
        "status 404": 2,
        "too many bytes": 1,
    }
    lines = told(index)
    assert lines[0] == "set/rows/train: 5 rows of 11 in 3 shards"
    assert "  left out 2: status 404" in lines
    assert shards_on_disk(data) == [f"shard-0000{n}.arrow" for n in range(3)]


def test_the_second_run_asks_nobody_and_changes_nothing(server, data):
    first = write(server, data)
    before, asked = on_disk(data), len(server.asked)
    assert write(server, data) == first
    assert len(server.asked) == asked and on_disk(data) == before


def test_a_run_that_was_stopped_is_gone_on_with_at_its_shard(server, data):
    rows, calls = rows_of(server), []
    links = from_links(Links(Net(private=True)))

    def stopped(name):
        calls.append(name)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return links(name)

    with pytest.raises(KeyboardInterrupt):
        write(server, data, rows, Settings(rows=4, workers=1), source=stopped)
    assert shards_on_disk(data) == ["shard-00000.arrow"]
    with pytest.raises(ValueError, match="was not finished"):
        open_corpus(data / "set/rows", "train")
    server.asked.clear()
    write(server, data, rows)
    assert ids(data) == [str(n) for n in range(10)]
    assert not any(path in ("/0.jpg", "/3.jpg") for path, _ in server.asked)


def test_a_run_that_died_between_shard_and_marker_writes_that_shard_anew(server, data):
    write(server, data)
    (data / "set/rows/train/shard-00001.json").unlink()
    (data / "set/rows/train/.shard-00001.arrow.999.tmp").write_bytes(b"half")
    server.asked.clear()
    write(server, data)
    assert ids(data) == [str(n) for n in range(10)]
    assert sorted(path for path, _ in server.asked) == [f"/{n}.jpg" for n in range(4, 8)]


def test_what_failed_for_the_moment_is_tried_again_and_nothing_else(server, data):
    server.pages["/1.jpg"].acts = [("status", 503, {})] * 2
    server.pages["/9.jpg"].acts = [("status", 429, {"Retry-After": "9999"})]
    del server.pages["/2.jpg"]
    index = write(server, data)
    assert index["splits"]["train"]["another_time"] == {"status 429": 1, "status 503": 1}
    assert ids(data) == ["0", "3", "4", "5", "6", "7", "8"]
    server.asked.clear()
    index = write(server, data)
    assert sorted(path for path, _ in server.asked) == ["/1.jpg", "/9.jpg"]
    assert index["splits"]["train"]["another_time"] == {}
    assert index["splits"]["train"]["left_out"] == {"status 404": 1}
    assert ids(data) == ["0", "1", "3", "4", "5", "6", "7", "8", "9"]


def test_a_network_that_is_down_does_not_look_like_a_world_of_dead_links(server, data):
    write(server, data, rows_of(server)[:4])
    down = [Row(str(n), f"http://127.0.0.1:1/{n}.jpg") for n in range(4)]
    with pytest.raises(NothingComes, match="is the network up"):
        write(server, data, [*rows_of(server)[:4], *down])
    assert shards_on_disk(data) == ["shard-00000.arrow"]


def test_other_rows_make_other_shards(server, data):
    write(server, data)
    changed = rows_of(server)
    changed[5] = Row("5", f"{server.url}/5.jpg", ("another caption",))
    server.asked.clear()
    write(server, data, changed)
    assert open_corpus(data / "set/rows", "train")[5]["captions"] == ["another caption"]
    assert sorted(path for path, _ in server.asked) == [f"/{n}.jpg" for n in range(4, 8)]


def test_a_limit_may_grow_and_not_shrink(server, data):
    write(server, data, limit=6)
    assert ids(data) == [str(n) for n in range(6)]
    server.asked.clear()
    write(server, data, limit=9)
    assert ids(data) == [str(n) for n in range(9)]
    assert min(int(path[1]) for path, _ in server.asked) == 4
    before = on_disk(data)
    for settings, limit in ((SETTINGS, 5), (Settings(rows=5), 9), (Settings(4, longest=20), 9)):
        with pytest.raises(ValueError, match="was begun with"):
            write(server, data, settings=settings, limit=limit)
    assert on_disk(data) == before
    write(server, data, limit=None)
    assert ids(data) == [str(n) for n in range(10)]


def test_larger_pictures_are_made_smaller_where_that_is_asked_for(server, data):
    write(server, data, rows_of(server, 2), Settings(rows=4, longest=20))
    found = open_corpus(data / "set/rows", "train")[1]
    assert found["image"].size == (20, 15) and (found["width"], found["height"]) == (20, 15)


@pytest.mark.parametrize("harm", ["gone", "short", "other"])
def test_a_shard_that_was_harmed_is_not_opened(server, data, harm):
    write(server, data)
    path = data / "set/rows/train/shard-00001.arrow"
    content = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(content[:-8] if harm == "short" else content[:-1] + b"x")
    with pytest.raises(ValueError, match="missing or was changed"):
        shard_files(data / "set/rows", "train", deep=harm == "other")
    if harm != "other":
        write(server, data)
        assert ids(data) == [str(n) for n in range(10)]


def test_an_unknown_split_and_another_version(server, data):
    write(server, data)
    with pytest.raises(ValueError, match="did you mean 'train'"):
        open_corpus(data / "set/rows", "trainn")
    path = data / "set/rows" / INDEX
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 0}))
    with pytest.raises(ValueError, match="is of version 0"):
        open_corpus(data / "set/rows", "train")


def test_a_stream_has_a_shard_a_file_and_divides_them(server, data):
    write(server, data)
    stream = open_corpus(data / "set/rows", "train", streaming=True)
    assert stream.num_shards == 3
    assert [row["id"] for row in stream] == [str(n) for n in range(10)]
    halves = [stream.shard(num_shards=3, index=n) for n in range(3)]
    assert [[row["id"] for row in half] for half in halves][1] == ["4", "5", "6", "7"]
    pixels = next(iter(stream))["image"]
    assert pixels.size == Image.open(io.BytesIO(jpeg(0))).size


def test_splits_of_two_runs_stand_together(server, data):
    source = from_links(Links(Net(private=True)))
    for name, count in (("train", 3), ("val", 2)):
        split = Split(name, lambda count=count: rows_of(server, count), source)
        index = write_corpus(CARD, [split], data, "set/rows", SETTINGS)
    assert {name: split["rows"] for name, split in index["splits"].items()} == {
        "train": 3,
        "val": 2,
    }
    assert len(open_corpus(data / "set/rows", "train")) == 3


def test_a_full_disk_leaves_no_shard(server, data, monkeypatch):
    from course_lib.corpora import shards

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shards, "record", full)
        with pytest.raises(OSError):
            write(server, data)
    assert shards_on_disk(data) == []
    write(server, data)
    assert len(ids(data)) == 10
