"""The one format: what a row of every data set looks like, whatever the files it came in."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

# Bump when a column changes its meaning: shards of another version are written anew.
VERSION = 1


def features():
    """Returns the columns as `datasets.Features`; each data set fills those that it has.

    - `id`: of the image or the question, as text.
    - `image`: the file's bytes, and its name in the official data set; None for text alone.
    - `width`, `height`: of the image in pixels, 0 without one.
    - `captions`: sentences about the image.
    - `boxes`: label, (left, top, width, height) in pixels, and whether it is a crowd.
    - `questions`: id, text, choices and answers ([] where there are none), and `extra` as below.
      All questions about an image stand in its row, so that its bytes are kept once.
    - `conversations`: turns as LLaVA's files have them, "from" human or gpt, and "value".
    - `extra`: everything else that the official files say, as JSON.
    """
    from datasets import Features, Image, List, Value

    text = Value("string")
    return Features(
        {
            "id": text,
            "image": Image(),
            "width": Value("int32"),
            "height": Value("int32"),
            "captions": List(text),
            "boxes": List({"label": text, "box": List(Value("float32")), "crowd": Value("bool")}),
            "questions": List(
                {
                    "id": text,
                    "question": text,
                    "choices": List(text),
                    "answers": List(text),
                    "extra": text,
                }
            ),
            "conversations": List({"from": text, "value": text}),
            "extra": text,
        }
    )


@dataclass(frozen=True)
class Question:
    """A question about an image, or about none.

    Args:
        id: of the question.
        question: what is asked.
        choices: among which the answer is.
        answers: one or more; none where they are kept secret.
        extra: everything else that can be written as JSON.
    """

    id: str
    question: str
    choices: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    extra: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """What an official file says about one example, before its picture is looked for.

    Args:
        id: of the image, or of the example where there is none.
        picture: the image's name or address, "" for text alone.
        captions: sentences.
        boxes: (label, (left, top, width, height), crowd).
        questions: all of those about this image.
        conversations: (from, value) by turns.
        extra: everything else that can be written as JSON.
    """

    id: str
    picture: str = ""
    captions: tuple[str, ...] = ()
    boxes: tuple[tuple[str, tuple[float, ...], bool], ...] = ()
    questions: tuple[Question, ...] = ()
    conversations: tuple[tuple[str, str], ...] = ()
    extra: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Bad:
    """Stands for an example that the official file has and nobody can use.

    Args:
        reason: a few words, the same for every example with this fault.
    """

    reason: str


def record(row: Row, data: bytes | None, width: int, height: int) -> dict:
    """Returns a row as Arrow takes it.

    Args:
        row: see `Row`.
        data: bytes of the picture's file, None for text alone.
        width: of the picture.
        height: of the picture.
    """
    return {
        "id": row.id,
        "image": None if data is None else {"bytes": data, "path": row.picture},
        "width": width,
        "height": height,
        "captions": list(row.captions),
        "boxes": [{"label": a, "box": list(b), "crowd": bool(c)} for a, b, c in row.boxes],
        "questions": [_question(question) for question in row.questions],
        "conversations": [{"from": who, "value": what} for who, what in row.conversations],
        "extra": _json(row.extra),
    }


def _question(question: Question) -> dict:
    return {
        "id": question.id,
        "question": question.question,
        "choices": list(question.choices),
        "answers": list(question.answers),
        "extra": _json(question.extra),
    }


def _json(extra: dict) -> str:
    return json.dumps(extra, ensure_ascii=False, sort_keys=True) if extra else ""
