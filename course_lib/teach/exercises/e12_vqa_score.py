"""The official accuracy of an answer that ten people were asked for, too."""

from itertools import combinations

from course_lib.teach.task import Case, Exercise, Mistake


def vqa_score(answer: str, people: list[str]) -> float:
    """Returns between 0 and 1: how far ten people agree with an answer."""
    scores = []
    for left_out in range(len(people)):
        others = people[:left_out] + people[left_out + 1 :]
        scores.append(min(1.0, others.count(answer) / 3))
    return sum(scores) / len(scores)


def reference(answer: str, people: list[str]) -> float:
    """Goes through all choices of nine among ten."""
    found = [sum(one == answer for one in nine) for nine in combinations(people, 9)]
    return sum(3 if matches > 3 else matches for matches in found) / (3 * len(found))


def _without_leaving_out(answer, people):
    return min(1.0, people.count(answer) / 3)


def _share(answer, people):
    return people.count(answer) / len(people)


def _most_said(answer, people):
    return float(answer == max(people, key=people.count))


def _anybody(answer, people):
    return float(answer in people)


def _three_or_nothing(answer, people):
    return float(people.count(answer) >= 3)


def _no_limit(answer, people):
    return 9 * people.count(answer) / (10 * 3)


def _leaves_out_friends(answer, people):
    matches = people.count(answer)
    return min(1.0, max(matches - 1, 0) / 3)


def _all_of_one_kind(answer, people):
    scores = [min(1.0, (answer != one) * people.count(answer) / 3) for one in people]
    return sum(scores) / len(scores)


def _added_up(answer, people):
    return 10 * vqa_score(answer, people)


def _parts_of_words(answer, people):
    scores = []
    for left_out in range(len(people)):
        others = people[:left_out] + people[left_out + 1 :]
        scores.append(min(1.0, sum(answer in one for one in others) / 3))
    return sum(scores) / len(scores)


def _of_different_ones(answer, people):
    kinds = sorted(set(people))
    return min(1.0, kinds.count(answer) / 3)


def _people(**said: int) -> list[str]:
    """Ten answers, those of one kind one after the other."""
    return [word.replace("_", " ") for word, times in said.items() for _ in range(times)]


EXERCISE = Exercise(
    objective="12.7",
    title="as ten people see it",
    difficulty=1,
    minutes=7,
    contract=(
        "`people` are the answers of ten people to one question, `answer` is the model's. Texts "
        "are compared as they stand: what the official code does to them first is done.",
        "Leave one of the ten out. Of the other nine, count those who gave exactly this answer; "
        "divide by 3, but give at most 1.",
        "Do that for each of the ten. Gives the mean of the ten numbers.",
    ),
    hints=(
        "An answer that three people gave is wholly right if all ten are asked. What becomes of it "
        "when one of these three is the one who is left out?",
        "Ten times: make a list of nine, count the answer in it, divide by three, cut at one. "
        "Then the mean of the ten.",
        "`others = people[:i] + people[i + 1 :]` leaves person i out, and "
        "`min(1.0, others.count(answer) / 3)` is what that gives.",
    ),
    solution=vqa_score,
    reference=reference,
    cases=lambda: [
        Case("1 of 10 agrees", ("red", _people(blue=9, red=1))),
        Case("2 of 10 agree", ("red", _people(red=2, blue=5, green=3))),
        Case("3 of 10 agree", ("red", _people(red=3, blue=7))),
        Case("4 of 10 agree", ("red", _people(red=4, dark_red=6))),
        Case("all agree", ("no", _people(no=10))),
        Case("nobody agrees", ("no", _people(not_yet=10))),
    ],
    mistakes=(
        Mistake(
            _without_leaving_out,
            "one of ten is left out",
            "all ten were counted at once: 3 who agree would give 1, and officially they give 0.9",
        ),
        Mistake(
            _share,
            "three are enough",
            "this is the share of people who agree, and it asks for all ten of them",
        ),
        Mistake(
            _most_said,
            "less common answers count, too",
            "only the most common answer was let through, and others as not at all",
        ),
        Mistake(
            _anybody,
            "one person is not enough",
            "an answer that anybody gave was called wholly right",
        ),
        Mistake(
            _three_or_nothing,
            "there are steps in between",
            "it is all or nothing at three, and one or two who agree give nothing",
        ),
        Mistake(
            _no_limit,
            "at most 1",
            "nothing was cut at 1: an answer of all ten would be worth three",
        ),
        Mistake(
            _leaves_out_friends,
            "each of the ten is left out in turn",
            "it is always somebody who agrees that was left out",
        ),
        Mistake(
            _all_of_one_kind,
            "one of ten is left out",
            "with a person all others were left out who gave the same answer",
        ),
        Mistake(_added_up, "a mean", "the ten numbers were added up and not divided"),
        Mistake(
            _parts_of_words,
            "the whole answer",
            "an answer that only stands inside another was counted",
        ),
        Mistake(
            _of_different_ones,
            "people are counted",
            "different answers were counted, and not the people who gave them",
        ),
    ),
)
