"""What ratings come to: the share of A and B, ability by ability."""

from course_lib.evaluation.rating_counts import Counts
from course_lib.teach.task import Case, Exercise, Mistake

Shares = dict[str, float | None]


def share_of_grades(rows: list[dict]) -> dict[str, float | None]:
    """Returns ability → share of A and B among its rated answers; None where none is rated."""
    found: dict[str, list[bool]] = {}
    for row in rows:
        for ability in row["ability"].split(","):
            passed = found.setdefault(ability, [])
            if row["rating"] is not None:
                passed.append(row["rating"] in ("A", "B"))
    return {name: sum(p) / len(p) if p else None for name, p in found.items()}


def reference(rows: list[dict]) -> Shares:
    """By the library's counts."""
    letters = sorted({letter for row in rows for letter in row["ability"].split(",")})
    shares = {}
    for letter in letters:
        grades = [row["rating"] for row in rows if letter in row["ability"].split(",")]
        shares[letter] = Counts(*(grades.count(grade) for grade in "ABCD")).share
    return shares


def _shares(rows, passes=("A", "B"), counts=lambda row: row["rating"], none=None, groups=None):
    """Counts otherwise: what passes, which rows count, what nothing gives, which groups."""
    groups = groups or (lambda row: row["ability"].split(","))
    names = dict.fromkeys(name for row in rows for name in groups(row))
    found = {}
    for name in names:
        own = [row for row in rows if name in groups(row) and counts(row)]
        found[name] = sum(row["rating"] in passes for row in own) / len(own) if own else none
    return found


def _unrated_fails(rows):
    return _shares(rows, counts=lambda row: True)


def _a_alone(rows):
    return _shares(rows, passes=("A",))


def _not_d(rows):
    return _shares(rows, passes=("A", "B", "C"))


def _failed(rows):
    return _shares(rows, passes=("C", "D"))


def _unrated_passes(rows):
    return _shares(rows, passes=("A", "B", None), counts=lambda row: True)


def _zero(rows):
    return _shares(rows, none=0.0)


def _left_out(rows):
    return {name: share for name, share in _shares(rows).items() if share is not None}


def _first_ability(rows):
    return _shares(rows, groups=lambda row: row["ability"].split(",")[:1])


def _whole_string(rows):
    return _shares(rows, groups=lambda row: [row["ability"]])


def _commas(rows):
    found = {}
    for row in rows:
        for sign in row["ability"]:  # two commas of an answer count twice
            grades = found.setdefault(sign, [])
            grades += [row["rating"]] * (row["rating"] is not None)
    return {
        sign: sum(g in "AB" for g in own) / len(own) if own else None for sign, own in found.items()
    }


def _none_in_text(rows):
    found = {}
    for row in rows:
        for name in row["ability"].split(","):
            found.setdefault(name, []).append(row["rating"] in "AB")
    return {name: sum(passed) / len(passed) for name, passed in found.items()}


def _one_a_question(rows):
    return _shares(list({row["question_id"]: row for row in rows}.values()))


def _percent(rows):
    return {k: None if v is None else 100 * v for k, v in _shares(rows).items()}


def _of_all_rows(rows):
    rated = sum(row["rating"] is not None for row in rows)
    names = dict.fromkeys(name for row in rows for name in row["ability"].split(","))
    passed = {
        name: sum(row["rating"] in ("A", "B") for row in rows if name in row["ability"].split(","))
        for name in names
    }
    return {
        name: passed[name] / rated if _shares(rows)[name] is not None else None for name in names
    }


def _counts(rows):
    shares = _shares(rows)
    rated = [row for row in rows if row["rating"]]
    return {
        name: None
        if share is None
        else round(share * sum(name in row["ability"].split(",") for row in rated))
        for name, share in shares.items()
    }


def _divides_by_zero(rows):
    found = {}
    for name in dict.fromkeys(n for row in rows for n in row["ability"].split(",")):
        own = [r["rating"] for r in rows if name in r["ability"].split(",") and r["rating"]]
        found[name] = sum(grade in "AB" for grade in own) / len(own)
    return found


def _cases() -> list[Case]:
    def rated(*pairs: tuple[str, str | None]) -> tuple[list[dict]]:
        rows = [
            {"question_id": id, "ability": ability, "rating": rating}
            for id, (ability, rating) in enumerate(pairs, start=1)
        ]
        return (rows,)

    twice = rated(("a,b", "A"), ("a,c", "D"), ("a,b", "C"))
    twice[0][2]["question_id"] = 1

    mixed = rated(("a,b", "A"), ("a,c,e", "C"), ("a,b", "B"), ("a,d", "D"), ("a,c", "B"))
    gaps = rated(("a,b", "A"), ("a,b", None), ("a,c", "D"), ("a,b,f", "C"), ("a,c", None))
    return [
        Case("1 ability, an A and a C", rated(("a", "A"), ("a", "C"))),
        Case("5 rated answers, several abilities each", mixed),
        Case("2 of 5 answers are not rated", gaps),
        Case("nothing that asks for d is rated", rated(("a,b", "B"), ("a,d", None), ("a", "A"))),
        Case("question 1 is answered twice", twice),
    ]


EXERCISE = Exercise(
    objective="09.7",
    title="the share of A and B",
    difficulty=1,
    minutes=6,
    contract=(
        "Each of `rows` is one answer: `question_id`, `ability`, letters with commas between them "
        'and no spaces, such as `"a,b,e"`, and `rating`: `"A"`, `"B"`, `"C"`, `"D"`, or `None` '
        "where nobody rated it. A question may come up twice, answered by two models.",
        "Gives ability → the share of A and B among its **rated** answers, from 0 to 1. An answer "
        "counts for each of its abilities, and each answer to a question counts.",
        "An ability that comes up, but without a rated answer, has `None`: nothing is known, and 0 "
        "would say that everything failed.",
    ),
    hints=(
        "For each letter two numbers: how many answers were rated, and how many of these passed. "
        "An answer without a rating belongs to neither, but its letters have to come up.",
        "Go through the rows, and in each through its letters. Keep a list for each letter, make "
        "it when the letter comes up first, and put True or False into it if the answer is rated. "
        "At the end divide the Trues by the length, and mind the empty list.",
        '`row["ability"].split(",")` gives the letters. `found.setdefault(letter, [])` gives its '
        "list, new or old. `sum` counts the Trues of a list, and "
        "`sum(p) / len(p) if p else None` minds the empty one.",
    ),
    solution=share_of_grades,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _unrated_fails,
            "unrated answers do not count",
            "answers that nobody rated count as if they had failed",
        ),
        Mistake(
            _unrated_passes,
            "unrated answers do not count",
            "answers that nobody rated count as if they had passed",
        ),
        Mistake(_a_alone, "A and B pass", "only A counts as passed"),
        Mistake(_not_d, "A and B pass", "C counts as passed, though it has serious errors"),
        Mistake(_failed, "A and B pass", "that is the share of C and D"),
        Mistake(
            _zero,
            "no rating is not 0",
            "an ability without a rating got 0, as if everything had failed",
        ),
        Mistake(
            _left_out,
            "every ability that comes up",
            "an ability without a rating is missing, and a plot would not show that it was asked",
        ),
        Mistake(
            _first_ability,
            "an answer counts for each ability",
            "only the first letter of each answer counts",
        ),
        Mistake(
            _whole_string,
            "letters are abilities",
            "answers were grouped by the whole text, so that a,b is an ability of its own",
        ),
        Mistake(
            _commas,
            "letters are abilities",
            "the text was walked sign by sign, and the comma became an ability",
        ),
        Mistake(_percent, "a share is from 0 to 1", "the shares are percentages"),
        Mistake(
            _of_all_rows,
            "among the answers of this ability",
            "the passed answers of an ability were divided by the rated answers of all abilities",
        ),
        Mistake(
            _counts,
            "a share, not a count",
            "the passed answers were counted and not divided; 63 questions need b, 20 need f",
        ),
        Mistake(
            _divides_by_zero,
            "no rating gives None",
            "an ability without a rating divides by 0",
        ),
        Mistake(
            _none_in_text,
            "unrated answers do not count",
            '`None in "AB"` raises: text holds text alone, so ask first whether there is a rating',
        ),
        Mistake(
            _one_a_question,
            "each answer counts",
            "of two answers to one question only the last was counted: rows are answers",
        ),
    ),
)
