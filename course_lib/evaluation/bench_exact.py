"""Exact scores on the toy bench: the key of each question is known, so nobody has to judge."""

from __future__ import annotations

from collections.abc import Iterable

from course_lib.evaluation.llava_bench import (
    CATEGORIES,
    Bench,
    BenchAnswer,
    BenchQuestion,
    check_answered,
)
from course_lib.evaluation.toy_answers import detail_score, score_answer
from course_lib.instructions.symbols import Example
from course_lib.instructions.teacher import Turn
from course_lib.instructions.toy_reading import read_scene


def exact_score(
    question: BenchQuestion, reference: BenchAnswer, context: Example, text: str
) -> float:
    """Scores one answer about a toy scene.

    Returns:
        conv and complex: 1 where the answer claims the key and nothing else
        (`toy_answers.score_answer`), else 0; detail: `toy_answers.detail_score`, from 0 to 1.

    Raises:
        ValueError: for a question about a photograph.
    """
    scene, facts = read_scene(context), reference.metadata
    if scene is None or question.category not in CATEGORIES or "key" not in facts:
        raise ValueError(
            f"Question {question.question_id!r} is not about a toy scene with a known key: only a "
            "judge that reads can score its answer."
        )
    if question.category == "detail":
        return detail_score(text, scene)
    turn = Turn(question.text, reference.text, facts["key"], facts["kind"])
    return float(score_answer(turn, "", text))


def exact_scores(bench: Bench, answers: Iterable[BenchAnswer]) -> dict[str, float]:
    """Scores all answers about toy scenes.

    Returns:
        conv, detail, complex: mean scores from 0 to 1; all: mean over all questions.

    Raises:
        ValueError: when a question has no answer, or is not about a toy scene.
    """
    texts = {answer.question_id: answer.text for answer in answers}
    check_answered(bench, texts)
    found: dict[str, list[float]] = {category: [] for category in CATEGORIES}
    for question in bench.questions:
        id = question.question_id
        known = bench.references[id], bench.contexts[question.image]
        score = exact_score(question, *known, texts[id])
        found[question.category].append(score)
    found["all"] = [score for scores in found.values() for score in scores]
    return {name: sum(scores) / len(scores) for name, scores in found.items() if scores}
