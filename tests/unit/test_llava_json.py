"""LLaVA's files: what is broken is named with its line, the rest goes on, strict stops."""

import json

import pytest
from PIL import Image

from course_lib.data.chat_templates import Turn
from course_lib.data.llava_json import (
    Conversation,
    Problem,
    read_conversations,
    stream_conversations,
)
from tests.llava_records import TEXT, record, write


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images" / "train2017").mkdir(parents=True)
    for name in ("a.png", "b.png", "train2017/c.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / "images" / name)
    return tmp_path / "images"


# --- good files ----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_file_comes_back_as_it_was(tmp_path, folder, suffix, indent):
    items = [
        record(1),
        record(2, "train2017/c.png", ("what is it?\n<image>", "a “blue” star", "why?", "é\n\\ 7")),
        record(3, None, ("what is odd?", "seven")),
        record(4, ["a.png", "b.png"], ("<image> or <image>?", "the first")),
    ]
    path = tmp_path / f"talks.{suffix}"
    if suffix == "json":
        write(path, *items, indent=indent)
    else:
        path.write_text("\n\n".join(json.dumps(item) for item in items), encoding="utf-8")
    good, problems = read_conversations(path, folder, strict=True)
    assert problems == []
    assert good[0] == Conversation(
        "000000001",
        ("a.png",),
        (Turn("human", ("", "\nwhat is this?")), Turn("gpt", ("a red circle.",))),
    )
    assert good[1].turns[3].parts == ("é\n\\ 7",) and good[1].images == ("train2017/c.png",)
    assert good[2].images == () and good[3].images == ("a.png", "b.png")
    assert good[3].turns[0].parts == ("", " or ", "?")


def test_an_empty_list_and_a_mark_of_utf8_at_the_start(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps([record(image=None, values=("a", "b"))]).encode())
    assert len(read_conversations(path)[0]) == 1
    path.write_text(" [ ] \n")
    assert list(stream_conversations(path)) == []
    with pytest.raises(ValueError, match=r"no conversation .* list is empty"):
        read_conversations(path)


# --- broken records ------------------------------------------------------------------------------

BAD = {
    "starts with gpt": (
        record(image=None, values=TEXT, roles=("gpt", "human")),
        "Turn 1 is from 'gpt'",
    ),
    "skipped turn": (
        record(image=None, values=("a", "b", "c"), roles=("human", "human", "gpt")),
        "Turn 2 is from 'human' and not 'gpt': a turn was skipped",
    ),
    "unknown role": (
        record(image=None, values=TEXT, roles=("human", "bing")),
        "Turn 2 is from 'bing': write 'human' or 'gpt'",
    ),
    "no answer": (record(image=None, values=("a", "b", "c")), "number 3, has no answer"),
    "twice": (
        record(values=("<image> and <image>", "b")),
        "images are 1, its <image> placeholders 2",
    ),
    "not at all": (record(values=TEXT), "images are 1, its <image> placeholders 0"),
    "no image": (record(image=None), "images are 0, its <image> placeholders 1"),
    "in an answer": (
        record(values=("what?", "see <image>")),
        "Turn 2 is an answer and holds <image>",
    ),
    "missing file": (record(image="nowhere.png"), "'nowhere.png' is not in"),
    "too long a name": (record(image="a" * 5000), "is not in"),
    "a folder": (record(image="train2017"), "'train2017' is not in"),
    "outside": (record(image="../talks.json"), "lies outside"),
    "absolute": (record(image="/etc/hostname"), "lies outside"),
    "image is a number": (record(image=7), "'image' is 7"),
    "empty answer": (record(image=None, values=("what?", "  ")), "Turn 2 is empty"),
    "empty question": (record(image=None, values=("", "red")), "Turn 1 is empty"),
    "no conversations": ({"id": "x", "image": "a.png"}, "no list 'conversations'"),
    "empty conversations": ({"id": "x", "conversations": []}, "no turn"),
    "turn is a text": ({"id": "x", "conversations": ["a", "b"]}, "Turn 1 needs the texts"),
    "value is a number": (
        {"id": "x", "conversations": [{"from": "human", "value": 5}]},
        "Turn 1 needs the texts 'from' and 'value'",
    ),
    "no object": ([1, 2], "A list where an object"),
    "lone surrogate": (record(image=None, values=("what \ud83d?", "b")), "no UTF-8"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_a_bad_record_is_named_and_the_others_go_on(tmp_path, folder, name, suffix):
    bad, reason = BAD[name]
    items = [record(1), bad, record(3)]
    path = tmp_path / f"talks.{suffix}"
    lines = [json.dumps(item) for item in items]
    path.write_text("\n".join(lines) if suffix == "jsonl" else "[" + ",\n".join(lines) + "]")
    good, problems = read_conversations(path, folder)
    assert [c.id for c in good] == ["000000001", "000000003"]
    assert len(problems) == 1 and reason in problems[0].reason
    assert (problems[0].line, problems[0].record) == (2, 2)
    assert str(problems[0]).startswith("line 2, record 2")
    with pytest.raises(ValueError) as stop:
        list(stream_conversations(path, folder, strict=True))
    assert (
        reason in str(stop.value) and str(path) in str(stop.value) and "line 2" in str(stop.value)
    )


def test_an_image_in_the_middle_and_in_a_later_turn_is_allowed(tmp_path, folder):
    middle = record(values=("what <image> is?", "red"))
    later = record(values=("hello", "hi", "<image>\nwhat?", "red"))
    good, problems = read_conversations(write(tmp_path / "a.json", middle, later), folder)
    assert problems == [] and good[0].turns[0].parts == ("what ", " is?")
    assert good[1].turns[2].num_images == 1


def test_files_and_folders_that_are_not_there_are_refused(tmp_path):
    for path in (tmp_path / "no.json", tmp_path):
        with pytest.raises(ValueError, match="is not there"):
            list(stream_conversations(path))
    path = write(tmp_path / "a.json", record())
    with pytest.raises(ValueError, match="not a directory"):
        list(stream_conversations(path, tmp_path / "images"))


def test_a_file_of_broken_records_alone_says_what_is_wrong_first(tmp_path):
    path = write(tmp_path / "a.json", record(image=None), {"id": "x"})
    with pytest.raises(ValueError, match=r"no conversation .* line 1, record 1 \(id '000000000'\)"):
        read_conversations(path)


# --- large files ---------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_three_broken_of_a_hundred_thousand(tmp_path, suffix):
    lines = [json.dumps(record(n, None, ("what is it?", f"number {n}"))) for n in range(100_000)]
    lines[7] = lines[7].replace('"gpt"', '"bard"')
    lines[50_000] = lines[50_000].replace('"number', '"the "number')
    lines[99_998] = lines[99_998].replace('"what is it?"', '""')
    path = tmp_path / f"a.{suffix}"
    joined = "\n".join(lines) if suffix == "jsonl" else "[\n" + ",\n".join(lines) + "\n]"
    path.write_text(joined)
    count, problems = 0, []
    for item in stream_conversations(path):
        count += isinstance(item, Conversation)
        problems += [item] if isinstance(item, Problem) else []
    assert count == 99_997
    shift = 1 if suffix == "jsonl" else 2
    assert [(p.line - shift, p.record - 1) for p in problems] == [
        (n, n) for n in (7, 50_000, 99_998)
    ]
    assert ["'bard'" in problems[0].reason, "No JSON" in problems[1].reason] == [True, True]
    assert "Turn 1 is empty" in problems[2].reason
    with pytest.raises(ValueError, match=f"line {7 + shift}, record 8"):
        list(stream_conversations(path, strict=True))
