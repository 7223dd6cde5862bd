"""How many samples of each type, and the records of LLaVA's JSON: layout, placement, faults."""

import json
from collections import Counter

import pytest

from course_lib.instructions.llava_json import llava_record, write_llava
from course_lib.instructions.mix import default_samples, parse_mix, shares, wanted
from course_lib.instructions.symbols import TYPES
from course_lib.instructions.teacher import Turn
from course_lib.instructions.validate import record_fault


@pytest.mark.parametrize(
    ("samples", "found"),
    [(158, (58, 23, 77)), (1580, (580, 230, 770)), (1, (0, 0, 1)), (0, (0,) * 3)],
)
def test_shares_add_up(samples, found):
    assert tuple(shares(samples).values()) == found
    assert sum(shares(samples, (1, 1, 1)).values()) == samples


@pytest.mark.parametrize("images", [1, 2, 3, 10, 99, 1000])
@pytest.mark.parametrize("mix", [(58, 23, 77), (1, 0, 0), (0, 0.5, 0.5)])
def test_the_default_number_of_samples_leaves_images_in_reserve(images, mix):
    samples = default_samples(images, mix)
    largest = max(shares(samples, mix).values())
    assert 1 <= samples <= 2 * images and largest <= max(1, 0.8 * images)
    assert max(shares(samples + 2, mix).values()) > int(0.8 * images)


@pytest.mark.parametrize(
    "text", ["", "1:2", "1:2:3:4", "a:b:c", "1:-1:1", "0:0:0", "1:nan:1", "inf:1:1"]
)
def test_a_mix_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="The mix"):
        parse_mix(text)


def test_more_samples_than_images_are_refused():
    with pytest.raises(ValueError, match="20 samples would need 20 images for detail"):
        wanted(5, 20, (0, 1, 0))
    with pytest.raises(ValueError, match="at least one"):
        wanted(5, 0)


TURNS = (Turn("what is it?", "a dog."), Turn("where?", "there."))


def test_records_have_the_layout_of_the_release():
    assert llava_record("7", "7.jpg", "conversation", TURNS, "first") == {
        "id": "7-conversation",
        "image": "7.jpg",
        "conversations": [
            {"from": "human", "value": "<image>\nwhat is it?"},
            {"from": "gpt", "value": "a dog."},
            {"from": "human", "value": "where?"},
            {"from": "gpt", "value": "there."},
        ],
    }
    last = llava_record("7", "7.jpg", "conversation", TURNS, "last")
    assert last["conversations"][0]["value"] == "what is it?\n<image>"


def test_random_placement_is_half_and_half_and_stays():
    values = []
    for index in range(400):
        record = llava_record(str(index), "a.png", "detail", TURNS[:1])
        assert record == llava_record(str(index), "a.png", "detail", TURNS[:1])
        values.append(record["conversations"][0]["value"].startswith("<image>"))
    assert 0.42 < sum(values) / 400 < 0.58
    with pytest.raises(ValueError, match="did you mean 'first'"):
        llava_record("1", "a.png", "detail", TURNS, "firstt")


def broken(**changes):
    record = llava_record("7", "7.jpg", "conversation", TURNS, "first")
    return {**record, **changes}


def turn(role, value):
    return {"from": role, "value": value}


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        (broken(), ""),
        (broken(id=7), "has no id"),
        ([], "has no id"),
        (broken(conversations=[]), "holds no turn"),
        (broken(conversations=[{"from": "human"}]), "no list of conversations"),
        (broken(conversations=[turn("gpt", "a")]), "turn 1 is by gpt"),
        (broken(conversations=[turn("human", "<image>\na"), turn("user", "b")]), "'user'"),
        (broken(conversations=[turn("human", "a"), turn("gpt", "b")]), "has 0 <image> for 1"),
        (broken(conversations=[turn("human", "<image>\n<image>\na"), turn("gpt", "b")]), "has 2"),
        (broken(conversations=[turn("human", "a <image> b"), turn("gpt", "b")]), "neither first"),
        (broken(conversations=[turn("human", "a"), turn("gpt", "<image>\nb")]), "neither first"),
        (broken(conversations=[turn("human", "<image>\na"), turn("gpt", " ")]), "turn 2 is empty"),
        (broken(conversations=[turn("human", "<image>\n"), turn("gpt", "b")]), "<image>"),
        ({"id": "1", "conversations": [turn("human", "a"), turn("gpt", "b")]}, ""),
        ({"id": "1", "conversations": [turn("human", "<image>\na"), turn("gpt", "b")]}, "for 0"),
    ],
)
def test_records_that_no_reader_should_take(record, fault):
    found = record_fault(record)
    assert fault in found and bool(found) == bool(fault)


def test_files_hold_each_type_and_all_together_in_an_order_of_their_own(tmp_path):
    rows = {
        type: [llava_record(str(i), f"{i}.png", type, TURNS[:1]) for i in range(20)]
        for type in TYPES
    }
    whole = json.loads(write_llava(rows, tmp_path).read_text())
    ids = [record["id"] for record in whole]
    assert len(set(ids)) == 60 and ids != sorted(ids)
    assert len({id.split("-")[1] for id in ids[:20]}) == 3, "the types are mixed"
    for type in TYPES:
        part = json.loads((tmp_path / f"{type}.json").read_text())
        assert [r["id"] for r in part] == [id for id in ids if id.endswith(type)]
        assert Counter(r["id"] for r in part) == Counter(r["id"] for r in rows[type])
