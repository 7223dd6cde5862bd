"""The files of LLaVA-Bench, read and written: one JSON object a line, whatever is wrong is named.

Layouts (official repository, `playground/data/coco2014_val_qa_eval`, `llava/eval/table`):

- `qa90_questions.jsonl`: question_id, image, text, category.
- `qa90_gpt4_answer.jsonl`: question_id, text, category; ours adds the key under metadata.
- answers of a model: question_id, prompt, text, answer_id, model_id, metadata.
- `caps_boxes_*.jsonl`: id, image, captions, instances of category and bbox (corners from 0 to 1).

The released evaluation pairs the lines of these files by their number, so that one line too many
shifts every answer to another question without a word; here they are joined by question_id.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from PIL import Image

from course_lib.data.json_records import Broken, records
from course_lib.errors import atomic_path, unknown_name_error
from course_lib.evaluation.llava_bench import (
    CATEGORIES,
    Bench,
    BenchAnswer,
    BenchQuestion,
    check_answered,
)
from course_lib.instructions.symbols import Box, Example
from course_lib.world.draw import draw_scene

QUESTIONS = "questions.jsonl"
REFERENCES = "reference_answers.jsonl"
CONTEXTS = "caps_boxes.jsonl"
IMAGES = "images"


def objects(path: Path) -> Iterator[tuple[str, dict]]:
    """Reads the objects of a JSON lines file.

    Yields:
        ("FILE, line 3", object).

    Raises:
        ValueError: for a file that is not there, or a line that is no JSON object.
    """
    for line, row in records(path):
        where = f"{path}, line {line}"
        if isinstance(row, Broken):
            raise ValueError(f"{where}: {row.reason}")
        if not isinstance(row, dict):
            raise ValueError(f"{where}: a {type(row).__name__} where an object should be.")
        yield where, row


def is_number(value: object) -> bool:
    """Tells a finite number from all else that JSON can hold."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _text(where: str, row: dict, name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{where}: {name!r} is {value!r:.60}, where a text should be.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"{where}: {name!r} holds bytes that are no UTF-8: save the file as UTF-8."
        ) from None
    return value


def question_id(where: str, row: dict) -> int | str:
    """Returns the id of a question: a number or a text, as the file has it."""
    value = row.get("question_id")
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"{where}: 'question_id' is {value!r:.60}: give a number or a text.")
    return value


def _by_id(path: Path, make) -> dict:
    """Reads one entry a line, by its name; a name that stands twice is refused."""
    found, lines = {}, {}
    for where, row in objects(path):
        name, entry = make(where, row)
        if name in found:
            raise ValueError(f"{where}: {name!r} stands in {lines[name]}, too: leave out one.")
        found[name], lines[name] = entry, where.rpartition(", ")[2]
    if not found:
        raise ValueError(f"{path} is empty: give a file with a JSON object a line.")
    return found


def _question(where: str, row: dict) -> tuple[int | str, BenchQuestion]:
    id = question_id(where, row)
    fields = {name: _text(where, row, name) for name in ("image", "text", "category")}
    if fields["category"] not in CATEGORIES:
        raise ValueError(
            f"{where}: {unknown_name_error('category', fields['category'], CATEGORIES)}"
        )
    return id, BenchQuestion(id, **fields)


def _answer(where: str, row: dict) -> tuple[int | str, BenchAnswer]:
    id = question_id(where, row)
    answer_id, metadata = row.get("answer_id"), row.get("metadata")
    return id, BenchAnswer(
        id,
        _text(where, row, "text"),
        None if answer_id is None else str(answer_id),
        str(row.get("model_id") or ""),
        metadata if isinstance(metadata, dict) else {},
    )


def _context(where: str, row: dict) -> tuple[str, Example]:
    image, captions = _text(where, row, "image"), row.get("captions")
    if not isinstance(captions, list) or not all(isinstance(text, str) for text in captions):
        raise ValueError(f"{where}: 'captions' is {captions!r:.60}, where a list should be.")
    boxes = []
    for entry in row.get("instances") or ():
        box = entry.get("bbox") if isinstance(entry, dict) else None
        if not isinstance(box, list) or len(box) != 4 or not all(map(is_number, box)):
            raise ValueError(f"{where}: the instance {entry!r:.60} has no bbox of four numbers.")
        boxes.append(Box(_text(where, entry, "category"), tuple(box)))
    id = str(row.get("id") or Path(image).stem)
    return image, Example(id, image, tuple(captions), tuple(boxes))


def read_bench(questions: Path, references: Path, contexts: Path) -> Bench:
    """Reads a bench, the toy one or the released one; more contexts than images do no harm.

    Raises:
        ValueError: with file and line, for a broken line, an unknown category, an id that stands
            twice, or a question without reference or context.
    """
    asked = tuple(_by_id(questions, _question).values())
    return Bench(asked, _by_id(references, _answer), _by_id(contexts, _context))


def read_answers(path: Path, bench: Bench) -> dict[int | str, BenchAnswer]:
    """Reads a model's answers, in whatever order they stand.

    Raises:
        ValueError: with file and line, for a broken line or an id that stands twice; with the ids
            for a question that is not answered, or an answer to none of the questions.
    """
    found = _by_id(path, _answer)
    try:
        check_answered(bench, found)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return found


def write_objects(path: Path, rows: Iterable[dict]) -> None:
    """Writes one JSON object a line, all or nothing."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    with atomic_path(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def write_answers(path: Path, bench: Bench, answers: Sequence[BenchAnswer]) -> None:
    """Writes a model's answers as LLaVA's own evaluation does."""
    asked = {question.question_id: question.text for question in bench.questions}
    write_objects(
        path,
        [
            {
                "question_id": answer.question_id,
                "prompt": asked[answer.question_id],
                "text": answer.text,
                "answer_id": answer.answer_id or str(answer.question_id),
                "model_id": answer.model_id,
                "metadata": dict(answer.metadata),
            }
            for answer in answers
        ],
    )


def _reference_row(question: BenchQuestion, answer: BenchAnswer) -> dict:
    row = {"question_id": question.question_id, "text": answer.text, "category": question.category}
    return row | ({"metadata": dict(answer.metadata)} if answer.metadata else {})


def _context_row(context: Example) -> dict:
    boxes = [{"category": box.category, "bbox": list(box.corners)} for box in context.boxes]
    captions = list(context.captions)
    return {"id": context.id, "image": context.image, "captions": captions, "instances": boxes}


def write_bench(bench: Bench, folder: Path) -> None:
    """Writes questions, references, contexts, and of toy scenes the images."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_objects(folder / QUESTIONS, [vars(question) for question in bench.questions])
    references = [_reference_row(q, bench.references[q.question_id]) for q in bench.questions]
    write_objects(folder / REFERENCES, references)
    write_objects(folder / CONTEXTS, [_context_row(context) for context in bench.contexts.values()])
    for image, scene in bench.scenes.items():
        (folder / IMAGES).mkdir(exist_ok=True)
        with atomic_path(folder / IMAGES / image) as unfinished:
            Image.fromarray(draw_scene(scene)).save(unfinished, format="PNG")


def read_bench_folder(folder: Path) -> Bench:
    """Reads what `write_bench` wrote."""
    folder = Path(folder)
    return read_bench(folder / QUESTIONS, folder / REFERENCES, folder / CONTEXTS)
