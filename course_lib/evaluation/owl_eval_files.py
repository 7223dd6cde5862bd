"""The files of OwlEval, read as they were released, with all their dirt.

Layout (official repository, `mPLUG-Owl/OwlEval/OwlEval.md`):

- `questions.jsonl`: image, question_id, question, ability ("a,b,e"), category (a list);
- `answer/NAME_answer.jsonl`, six of them: image, question_id, question, answer, model_id;
- `cases/`: the images.

What is untidy but harmless is counted and never refused: four of the six answer files call an image
"4.png" that is "4.jpg", the wording of a question differs in all six from `questions.jsonl`, and
some answers are place-holders. So question_id alone joins them. What is broken (no JSON, a field
that is missing, a question that nobody asked, a question twice) is named with file and line and
left out, or stops the reading when strict. `owl_eval_folder` reads and writes a whole folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from course_lib.data.json_records import Broken, records
from course_lib.errors import unknown_name_error
from course_lib.evaluation.owl_eval import (
    ABILITIES,
    CATEGORIES,
    OwlAnswer,
    OwlEval,
    OwlQuestion,
    is_empty,
)


@dataclass(frozen=True)
class AnswerFile:
    """What one model answered, and what is untidy in its file.

    Args:
        name: of the file, without "_answer.jsonl".
        answers: question id → answer.
        other_endings: questions whose image has another ending here ("4.png", "4.jpg").
        other_texts: questions whose wording is not that of `questions.jsonl`, letter by letter.
        other_words: those of them that differ in more than white space.
        empty: questions whose answer is a place-holder (`is_empty`).
        unanswered: questions that the file does not answer.
        troubles: broken lines that were left out, one sentence each.
    """

    name: str
    answers: Mapping[int, OwlAnswer]
    other_endings: tuple[int, ...] = ()
    other_texts: tuple[int, ...] = ()
    other_words: tuple[int, ...] = ()
    empty: tuple[int, ...] = ()
    unanswered: tuple[int, ...] = ()
    troubles: tuple[str, ...] = ()


def _by_id(
    path: Path, read: Callable[[dict], Any], strict: bool
) -> tuple[dict[int, tuple[dict, Any]], tuple[str, ...]]:
    """Reads (row, what `read` makes of it) of each id, and what is wrong with other lines."""
    found: dict[int, tuple[dict, Any]] = {}
    lines: dict[int, int] = {}
    troubles: list[str] = []
    for line, row in records(path):
        try:
            if isinstance(row, Broken):
                raise ValueError(row.reason)
            if not isinstance(row, dict):
                raise ValueError(f"A {type(row).__name__} where an object should be.")
            id, entry = _id(row), read(row)
            if id in found:
                raise ValueError(f"Question {id} stands in line {lines[id]}, too: take one out.")
        except ValueError as error:
            trouble = f"{path}, line {line}: {error}"
            if strict:
                raise ValueError(trouble) from None
            troubles.append(trouble)
        else:
            found[id], lines[id] = (row, entry), line
    return found, tuple(troubles)


def _id(row: dict) -> int:
    value = row.get("question_id")
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"'question_id' is {value!r:.60}: give a whole number from 1 on.")
    return value


def _text(row: dict, name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name!r} is {value!r:.60}, where a text should be.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name!r} holds bytes that are no UTF-8: save it as UTF-8.") from None
    return value


def _image(row: dict) -> str:
    name = _text(row, "image")
    path = PurePosixPath(name)
    if not name.strip() or path.is_absolute() or ".." in path.parts or "\0" in name:
        raise ValueError(f"The image {name!r} lies outside the image folder: give a file name.")
    return name


def _known(names: Iterable[str], kind: str, known: Iterable[str]) -> tuple[str, ...]:
    """Returns names in the order of those that are known, each once."""
    names, known = list(names), list(known)
    for name in names:
        if name not in known:
            raise unknown_name_error(kind, str(name), known)
    return tuple(name for name in known if name in names)


def _question(row: dict) -> OwlQuestion:
    text, abilities, categories = _text(row, "question"), row.get("ability"), row.get("category")
    if not text.strip():
        raise ValueError("'question' is empty: write what is asked.")
    if abilities is None and categories is None:  # as in the branch v0
        return OwlQuestion(_id(row), _image(row), text)
    if not isinstance(categories, list):
        raise ValueError(f"'category' is {categories!r:.60}, where a list should be.")
    letters = [letter.strip() for letter in _text(row, "ability").split(",")]
    return OwlQuestion(
        _id(row),
        _image(row),
        text,
        _known(letters, "ability", ABILITIES),
        _known(categories, "category", CATEGORIES),
    )


def read_questions(path: Path, strict: bool = False) -> tuple[OwlEval, tuple[str, ...]]:
    """Reads the questions, those of the branch v0 as well, which have no abilities.

    Returns:
        (the questions, what is wrong with each line that was left out).

    Raises:
        ValueError: for a file that is not there or without a question; when strict, at the first
            broken line, with its number.
    """
    found, troubles = _by_id(Path(path), _question, strict)
    if not found and troubles:
        raise ValueError(f"{path} holds no question that can be read: {troubles[0]}")
    return OwlEval(tuple(question for _, question in found.values())), troubles


def read_answers(path: Path, owl: OwlEval, strict: bool = False) -> AnswerFile:
    """Reads the answers of one model, joined by question_id.

    Raises:
        ValueError: when strict, at the first broken line and for questions without an answer.
    """
    path = Path(path)
    asked = {question.question_id: question for question in owl.questions}

    def read(row: dict) -> OwlAnswer:
        question = owl.question(_id(row))
        if PurePosixPath(_image(row)).stem != PurePosixPath(question.image).stem:
            raise ValueError(
                f"It is about image {row['image']!r}, question {question.question_id} about "
                f"{question.image!r}."
            )
        _text(row, "question")
        return OwlAnswer(question.question_id, _text(row, "answer"), str(row.get("model_id") or ""))

    found, troubles = _by_id(path, read, strict)
    unanswered = tuple(id for id in asked if id not in found)
    if strict and unanswered:
        raise ValueError(f"{path} has no answer to {len(unanswered)} of {len(asked)} questions.")

    def where(differs: Callable[[dict, OwlQuestion], bool]) -> tuple[int, ...]:
        return tuple(id for id in asked if id in found and differs(found[id][0], asked[id]))

    return AnswerFile(
        name=path.stem.removesuffix("_answer"),
        answers={id: found[id][1] for id in asked if id in found},
        other_endings=where(lambda row, question: row["image"] != question.image),
        other_texts=where(lambda row, question: row["question"] != question.text),
        other_words=where(lambda row, question: _words(row["question"]) != _words(question.text)),
        empty=tuple(id for id in asked if id in found and is_empty(found[id][1].text)),
        unanswered=unanswered,
        troubles=troubles,
    )


def _words(text: str) -> str:
    """Takes white space away, also where a line break of a PDF has glued two words."""
    return "".join(text.split())
