"""What the picture adds to what the language model answers anyway, by type of question."""

from course_lib.evaluation.vqa import vqa_scores
from course_lib.teach.task import Case, Exercise, Mistake
from course_lib.world.questions import Question


def picture_adds(types: list[str], seeing: list[bool], blind: list[bool]) -> dict[str, float]:
    """Returns by type the share right with the picture minus the share right without."""
    adds = {}
    for name in set(types):
        rows = [i for i, other in enumerate(types) if other == name]
        gain = sum(seeing[i] for i in rows) - sum(blind[i] for i in rows)
        adds[name] = gain / len(rows)
    return adds


def reference(types: list[str], seeing: list[bool], blind: list[bool]) -> dict[str, float]:
    """The library's shares by type, one less the other."""
    asked = [Question(name, "right?", "yes") for name in types]
    with_picture, without = (
        vqa_scores(["yes" if right else "no" for right in answers], asked)["by_type"]
        for answers in (seeing, blind)
    )
    return {name: with_picture[name] - without[name] for name in with_picture}


def _share(types, right, name):
    chosen = [bool(r) for r, other in zip(right, types, strict=True) if other == name]
    return sum(chosen) / len(chosen)


def _seeing_alone(types, seeing, blind):
    return {name: _share(types, seeing, name) for name in types}


def _reversed(types, seeing, blind):
    return picture_adds(types, blind, seeing)


def _gains_alone(types, seeing, blind):
    gained = [s and not b for s, b in zip(seeing, blind, strict=True)]
    return {name: _share(types, gained, name) for name in types}


def _no_loss(types, seeing, blind):
    return {name: max(0.0, gain) for name, gain in picture_adds(types, seeing, blind).items()}


def _changed(types, seeing, blind):
    changed = [s != b for s, b in zip(seeing, blind, strict=True)]
    return {name: _share(types, changed, name) for name in types}


def _of_all(types, seeing, blind):
    gains = picture_adds(types, seeing, blind)
    return {name: gain * types.count(name) / len(types) for name, gain in gains.items()}


def _counts(types, seeing, blind):
    gains = picture_adds(types, seeing, blind)
    return {name: gain * types.count(name) for name, gain in gains.items()}


def _together(types, seeing, blind):
    gain = (sum(seeing) - sum(blind)) / len(types)
    return {name: gain for name in types}


def _cases() -> list[Case]:
    yes, no = True, False
    colours = (["colour"] * 4, [yes, yes, yes, no], [no, yes, no, no])
    types = ["colour", "sides", "colour", "is_there", "sides", "is_there", "colour", "is_there"]
    seeing = [yes, yes, yes, no, yes, yes, no, no]
    blind = [no, yes, no, yes, no, no, yes, yes]
    return [
        Case("4 questions of one type", colours),
        Case("8 questions of three types", (types, seeing, blind)),
    ]


EXERCISE = Exercise(
    objective="04.7",
    title="what the picture adds",
    difficulty=1,
    minutes=6,
    contract=(
        "`types` names the type of each question, `seeing` says whether the answer with the "
        "picture was right, `blind` the same of the language model alone. The three lists are in "
        "the same order, types may be mixed.",
        "Gives a dictionary: for each type the share right with the picture minus the share right "
        "without it, from -1 to 1.",
        "A type to which the picture does harm has a negative number.",
    ),
    hints=(
        "Of 10 questions 9 are right with the picture and 6 without. How much of the 9 would the "
        "language model have guessed? The rest is what the picture adds.",
        "For each type: choose its questions, count the right ones with the picture and without, "
        "subtract, and divide by how many questions of this type there are.",
        "`rows = [i for i, other in enumerate(types) if other == name]` chooses. True counts as 1 "
        "in a sum: `sum(seeing[i] for i in rows)`. Run through `set(types)`.",
    ),
    solution=picture_adds,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _seeing_alone,
            "what was known anyway is taken off",
            "this is the share right with the picture: the blind model's share is still in it",
        ),
        Mistake(
            _reversed,
            "a picture that helps gives a positive number",
            "the two shares were subtracted the wrong way round",
        ),
        Mistake(
            _gains_alone,
            "answers that the picture spoils count too",
            "only questions were counted that became right, none that became wrong",
        ),
        Mistake(
            _no_loss,
            "harm is a negative number",
            "a type to which the picture does harm was raised to 0",
        ),
        Mistake(
            _changed,
            "a change may be for the worse",
            "every answer that changed was counted as if it had become right",
        ),
        Mistake(
            _of_all,
            "a share of the type's own questions",
            "it was divided by all questions, so a rare type seems to gain little",
        ),
        Mistake(
            _counts,
            "a share lies between -1 and 1",
            "these are numbers of questions: nothing was divided",
        ),
        Mistake(
            _together,
            "each type by itself",
            "all types share one number, in which one that gains hides one that loses",
        ),
    ),
)
