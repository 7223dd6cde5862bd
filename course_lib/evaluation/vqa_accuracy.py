"""VQA accuracy, for VQAv2 and OK-VQA: an answer is right as far as people gave it.

Goyal et al. 2017 (arXiv 1612.00837) and Antol et al. 2015 (arXiv 1505.00468, section 5): an answer
that at least three people gave is wholly right. Officially that is the mean over the ten ways of
leaving one person out, min(1, matches among the other nine / 3): 1, 2, 3 and 4 matches among ten
give .3, .6, .9 and 1, where min(1, matches / 3) would give .33, .67, 1 and 1.

A quirk of vqaEval.py (c4e6a0e4): the model's answer is normalised wholly, people's answers lose
their punctuation alone, and only where they are not all the same. So ten times "two" can never be
matched by "two", which becomes "2". Earlier versions put the last of the ten values, not their
mean, into the scores by type; here it is the mean.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from course_lib.evaluation.vqa_words import normalised, without_punctuation

PEOPLE = 10


def answer_accuracy(answer: str, people: Sequence[str]) -> float:
    """Scores one answer.

    Args:
        answer: what the model said.
        people: the ten answers of people.

    Returns:
        Between 0 and 1.

    Raises:
        ValueError: when there are not ten.
    """
    if len(people) != PEOPLE:
        raise ValueError(
            f"The question has {len(people)} answers of people: VQA accuracy is defined for "
            f"{PEOPLE}. A test split keeps them secret; take the split that the script wrote."
        )
    if len(set(people)) > 1:
        people = [without_punctuation(one) for one in people]
    matches = people.count(normalised(answer))
    without_one, without_other = (min(1.0, count / 3) for count in (matches - 1, matches))
    return (matches * without_one + (PEOPLE - matches) * without_other) / PEOPLE


def vqa_accuracy(
    answers: Sequence[str], people: Sequence[Sequence[str]], types: Sequence[str] = ()
) -> dict:
    """Scores the answers to a data set's questions.

    Args:
        answers: what the model said.
        people: ten answers to each question.
        types: of each question ("yes/no", "number", "other"); () for none.

    Returns:
        accuracy: mean over questions, 0 to 1; by_type: the same for each type.

    Raises:
        ValueError: when there are not as many of both, or none, or not ten answers to a question.
    """
    if len(answers) != len(people) or not answers:
        raise ValueError(
            f"{len(answers)} answers to {len(people)} questions: give one answer to each of at "
            "least one question."
        )
    scores = [answer_accuracy(one, ten) for one, ten in zip(answers, people, strict=True)]
    by_type = defaultdict(list)
    for score, name in zip(scores, types or [""] * len(scores), strict=True):
        by_type[name].append(score)
    by_type.pop("", None)
    return {
        "accuracy": sum(scores) / len(scores),
        "by_type": {name: sum(found) / len(found) for name, found in sorted(by_type.items())},
    }
