"""Readers of Alpaca, ShareGPT and Baize: turns as ours, broken records named, strict stops."""

import json

import pytest

from course_lib.data.chat_templates import Turn, chat_pieces, chat_template
from course_lib.data.llava_json import Conversation, Problem
from course_lib.data.text_instructions import (
    FORMATS,
    read_text_instructions,
    stream_text_instructions,
)

# Hand-made records in the three formats; the words are ours.
ALPACA = {"instruction": "Name a colour.", "input": "", "output": "Red."}
SHAREGPT = {
    "id": "Ab1_0",
    "conversations": [
        {"from": "human", "value": "hi"},
        {"from": "gpt", "value": "hello"},
        {"from": "human", "value": "which shape is round?"},
        {"from": "gpt", "value": "a circle"},
    ],
}
BAIZE = {
    "topic": "What is odd?",
    "input": "Two talk.\n[|Human|] what is odd?\n[|AI|] seven is.\nSo is nine.\n[|Human|] ",
}
RECORDS = {"alpaca": ALPACA, "sharegpt": SHAREGPT, "baize": BAIZE}


def write(path, *items):
    path.write_text(json.dumps(items), encoding="utf-8")
    return path


def words(conversation):
    return [(turn.role, *turn.parts) for turn in conversation.turns]


def said(values, roles=("human", "gpt")):
    turns = [{"from": roles[i % 2], "value": value} for i, value in enumerate(values)]
    return {"id": "x", "conversations": turns}


@pytest.mark.parametrize("format", FORMATS)
def test_a_record_becomes_a_conversation_without_images(tmp_path, format):
    good, problems = read_text_instructions(write(tmp_path / "a.json", RECORDS[format]), format)
    assert problems == [] and len(good) == 1 and isinstance(good[0], Conversation)
    assert good[0].images == () and not any(turn.num_images for turn in good[0].turns)
    assert [piece.carries_loss for piece in chat_pieces(chat_template("vicuna_v1"), good[0].turns)]
    expected = {
        "alpaca": [("human", "Name a colour."), ("gpt", "Red.")],
        "sharegpt": [
            ("human", "hi"),
            ("gpt", "hello"),
            ("human", "which shape is round?"),
            ("gpt", "a circle"),
        ],
        "baize": [("human", "what is odd?"), ("gpt", "seven is.\nSo is nine.")],
    }
    assert words(good[0]) == expected[format]
    assert good[0].id == ("Ab1_0" if format == "sharegpt" else "1")


def test_alpacas_input_stands_below_its_instruction_and_may_be_missing(tmp_path):
    with_input = {**ALPACA, "input": "red, seven"}
    without = {key: value for key, value in ALPACA.items() if key != "input"}
    path = write(tmp_path / "a.json", with_input, without)
    good, _ = read_text_instructions(path, "alpaca", strict=True)
    assert good[0].turns[0] == Turn("human", ("Name a colour.\nred, seven",))
    assert good[1].turns[0] == Turn("human", ("Name a colour.",))


def test_lines_are_read_too_and_an_image_mark_in_a_text_is_text(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({**ALPACA, "instruction": "what does <image> mean?"}) + "\n\n")
    good, _ = read_text_instructions(path, "alpaca")
    assert good[0].turns[0].num_images == 0 and "<image>" in good[0].turns[0].parts[0]


def test_pieces_of_a_longer_chat(tmp_path):
    split = said(["so it is", "why?", "because", "and then?"], ("gpt", "human"))
    system = said(["hi", "hello"])
    system["conversations"].insert(0, {"from": "system", "value": "be kind"})
    names = said(["hi", "hello"], ("user", "chatgpt"))
    path = write(tmp_path / "a.json", split, system, names)
    good, _ = read_text_instructions(path, "sharegpt", strict=True)
    assert words(good[0]) == [("human", "why?"), ("gpt", "because")]
    assert words(good[1]) == words(good[2]) == [("human", "hi"), ("gpt", "hello")]


BAD = {
    "empty answer": ("alpaca", {**ALPACA, "output": " "}, "Turn 2 is empty"),
    "no output": ("alpaca", {"instruction": "a"}, "needs a text 'output'"),
    "number": ("alpaca", {**ALPACA, "input": 7}, "needs a text 'input': it is 7"),
    "list": ("alpaca", ["a"], "A list where an object"),
    "surrogate": ("alpaca", {**ALPACA, "output": "\ud800"}, "no UTF-8"),
    "no list": ("sharegpt", {"id": "x"}, "no list 'conversations'"),
    "stranger": ("sharegpt", said(["a", "b"], ("human", "cat")), "Turn 2 is from 'cat'"),
    "no value": (
        "sharegpt",
        {"id": "x", "conversations": [{"from": "human"}]},
        "needs a text 'value'",
    ),
    "twice": ("sharegpt", said(["a", "b", "c"], ("human",) * 2), "Turn 2 is from 'human'"),
    "answers alone": ("sharegpt", said(["a", "b"], ("gpt", "gpt")), "Nobody asks"),
    "empty chat": ("sharegpt", said([]), "Nobody asks"),
    "no mark": ("baize", {"input": "hello"}, r"no mark \[\|Human\|\]"),
    "no input": ("baize", {"topic": "a"}, "needs a text 'input'"),
    "skipped": (
        "baize",
        {"input": "[|Human|] a [|Human|] b [|AI|] c"},
        "Turn 2 is from 'human'.*skipped",
    ),
    "unanswered": ("baize", {"input": "[|Human|] a [|AI|] [|Human|] "}, "Turn 2 is empty"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_broken_record_is_named_and_left_out(tmp_path, case):
    format, record, reason = BAD[case]
    path = write(tmp_path / "a.json", RECORDS[format], record)
    good, (problem,) = read_text_instructions(path, format)
    assert len(good) == 1 and problem.record == 2
    with pytest.raises(ValueError, match=rf"a.json, line 1, record 2.*({reason})"):
        read_text_instructions(path, format, strict=True)


def test_a_record_that_is_no_json_is_named_with_its_line(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(f'{json.dumps(ALPACA)}\n{{"instruction": "cut\n{json.dumps(ALPACA)}\n')
    items = list(stream_text_instructions(path, "alpaca"))
    assert [type(item) for item in items] == [Conversation, Problem, Conversation]
    assert str(items[1]).startswith("line 2, record 2: No JSON")


def test_files_that_cannot_be_read(tmp_path):
    path = write(tmp_path / "a.json", ALPACA)
    with pytest.raises(ValueError, match="did you mean 'alpaca'"):
        read_text_instructions(path, "alpacca")
    with pytest.raises(ValueError, match=r"no baize record that can be used.*record 1.*'input'"):
        read_text_instructions(path, "baize")
    with pytest.raises(ValueError, match="the list is empty"):
        read_text_instructions(write(tmp_path / "b.json"), "alpaca")
    with pytest.raises(ValueError, match="is not there"):
        read_text_instructions(tmp_path / "c.json", "alpaca")
