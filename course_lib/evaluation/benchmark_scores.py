"""From answers to the official number of a data set, and to the file that its server takes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from course_lib.errors import atomic_path
from course_lib.evaluation.benchmark_sets import ANSWERS, CAPTIONS, EXACT, DataSet, Example
from course_lib.evaluation.caption_benchmark import caption_benchmark
from course_lib.evaluation.gqa_accuracy import gqa_accuracy, gqa_answer
from course_lib.evaluation.science_choice import chosen, classes, science_accuracy
from course_lib.evaluation.vqa_accuracy import vqa_accuracy


def benchmark_scores(one: DataSet, examples: Sequence[Example], answers: Sequence[str]) -> dict:
    """Scores all answers of a split.

    Args:
        one: the data set.
        examples: what was asked.
        answers: what was said, in the same order.

    Returns:
        score: the number that papers print, times 100; by_type: the same for domains, types of
        answer or question, or classes; and what else the metric tells (see its own file).

    Raises:
        ValueError: for a single image to caption; see the metrics.
    """
    truths = [example.truth for example in examples]
    if one.kind == CAPTIONS:
        domains = [example.told.get("domain") or "" for example in examples]
        found = caption_benchmark(answers, truths, domains)
        return _printed(found, "cider_d")
    if one.kind == ANSWERS:
        types = [example.told.get("answer_type", "") for example in examples]
        return _printed(vqa_accuracy(answers, truths, types), "accuracy")
    if one.kind == EXACT:
        types = [example.told.get("types", {}).get("structural", "") for example in examples]
        found = _printed(gqa_accuracy(answers, [truth[0] for truth in truths], types), "accuracy")
        return found | {"accuracy_lavis": 100 * found["accuracy_lavis"]}
    picked = _picked(examples, answers)
    kinds = [classes(example.told, example.has_image) for example in examples]
    right = [example.told["answer_number"] for example in examples]
    return _printed(science_accuracy(picked, right, kinds), "accuracy")


def _printed(found: dict, key: str) -> dict:
    by_type = {name: 100 * value for name, value in found["by_type"].items()}
    others = {name: value for name, value in found.items() if name not in (key, "by_type")}
    return {"score": 100 * found[key], "by_type": by_type, **others}


def _picked(examples: Sequence[Example], answers: Sequence[str]) -> list[int]:
    return [chosen(text, len(x.choices)) for x, text in zip(examples, answers, strict=True)]


def submission(one: DataSet, examples: Sequence[Example], answers: Sequence[str]) -> list | dict:
    """Returns the answers in the official format of a data set.

    COCO and NoCaps: [{"image_id", "caption"}] (cocodataset.org, "results format"). VQAv2 and
    OK-VQA: [{"question_id", "answer"}] (visualqa.org). GQA: [{"questionId", "prediction"}].
    ScienceQA: {"results": {id: choice}, "outputs": {id: text}, …}, as LLaVA writes it and the
    official evaluate_acc.py reads it; a choice is -1 where none was made.
    """
    pairs = list(zip(examples, answers, strict=True))
    if one.kind == CAPTIONS:
        return [{"image_id": _number(x.id), "caption": text} for x, text in pairs]
    if one.kind == ANSWERS:
        return [{"question_id": _number(x.id), "answer": text} for x, text in pairs]
    if one.kind == EXACT:
        return [{"questionId": x.id, "prediction": gqa_answer(text)} for x, text in pairs]
    picked = _picked(examples, answers)
    right = sum(x.told["answer_number"] == p for x, p in zip(examples, picked, strict=True))
    return {
        "acc": 100 * right / len(pairs),
        "correct": right,
        "count": len(pairs),
        "results": {x.id: place for (x, _), place in zip(pairs, picked, strict=True)},
        "outputs": {x.id: text for x, text in pairs},
    }


def _number(name: str) -> int | str:
    return int(name) if name.isdecimal() else name


def write_submission(path: Path, found: list | dict) -> None:
    """Writes a submission, whole or not at all; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as unfinished:
        unfinished.write_text(json.dumps(found, ensure_ascii=False) + "\n", encoding="utf-8")
