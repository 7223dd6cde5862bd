"""ScienceQA: school questions with choices, some with an image, most with a lecture.

`problems.json`: {id: {"question", "choices", "answer" (its number), "hint", "image" (a file name or
null), "lecture", "solution", "subject", "topic", "grade", "split", …}, …}; the image of problem 7
in split train is `train/7/image.png` (github.com/lupantech/ScienceQA). 12,726 problems train, 4,241
validate, 4,241 test.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from course_lib.corpora.rows import Bad, Question, Row

SPLITS = ("train", "val", "test")
_EXTRA = ("hint", "lecture", "solution", "task", "grade", "subject", "topic", "category", "skill")


def scienceqa_rows(path: Path, split: str) -> Iterator[Row | Bad]:
    """Reads one split, a problem a row; those without an image are text alone.

    Args:
        path: of `problems.json`.
        split: "train", "val" or "test".
    """
    for id, told in json.loads(path.read_text(encoding="utf-8")).items():
        if told.get("split") != split:
            continue
        choices, number = told.get("choices"), told.get("answer")
        if not isinstance(choices, list) or number not in range(len(choices)):
            yield Bad("no choice is the answer")
            continue
        extra = {key: told[key] for key in _EXTRA if told.get(key)} | {"answer_number": number}
        words = tuple(str(choice) for choice in choices)
        question = Question(id, str(told.get("question", "")), words, (words[number],), extra)
        picture = f"{split}/{id}/{told['image']}" if told.get("image") else ""
        yield Row(id, picture, questions=(question,))
