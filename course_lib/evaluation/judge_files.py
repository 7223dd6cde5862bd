"""Review files in the released layout: id, question_id, answer1_id, answer2_id, category, content,
tuple. Answer 1 stood first; a released file always has the reference there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from course_lib.evaluation.judge import Review
from course_lib.evaluation.judge_prompt import ORDERS, REFERENCE_FIRST
from course_lib.evaluation.llava_bench_files import is_number, objects, question_id, write_objects


def file_name(order: str) -> str:
    """Returns "reviews.jsonl" for the released order, "reviews_candidate_first.jsonl" else."""
    return "reviews.jsonl" if order == REFERENCE_FIRST else "reviews_candidate_first.jsonl"


def write_reviews(folder: Path, reviews: Sequence[Review]) -> None:
    """Writes the reviews of each order into a file of its own; an order without any gets none."""
    for order in ORDERS:
        found = [review for review in reviews if review.order == order]
        if found:
            rows = [_row(number, review) for number, review in enumerate(found, start=1)]
            write_objects(Path(folder) / file_name(order), rows)


def _row(number: int, review: Review) -> dict:
    return {
        "id": number,
        "question_id": review.question_id,
        "answer1_id": review.answer_ids[0],
        "answer2_id": review.answer_ids[1],
        "category": review.category,
        "content": review.content,
        "tuple": list(review.scores),
    }


def read_reviews(path: Path, order: str = REFERENCE_FIRST) -> list[Review]:
    """Reads reviews, those of the released evaluation as well; their tuples are taken as they are.

    Raises:
        ValueError: with file and line, for a broken line or a tuple that is not two numbers.
    """
    reviews = []
    for where, row in objects(path):
        scores, category = row.get("tuple"), row.get("category")
        two = isinstance(scores, list) and len(scores) == 2 and all(map(is_number, scores))
        if not two or not isinstance(category, str):
            raise ValueError(f"{where}: it needs a category and a tuple of two numbers.")
        ids = (row.get("answer1_id", ""), row.get("answer2_id", ""))
        pair = (float(scores[0]), float(scores[1]))
        content = str(row.get("content", ""))
        reviews.append(Review(question_id(where, row), category, content, pair, order, ids))
    return reviews
