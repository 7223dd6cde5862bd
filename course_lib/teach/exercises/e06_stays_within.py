"""A limit that is never passed: which questions leave, and what they cost."""

from course_lib.instructions.budget import Budget
from course_lib.instructions.teacher import BudgetSpent, Usage
from course_lib.teach.task import Case, Exercise, Mistake

Questions = list[tuple[int, int | None]]


def stays_within(limit: int, questions: list[tuple[int, int | None]]) -> tuple[int, int]:
    """Returns how many questions leave, and the tokens that count as spent."""
    left = spent = 0
    for most, paid in questions:
        if spent + most > limit:
            break
        left += 1
        spent += most if paid is None else paid
    return left, spent


def reference(limit: int, questions: Questions) -> tuple[int, int]:
    """The library's budget, one question at a time."""
    budget, left = Budget(tokens=limit), 0
    for most, paid in questions:
        try:
            budget.reserve(Usage(read=most))
        except BudgetSpent:
            break
        budget.settle(Usage(read=most), Usage(read=most if paid is None else paid))
        left += 1
    return left, budget.spent.total


def _looks_back(limit, questions):
    left = spent = 0
    for most, paid in questions:
        if spent >= limit:
            break
        left += 1
        spent += most if paid is None else paid
    return left, spent


def _knows_the_price(limit, questions):
    left = spent = 0
    for most, paid in questions:
        cost = most if paid is None else paid
        if spent + cost > limit:
            break
        left, spent = left + 1, spent + cost
    return left, spent


def _never_reaches(limit, questions):
    left = spent = 0
    for most, paid in questions:
        if spent + most >= limit:
            break
        left, spent = left + 1, spent + (most if paid is None else paid)
    return left, spent


def _goes_on(limit, questions):
    left = spent = 0
    for most, paid in questions:
        if spent + most <= limit:
            left, spent = left + 1, spent + (most if paid is None else paid)
    return left, spent


def _nothing_back(limit, questions):
    left = spent = 0
    for most, _ in questions:
        if spent + most > limit:
            break
        left, spent = left + 1, spent + most
    return left, spent


def _lost_is_free(limit, questions):
    left = spent = 0
    for most, paid in questions:
        if spent + most > limit:
            break
        left, spent = left + 1, spent + (paid or 0)
    return left, spent


def _counts_the_refused(limit, questions):
    left, spent = stays_within(limit, questions)
    return min(left + 1, len(questions)), spent


def _cases() -> list[Case]:
    return [
        Case("limit 100, two questions of 60 at most", (100, [(60, 20), (60, 30)])),
        Case("limit 100, the third could pass it", (100, [(60, 30), (60, 35), (60, 10)])),
        Case("limit 100, an answer that would pass it", (100, [(60, 60), (60, 50)])),
        Case("limit 100, reached exactly", (100, [(60, 40), (60, 60)])),
        Case("limit 100, a time-out", (100, [(60, None), (50, 10), (30, 5)])),
        Case("limit 100, a cheap one behind a dear one", (100, [(70, 50), (60, 10), (20, 5)])),
        Case("limit 50, too little for any", (50, [(60, 5)])),
        Case("limit 50, no question", (50, [])),
        Case("limit 100, an answer for nothing", (100, [(40, 0), (100, 100), (1, 1)])),
    ]


EXERCISE = Exercise(
    objective="06.5",
    title="a limit that is never passed",
    difficulty=2,
    minutes=8,
    contract=(
        "`questions` are asked one after another. Each is (the most that it can cost, what it did "
        "cost); the second is known only when the answer is there.",
        "A question leaves only if what is spent so far plus the most that it can cost stays "
        "within `limit`, which may be reached. The first one that does not ends the run.",
        "Where no answer came, the second number is `None`. It may have been paid all the same, so "
        "it counts at its most.",
        "Gives how many questions left, and what counts as spent.",
    ),
    hints=(
        "A limit that is looked at after paying has been passed already. What is known of a "
        "question *before* it leaves?",
        "Go through the questions. Compare spent plus most with the limit and stop where it is "
        "more. If the question leaves, count it, and add what it did cost, or the most where "
        "nobody knows.",
        "`break` ends the loop. `spent += most if paid is None else paid` does the last step; "
        "`paid or most` would not, since an answer may cost 0.",
    ),
    solution=stays_within,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _looks_back,
            "the limit is never passed",
            "the limit is compared with what is spent already, so one question can pass it",
        ),
        Mistake(
            _knows_the_price,
            "before the answer only the most is known",
            "it was decided by what the answer did cost, which nobody knows beforehand",
        ),
        Mistake(
            _never_reaches, "the limit may be reached", "spending exactly the limit is allowed"
        ),
        Mistake(
            _goes_on,
            "the first that does not fit ends the run",
            "a cheaper question further back was still asked, so the data would prefer cheap ones",
        ),
        Mistake(
            _nothing_back,
            "what was not used is given back",
            "every question counts at its most, though its price is known when it is answered",
        ),
        Mistake(
            _lost_is_free,
            "a lost answer may have been paid",
            "an answer that never came counts as free; the endpoint may have written it",
        ),
        Mistake(
            _counts_the_refused,
            "only what left is counted",
            "the question that did not fit was counted, too",
        ),
    ),
)
