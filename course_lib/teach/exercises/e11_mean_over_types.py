"""One number for nine types of question, in which every type weighs the same."""

from collections.abc import Sequence
from statistics import fmean

from course_lib.teach.task import Case, Exercise, Mistake


def mean_over_types(answers: Sequence[tuple[str, bool]]) -> tuple[float, str]:
    """Returns the mean of the types' shares, and the type with the smallest one."""
    right = {}
    for kind, is_right in answers:
        right.setdefault(kind, []).append(is_right)
    shares = {kind: sum(found) / len(found) for kind, found in right.items()}
    return sum(shares.values()) / len(shares), min(sorted(shares), key=shares.get)


def reference(answers: Sequence[tuple[str, bool]]) -> tuple[float, str]:
    """Counts twice over sorted names, and lets statistics take the mean."""
    shares = {}
    for kind in sorted({kind for kind, _ in answers}):
        asked = sum(name == kind for name, _ in answers)
        shares[kind] = sum(right for name, right in answers if name == kind) / asked
    lowest = min(shares.values())
    return fmean(shares.values()), next(kind for kind, share in shares.items() if share == lowest)


def _over_questions(answers):
    return sum(right for _, right in answers) / len(answers), mean_over_types(answers)[1]


def _best_type(answers):
    shares = _shares(answers)
    return mean_over_types(answers)[0], max(sorted(shares), key=shares.get)


def _wrong_share(answers):
    found = mean_over_types(answers)
    return 1 - found[0], found[1]


def _fewest_right(answers):
    count = {kind: sum(r for k, r in answers if k == kind) for kind in _shares(answers)}
    return mean_over_types(answers)[0], min(sorted(count), key=count.get)


def _over_those_with_any(answers):
    shares = [share for share in _shares(answers).values() if share]
    return (sum(shares) / len(shares) if shares else 0.0), mean_over_types(answers)[1]


def _nine_types(answers):
    return sum(_shares(answers).values()) / 9, mean_over_types(answers)[1]


def _last_of_equals(answers):
    shares = _shares(answers)
    return mean_over_types(answers)[0], min(sorted(shares, reverse=True), key=shares.get)


def _as_they_come(answers):
    shares = _shares(answers)
    return mean_over_types(answers)[0], min(shares, key=shares.get)


def _middle(answers):
    shares = sorted(_shares(answers).values())
    half = len(shares) // 2
    middle = shares[half] if len(shares) % 2 else (shares[half - 1] + shares[half]) / 2
    return middle, mean_over_types(answers)[1]


def _shares(answers):
    right = {}
    for kind, is_right in answers:
        right.setdefault(kind, []).append(is_right)
    return {kind: sum(found) / len(found) for kind, found in right.items()}


def _asked(**rows: str) -> list[tuple[str, bool]]:
    """Writes answers of a type as signs: "++-" are two right and one wrong."""
    return [(kind, sign == "+") for kind, signs in rows.items() for sign in signs]


EXERCISE = Exercise(
    objective="11.3",
    title="a mean over types",
    difficulty=1,
    minutes=6,
    contract=(
        "`answers` holds (type of the question, whether the answer was right), one a question, in "
        "any order. Types are asked differently often.",
        "The first number is the mean over the *types* of the share that is right within each: a "
        "type weighs the same whether it was asked twice or a thousand times.",
        "Beside it the name of the type with the smallest share; of several the first in the "
        "alphabet.",
    ),
    hints=(
        "Ten questions about colour, all right, and two about places, both wrong. Who looks at "
        "questions sees ten of twelve. What does somebody see who looks at types?",
        "Collect the answers by type. Within each type, right ones divided by all. Then the mean "
        "of these shares, and the name that goes with the smallest.",
        "`right.setdefault(kind, []).append(is_right)` collects; "
        "`min(sorted(shares), key=shares.get)` takes the first name among equals.",
    ),
    solution=mean_over_types,
    reference=reference,
    cases=lambda: [
        Case("one type", (_asked(colour="++-"),)),
        Case("ten of colour, two of place", (_asked(place="+-", colour="+++++++++-"),)),
        Case("a type never right", (_asked(colour="+++-", size="-----", place="++"),)),
        Case(
            "three types equally weak", (_asked(place="+-", colour="-++--+", size="+-", kind="++"),)
        ),
        Case("few asked, most of them right", (_asked(number="+", kind="+++---", colour="++++"),)),
    ],
    mistakes=(
        Mistake(
            _over_questions,
            "types weigh the same",
            "this is the share of all questions: what is asked often outvotes the rest",
        ),
        Mistake(_best_type, "the smallest share", "the best type was named"),
        Mistake(_wrong_share, "right answers", "wrong answers were counted"),
        Mistake(
            _fewest_right,
            "a share within the type",
            "the type with the fewest right answers was named, and it may just be asked seldom",
        ),
        Mistake(
            _over_those_with_any,
            "a type with no right answer counts",
            "a type that is never right was left out of the mean",
        ),
        Mistake(
            _nine_types,
            "the types that were asked",
            "divided by nine, whatever was asked",
        ),
        Mistake(
            _last_of_equals, "the first in the alphabet", "of equally weak types the last was named"
        ),
        Mistake(
            _as_they_come,
            "the first in the alphabet",
            "of equally weak types the one that came first in the list was named",
        ),
        Mistake(_middle, "a mean", "this is the median of the types"),
    ),
)
