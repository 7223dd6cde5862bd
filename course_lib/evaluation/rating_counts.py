"""What ratings come to: how many A, B, C and D a model got, in all and by ability.

Beside them the released figures of mPLUG-Owl, which were made from ratings that nobody else has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from course_lib.evaluation.owl_eval import MULTI, SINGLE, OwlEval, exact_score
from course_lib.evaluation.ratings import GRADES, Item, Rating


@dataclass(frozen=True)
class Counts:
    """How many ratings of each grade there are."""

    a: int = 0
    b: int = 0
    c: int = 0
    d: int = 0

    @property
    def grades(self) -> dict[str, int]:
        """Returns grade → how many."""
        return dict(zip(GRADES, (self.a, self.b, self.c, self.d), strict=True))

    @property
    def total(self) -> int:
        return self.a + self.b + self.c + self.d

    @property
    def passed(self) -> int:
        """Returns how many are A or B, the number that the paper compares models by."""
        return self.a + self.b

    @property
    def share(self) -> float | None:
        """Returns the share of A and B, None without a rating."""
        return self.passed / self.total if self.total else None


# Read off `assets/mPLUG_Owl_compare_result_s&mturn.png` of the official repository: 50 answers of
# single-turn questions and 52 of multi-turn ones; 20 questions are in both.
RELEASED: dict[str, dict[str, Counts]] = {
    "OpenFlamingo-9B": {SINGLE: Counts(5, 5, 15, 25), MULTI: Counts(4, 4, 16, 28)},
    "BLIP-2 FlanT5-XXL": {SINGLE: Counts(13, 13, 9, 15), MULTI: Counts(13, 10, 17, 12)},
    "LLaVA-13B": {SINGLE: Counts(23, 12, 13, 2), MULTI: Counts(16, 17, 19, 0)},
    "MiniGPT-4-13B": {SINGLE: Counts(35, 3, 10, 2), MULTI: Counts(25, 6, 21, 0)},
    "mPLUG-Owl-7B": {SINGLE: Counts(32, 10, 8, 0), MULTI: Counts(31, 8, 13, 0)},
}
# Section 4.2 of the paper: A and B among all 82 answers; the other models have no such number.
RELEASED_PASSED = {"mPLUG-Owl-7B": 66, "MiniGPT-4-13B": 54}
RELEASED_SOURCE = "arXiv 2304.14178, section 4.2; A to D read off the repository's figure"


def rating_counts(
    ratings: Iterable[Rating], items: Mapping[str, Item], owl: OwlEval
) -> dict[str, dict[str, Counts]]:
    """Counts grades by model and by group of questions.

    With several raters each rating counts once, so that an answer counts as often as it was rated.

    Returns:
        model → group (`OwlEval.groups`) → counts; a model without a rating has counts of 0.
    """
    ratings = list(ratings)
    groups = {name: set(ids) for name, ids in owl.groups().items()}
    found: dict[str, dict[str, Counts]] = {}
    for model in dict.fromkeys(item.model for item in items.values()):
        own = [rating for rating in ratings if items[rating.code].model == model]
        found[model] = {
            name: _counts(r for r in own if items[r.code].question_id in ids)
            for name, ids in groups.items()
        }
    return found


def _counts(ratings: Iterable[Rating]) -> Counts:
    grades = [rating.grade for rating in ratings]
    return Counts(*(grades.count(grade) for grade in GRADES))


def exact_ratings(owl: OwlEval, items: Mapping[str, Item], rater: str = "key") -> list[Rating]:
    """Rates answers about toy scenes by their keys, as one rater more who is never wrong.

    A is right and D wrong; a description is A where all things in it are right, B from half of them
    on, C above none. This is no person: it is there to be compared with people (`agreement`), and
    to look at the figures before anybody has rated.

    Raises:
        ValueError: for a question without a key.
    """
    return [
        Rating(rater, code, _exact_grade(exact_score(owl, item.question_id, item.text)))
        for code, item in items.items()
    ]


def _exact_grade(score: float) -> str:
    if score == 1:
        return "A"
    return "B" if score >= 0.5 else "C" if score > 0 else "D"
