"""The judge of LLaVA-Bench: how its two numbers are read and what is made of them.

LLaVA, arXiv 2304.08485, section 5.1: a language model that sees captions and boxes instead of the
image scores a reference answer and a candidate's from 1 to 10, and a model's score is relative,
100 × mean(candidate) ÷ mean(reference). Official files: `llava/eval/eval_gpt_review_visual.py`
(reader of the scores), `llava/eval/summarize_gpt_review.py` (means). Two biases of theirs are kept
as an option and can be measured here:

- The reference always stands first, and a judge that favours the first answer favours it. With a
  judge that takes one point off the second answer, a candidate that says what the reference says
  scores 90.0. Both orders, averaged, cancel that (`ORDERS`, `position_bias`).
- A review whose first line is not two numbers becomes (-1, -1) and is averaged like all others. By
  hand: three reviews (8, 6) give 600 ÷ 8 = 75.0; with one unreadable one it is
  100 × (3·6 - 1) ÷ (3·8 - 1) = 73.9. With k unreadable reviews and n others of means r and c it is
  100 × (n·c - k) ÷ (n·r - k): a candidate below the reference loses, one above it gains, and where
  nothing at all can be read, every model scores -1 ÷ -1 = 100.0. It happens: in issue 64 of
  EvolvingLMMs-Lab/lmms-eval a failing endpoint gave two of three categories 100.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from course_lib.errors import unknown_name_error
from course_lib.evaluation.judge_prompt import ORDERS, REFERENCE_FIRST, Comparison

UNREADABLE = (-1.0, -1.0)
UNPARSABLE = ("as released", "left out")


@dataclass(frozen=True)
class Review:
    """What a judge made of two answers: a line of a released review file.

    Args:
        question_id: of the question.
        category: "conv", "detail" or "complex".
        content: the review as it came.
        scores: of the first and the second answer, (-1, -1) where they cannot be read.
        order: which answer stood first.
        answer_ids: of the first and the second answer.
    """

    question_id: int | str
    category: str
    content: str
    scores: tuple[float, float]
    order: str = REFERENCE_FIRST
    answer_ids: tuple = ("", "")

    @property
    def readable(self) -> bool:
        return tuple(self.scores) != UNREADABLE

    @property
    def reference_and_candidate(self) -> tuple[float, float]:
        """Returns the scores of reference and candidate, whichever stood first."""
        first, second = self.scores
        return (first, second) if self.order == REFERENCE_FIRST else (second, first)


def review_of(comparison: Comparison, order: str, content: str) -> Review:
    """Reads what a judge wrote about one comparison."""
    ids = tuple(
        answer.question_id if answer.answer_id is None else answer.answer_id
        for answer in comparison.answers(order)
    )
    question = comparison.question
    scores = parse_review(content)
    return Review(question.question_id, question.category, content, scores, order, ids)


def parse_review(review: str) -> tuple[float, float]:
    """Reads the two scores in a review's first line, as the released reader does.

    A comma counts as a space, then there have to be two numbers with ONE space between them. So
    "8 7" and "8,7" can be read, "8, 7" (two spaces), " 8 7", "8/10 7/10" and "Assistant 1: 8 …"
    cannot. We differ in one thing: "nan" and "inf", which Python calls numbers, are unreadable.

    Returns:
        Scores of the first and the second answer; (-1, -1) where they cannot be read.
    """
    words = review.split("\n")[0].replace(",", " ").split(" ")
    try:
        first, second = (float(word) for word in words)
    except ValueError:
        return UNREADABLE
    return (first, second) if math.isfinite(first) and math.isfinite(second) else UNREADABLE


@dataclass(frozen=True)
class Relative:
    """What the reviews of one category come to.

    Args:
        relative: 100 × candidate ÷ reference; None where there is nothing to divide.
        reference, candidate: mean scores.
        reviews: that were averaged.
        unparsable: of all reviews, averaged or not.
    """

    relative: float | None
    reference: float | None
    candidate: float | None
    reviews: int
    unparsable: int


def relative_scores(
    reviews: Sequence[Review], unparsable: str = "as released"
) -> dict[str, Relative]:
    """Averages reviews by category and over all of them.

    Args:
        reviews: in one order, as released, or in both: each question then counts once in each, and
            what a place is worth cancels.
        unparsable: "as released" averages (-1, -1) like other scores, "left out" drops them.

    Returns:
        Category → `Relative`, and "all" over all reviews. The released script rounds means to three
        decimals before it divides; this does not.

    Raises:
        ValueError: without a review, or for an unknown way.
    """
    if unparsable not in UNPARSABLE:
        raise unknown_name_error("way with unparsable reviews", unparsable, UNPARSABLE)
    if not reviews:
        raise ValueError("There is no review to average: judge at least one answer.")
    groups: dict[str, list[Review]] = {}
    for review in reviews:
        groups.setdefault(review.category, []).append(review)
    groups["all"] = list(reviews)
    return {name: _relative(group, unparsable == "left out") for name, group in groups.items()}


def _relative(group: Sequence[Review], leave_out: bool) -> Relative:
    counted = [review for review in group if review.readable or not leave_out]
    unparsable = sum(not review.readable for review in group)
    if not counted:
        return Relative(None, None, None, 0, unparsable)
    pairs = [review.reference_and_candidate for review in counted]
    reference, candidate = (sum(scores) / len(pairs) for scores in zip(*pairs, strict=True))
    relative = 100 * candidate / reference if reference else None
    return Relative(relative, reference, candidate, len(counted), unparsable)


def position_bias(reviews: Sequence[Review]) -> float:
    """Measures what it is worth to stand first: mean(first score - second score).

    Only questions that were reviewed readably in both orders count; what the two answers themselves
    are worth then cancels, since each stands first once.

    Returns:
        Points of the judge's scale; 0 for a judge that does not look at the order.

    Raises:
        ValueError: when no question was reviewed in both orders.
    """
    by_id: dict[int | str, dict[str, tuple[float, float]]] = {}
    for review in reviews:
        if review.readable:
            by_id.setdefault(review.question_id, {})[review.order] = review.scores
    pairs = [found[order] for found in by_id.values() if len(found) == 2 for order in ORDERS]
    if not pairs:
        raise ValueError("No question was reviewed in both orders: judge the other order, too.")
    return sum(first - second for first, second in pairs) / len(pairs)
