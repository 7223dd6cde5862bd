"""Answers against the truth, type by type, with and without the picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from course_lib.world.questions import Question


def is_right(answer: str, question: Question) -> bool:
    """Tells whether an answer is the right one: case, white space and a full stop are ignored."""
    return answer.strip().strip(".").strip().lower() == question.answer


def vqa_scores(answers: Sequence[str], questions: Sequence[Question]) -> dict:
    """Scores answers.

    Args:
        answers: what the model said.
        questions: what it was asked, in the same order.

    Returns:
        all: mean over the types, each type counting the same; by_type: share of right answers.

    Raises:
        ValueError: when there are not as many answers as questions, or none.
    """
    if len(answers) != len(questions) or not questions:
        raise ValueError(
            f"{len(answers)} answers to {len(questions)} questions: give one answer for each of at "
            "least one question."
        )
    right = defaultdict(list)
    for answer, question in zip(answers, questions, strict=True):
        right[question.type].append(is_right(answer, question))
    by_type = {name: sum(found) / len(found) for name, found in right.items()}
    return {"all": sum(by_type.values()) / len(by_type), "by_type": by_type}
