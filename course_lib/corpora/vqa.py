"""Questions about COCO images in the layout of VQA: VQAv2 and OK-VQA.

`v2_OpenEnded_mscoco_train2014_questions.json`: {"questions": [{"image_id", "question",
"question_id"}, …]}; `v2_mscoco_train2014_annotations.json`: {"annotations": [{"question_id",
"question_type", "answer_type", "multiple_choice_answer", "answers": [{"answer",
"answer_confidence", "answer_id"}, …]}, …]} (visualqa.org; OK-VQA's names lack "v2_").
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from course_lib.corpora.rows import Bad, Question, Row

_KINDS = ("question_type", "answer_type", "multiple_choice_answer")


def vqa_rows(questions: Path, annotations: Path | None, folder: str) -> Iterator[Row | Bad]:
    """Reads one split, an image a row, in the order in which images are first asked about.

    Args:
        questions: file.
        annotations: file of the same split; None where the answers are kept secret (test).
        folder: of the images in their official address ("train2014").
    """
    answers: dict = {}
    if annotations is not None:
        answers = {row["question_id"]: row for row in _list(annotations, "annotations")}
    asked: dict[int, list[Question]] = {}
    without = 0
    for row in _list(questions, "questions"):
        id = row["question_id"]
        if annotations is not None and id not in answers:
            without += 1
            continue
        asked.setdefault(row["image_id"], []).append(_question(row, answers.get(id, {})))
    for image, about in asked.items():
        picture = f"{folder}/COCO_{folder}_{image:012d}.jpg"
        yield Row(str(image), picture, questions=tuple(about))
    # Last, so that no row changes its place.
    yield from (Bad("a question without answers") for _ in range(without))


def _list(path: Path, key: str) -> list[dict]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        rows = found[key]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} has no whole list {key!r} ({error}): fetch it again.") from error
    good = [r for r in rows if isinstance(r, dict) and isinstance(r.get("question_id"), int)]
    if len(good) != len(rows):
        raise ValueError(f"{path}: {len(rows) - len(good)} of its {key} have no question_id.")
    return good


def _question(row: dict, told: dict) -> Question:
    given = [a for a in told.get("answers", []) if isinstance(a, dict)]
    extra = {key: told[key] for key in _KINDS if key in told}
    if given:
        extra["answer_confidence"] = [a.get("answer_confidence") for a in given]
    words = tuple(str(a.get("answer", "")) for a in given)
    return Question(str(row["question_id"]), str(row.get("question", "")), (), words, extra)
