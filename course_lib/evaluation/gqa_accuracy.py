"""GQA accuracy: the answer is the one word or phrase of the data set, or it is wrong.

Hudson and Manning 2019 (arXiv 1902.09506); the official eval.py compares the strings as they are.
So all that counts is how an answer is written before, and there the papers differ. LLaVA takes full
stops off the end and makes letters small (scripts/convert_gqa_for_eval.py); that is `accuracy`.
LAVIS, with which BLIP-2 and VPGTrans were measured, normalises as VQA does, articles and numbers
included (lavis/tasks/vqa.py, GQATask); that is `accuracy_lavis`. People's answers stay untouched in
both. The official script's other measures (consistency, validity, plausibility, distribution) need
files that are not part of the questions, and are not here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from course_lib.evaluation.vqa_words import normalised


def gqa_answer(answer: str) -> str:
    """Returns an answer as LLaVA hands it in."""
    return answer.strip().rstrip(".").lower()


def gqa_accuracy(answers: Sequence[str], truths: Sequence[str], types: Sequence[str] = ()) -> dict:
    """Scores the answers to GQA's questions.

    Args:
        answers: what the model said.
        truths: the answer of the data set to each question.
        types: structure of each question ("verify", "query", "choose", "logical", "compare"); ()
            for none.

    Returns:
        accuracy, accuracy_lavis: shares, 0 to 1; by_type: `accuracy` for each type.

    Raises:
        ValueError: when there are not as many of both, or none.
    """
    if len(answers) != len(truths) or not answers:
        raise ValueError(
            f"{len(answers)} answers to {len(truths)} questions: give one answer to each of at "
            "least one question."
        )
    right = [gqa_answer(one) == truth for one, truth in zip(answers, truths, strict=True)]
    lavis = [normalised(one) == truth for one, truth in zip(answers, truths, strict=True)]
    by_type = defaultdict(list)
    for hit, name in zip(right, types or [""] * len(right), strict=True):
        by_type[name].append(hit)
    by_type.pop("", None)
    return {
        "accuracy": sum(right) / len(right),
        "accuracy_lavis": sum(lavis) / len(lavis),
        "by_type": {name: sum(found) / len(found) for name, found in sorted(by_type.items())},
    }
