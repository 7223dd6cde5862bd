r"""Instructions without images, in the files that mPLUG-Owl was tuned on: Alpaca, ShareGPT, Baize.

arXiv 2304.14178, section 4.1. What each format looks like:

    alpaca     {"instruction": …, "input": … or "", "output": …}
    sharegpt   {"id": …, "conversations": [{"from": "human" or "gpt", "value": …}, …]}
    baize      {"topic": …, "input": "a sentence\n[|Human|] …\n[|AI|] …\n[|Human|] "}

All become the turns that LLaVA's files become. A text that says `<image>` means these characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from course_lib.data.chat_templates import GPT, HUMAN, Turn, check_turns, typed_turn
from course_lib.data.json_records import Broken, records
from course_lib.data.llava_json import Conversation, Problem, sorted_out
from course_lib.errors import unknown_name_error

# Who collected shared chats named the model in several ways.
_ROLES = dict.fromkeys(("human", "user"), HUMAN)
_ROLES |= dict.fromkeys(("gpt", "chatgpt", "assistant", "bing", "bard"), GPT)
_SYSTEM = "system"
_BAIZE_MARK = re.compile(r"\[\|(Human|AI)\|\]")


def _text(record: dict, key: str, default: str | None = None) -> str:
    value = record.get(key, default)
    if not isinstance(value, str):
        raise ValueError(f"It needs a text {key!r}: it is {value!r:.60}.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"{key!r} holds bytes that are no UTF-8: save the file as UTF-8."
        ) from None
    return value.strip()


def _alpaca(record: dict) -> list[Turn]:
    """Puts the input, where there is one, on a line below the instruction."""
    asked = [_text(record, "instruction"), _text(record, "input", "")]
    question = "\n".join(part for part in asked if part)
    return [typed_turn(HUMAN, question), typed_turn(GPT, _text(record, "output"))]


def _sharegpt(record: dict) -> list[Turn]:
    """Reads a shared chat, or a piece of a long one that was split and begins with an answer."""
    said = record.get("conversations")
    if not isinstance(said, list):
        raise ValueError("It has no list 'conversations': add one with a human's and gpt's turn.")
    turns = []
    for number, entry in enumerate(said, 1):
        role = entry.get("from") if isinstance(entry, dict) else None
        if role == _SYSTEM:
            continue
        if role not in _ROLES:
            known = ", ".join((*_ROLES, _SYSTEM))
            raise ValueError(f"Turn {number} is from {role!r}, which is none of {known}.")
        turns.append(typed_turn(_ROLES[role], _text(entry, "value")))
    return turns


def _baize(record: dict) -> list[Turn]:
    """Cuts the transcript at its marks; what stands before the first is an opening sentence."""
    _, *marked = _BAIZE_MARK.split(_text(record, "input"))
    if not marked:
        raise ValueError("Its 'input' has no mark [|Human|] or [|AI|]: it is no Baize transcript.")
    roles = {"Human": HUMAN, "AI": GPT}
    pairs = zip(marked[::2], marked[1::2], strict=True)
    return [typed_turn(roles[mark], words.strip()) for mark, words in pairs]


FORMATS: dict[str, Callable[[dict], list[Turn]]] = {
    "alpaca": _alpaca,
    "sharegpt": _sharegpt,
    "baize": _baize,
}


def stream_text_instructions(
    path: str | Path, format: str, strict: bool = False
) -> Iterator[Conversation | Problem]:
    """Reads a file record by record, in little memory.

    Answers before the first question are left out, and so is a question that nobody answered at
    the end: pieces of longer chats begin and end anywhere, every Baize transcript ends with an
    empty one.

    Args:
        path: a JSON list, or `.jsonl` with a record a line.
        format: "alpaca", "sharegpt" or "baize".
        strict: True stops at the first broken record.

    Yields:
        A `Conversation` without images, or a `Problem` in the place of a broken record.

    Raises:
        ValueError: for an unknown format, or a file that cannot be read at all; when strict, at
            the first broken record, with its line and number.
    """
    if format not in FORMATS:
        raise unknown_name_error("format of text instructions", format, FORMATS)
    for number, (line, record) in enumerate(records(path), 1):
        given = record.get("id") if isinstance(record, dict) else None
        id = str(given) if isinstance(given, str | int) else ""
        try:
            yield Conversation(id or str(number), (), _turns(record, FORMATS[format]))
        except ValueError as error:
            problem = Problem(line, number, id, str(error))
            if strict:
                raise ValueError(f"{path}, {problem}") from None
            yield problem


def read_text_instructions(
    path: str | Path, format: str, strict: bool = False
) -> tuple[list[Conversation], list[Problem]]:
    """Reads a whole file; see `stream_text_instructions`.

    Returns:
        (what can be trained on, why each of the others cannot).

    Raises:
        ValueError: also when no record is left.
    """
    return sorted_out(stream_text_instructions(path, format, strict), path, f"{format} record")


def _turns(record: object, read: Callable[[dict], list[Turn]]) -> tuple[Turn, ...]:
    if isinstance(record, Broken):
        raise ValueError(record.reason)
    if not isinstance(record, dict):
        raise ValueError(f"A {type(record).__name__} where an object should be.")
    turns = read(record)
    while turns and turns[0].role == GPT:
        turns = turns[1:]
    if turns and turns[-1].role == HUMAN:
        turns = turns[:-1]
    if not turns:
        raise ValueError("Nobody asks and is answered in it: leave it out.")
    check_turns(turns)
    return tuple(turns)
