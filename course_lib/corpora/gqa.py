"""GQA: compositional questions about images of Visual Genome.

`train_balanced_questions.json` of questions1.2.zip: {question id: {"imageId", "question", "answer",
"fullAnswer", "types", "groups", "semantic", …}, …} (cs.stanford.edu/people/dorarad/gqa). Only the
balanced files are read; the papers report on test-dev balanced.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from course_lib.corpora.json_entries import entries
from course_lib.corpora.rows import Bad, Question, Row

SPLITS = {"train": "train", "val": "val", "testdev": "testdev"}


def gqa_rows(path: Path) -> Iterator[Row | Bad]:
    """Reads one split, an image a row, in the order in which images are first asked about.

    Args:
        path: of `SPLIT_balanced_questions.json`.
    """
    asked: dict[str, list[Question]] = {}
    broken = 0
    for id, told in entries(path):
        if not isinstance(told, dict) or not told.get("imageId") or not told.get("question"):
            broken += 1
            continue
        answers = (str(told["answer"]),) if told.get("answer") else ()
        extra = {key: told[key] for key in ("fullAnswer", "types", "groups") if key in told}
        question = Question(id, str(told["question"]), (), answers, extra)
        asked.setdefault(str(told["imageId"]), []).append(question)
    for image, about in asked.items():
        yield Row(image, f"{image}.jpg", questions=tuple(about))
    yield from (Bad("a question without image or words") for _ in range(broken))
