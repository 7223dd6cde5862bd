"""A file that is broken as JSON: its whole records are read, the broken ones have their line."""

import json
import random
import tracemalloc

import pytest

from course_lib.data import json_records
from course_lib.data.json_records import Broken, records
from course_lib.data.llava_json import (
    Conversation,
    read_conversations,
    stream_conversations,
)
from tests.llava_records import TEXT, problems_of, record, write


@pytest.mark.parametrize("block", [1, 7, 64, 1 << 20])
def test_blocks_of_any_size_give_what_json_load_gives(tmp_path, monkeypatch, block):
    monkeypatch.setattr(json_records, "_BLOCK", block)
    draw = random.Random(0)
    items = []
    for number in range(30):
        text = "".join(draw.choices('a "\\{}[],:\n\té日🦆<', k=draw.randint(1, 40))) + "x"
        items.append(record(number, None, (text, '{"id": 3, "from": {"id": "x"}}')))
        items[-1]["meta"] = {"id": number, "list": [1.5, None, True, {"k": []}]}
    for indent in (None, 1):
        path = write(tmp_path / "a.json", *items, indent=indent)
        read = list(records(path))
        assert [value for _, value in read] == json.loads(path.read_text(encoding="utf-8"))
        text = path.read_text(encoding="utf-8").splitlines()
        if indent:
            assert all(text[line - 1] == " {" for line, _ in read)


# --- broken JSON ---------------------------------------------------------------------------------


def broken_texts():
    whole = json.dumps(record(2, None, TEXT), indent=1)
    return {
        "a quote is missing": whole.replace('"red"', '"red'),
        "a quote too many": whole.replace('"red"', '"the "red" one"'),
        "a comma is missing": whole.replace('"human",', '"human"'),
        "a brace is missing": whole[:-1],
        "a bracket is missing": whole.replace("]", ""),
        "single quotes": whole.replace('"', "'"),
        "a line break in a text": whole.replace("what", "wh\nat"),
        "cut in the middle": whole[: len(whole) // 2],
        "a word": "undefined",
        "a bad escape": whole.replace("red", "r\\ed \\u12"),
        "far too deep": "[" * 100_000,
        "a huge number": '{"id": ' + "9" * 5000 + "}",
    }


@pytest.mark.parametrize("name", broken_texts())
@pytest.mark.parametrize("block", [3, 16, 1 << 20])
@pytest.mark.parametrize("last", [False, True])
def test_reading_goes_on_behind_what_is_no_json(tmp_path, monkeypatch, name, block, last):
    monkeypatch.setattr(json_records, "_BLOCK", block)
    first, third, fourth = (json.dumps(record(n, None, TEXT)) for n in (1, 3, 4))
    text = broken_texts()[name]
    parts = [first, third, fourth, text] if last else [first, text, third, fourth]
    path = tmp_path / "a.json"
    path.write_text("[" + ",\n".join(parts) + "\n]")
    good, problems = read_conversations(path)
    assert [int(c.id) for c in good] == [1, 3, 4]
    assert len(problems) == 1 and problems[0].line == (4 if last else 2)
    with pytest.raises(ValueError, match="line"):
        read_conversations(path, strict=True)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.77, 0.999])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_truncated_file_gives_what_is_whole(tmp_path, share, indent):
    path = write(tmp_path / "a.json", *[record(n, None, TEXT) for n in range(40)], indent=indent)
    text = path.read_text()
    path.write_text(text[: int(len(text) * share)])
    items = list(stream_conversations(path))
    good = [item for item in items if isinstance(item, Conversation)]
    assert [int(c.id) for c in good] == list(range(len(good))) and len(good) >= int(40 * share) - 1
    assert len(items) == len(good) + 1 and "cut short" in items[-1].reason
    with pytest.raises(ValueError, match="cut short"):
        list(stream_conversations(path, strict=True))


def test_a_record_without_end_does_not_swallow_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(json_records, "_BLOCK", 64)
    monkeypatch.setattr(json_records, "_LONGEST", 2000)
    long = json.dumps(record(1, None, ("what?", "red " * 1000)))
    unclosed = json.dumps(record(2, None, TEXT))[:-1]
    others = [json.dumps(record(n, None, TEXT)) for n in range(3, 60)]
    path = tmp_path / "a.json"
    path.write_text("[" + ",\n".join([others[0], long, unclosed, *others]) + "]")
    good, problems = read_conversations(path)
    assert len(good) == 58 and [(p.line, p.record) for p in problems] == [(2, 2), (3, 3)]
    assert "longer than" in problems[0].reason and "No JSON" in problems[1].reason


def test_commas_and_text_behind_the_list_are_told(tmp_path):
    one = json.dumps(record(1, None, TEXT))
    path = tmp_path / "a.json"
    for text, reason, line in (
        (f"[{one}\n{one}]", "where a comma", 2),
        (f"[{one},\n]", "comma before the closing", 2),
        (f"[{one}]\n[{one}]", "behind the end", 2),
        (f"[{one},,\n{one}]", "No JSON", 1),
    ):
        path.write_text(text)
        problems = problems_of(path)
        assert [(p.line, reason in p.reason) for p in problems] == [(line, True)], text
        assert len(read_conversations(path)[0]) == text.split("]\n")[0].count('"id"')


def test_bytes_that_are_no_utf8_cost_one_record(tmp_path):
    path = tmp_path / "a.json"
    texts = [json.dumps(record(n, None, TEXT)).encode() for n in range(3)]
    texts[1] = texts[1].replace(b"red", b"r\xe9d")
    path.write_bytes(b"[" + b",\n".join(texts) + b"]")
    good, problems = read_conversations(path)
    assert len(good) == 2 and problems[0].line == 2 and "UTF-8" in problems[0].reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("  \n", "is empty"),
        ('{"id": 1}', r"does not begin with '\['"),
        ("x", "JSON"),
    ],
)
def test_a_file_that_is_no_list_is_refused(tmp_path, text, reason):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=reason):
        list(stream_conversations(path))


def test_a_list_is_never_in_memory_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(json_records, "_BLOCK", 1 << 16)
    path = write(tmp_path / "a.json", *[record(n, None, TEXT) for n in range(10_000)])
    assert path.stat().st_size > 1e6
    tracemalloc.start()
    count = sum(isinstance(item, Conversation) for item in stream_conversations(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 10_000 and peak < 0.6e6


def test_nothing_in_a_file_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.json"
    path.write_text("[__import__('os').system('touch ran')]")
    assert isinstance(next(records(path))[1], Broken)
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
