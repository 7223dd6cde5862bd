"""How well would somebody do who never looks at the picture?"""

from collections import Counter

from course_lib.teach.task import Case, Exercise, Mistake

Pairs = list[tuple[str, str]]


def blind_scores(taught: list[tuple[str, str]], asked: list[tuple[str, str]]) -> dict[str, float]:
    """Returns for each group of `asked` the share that its usual taught answer gets right."""
    usual = {}
    for group, answer in taught:
        usual.setdefault(group, Counter())[answer] += 1
    scores = {}
    for group in dict.fromkeys(group for group, _ in asked):
        truths = [answer for other, answer in asked if other == group]
        guess = usual[group].most_common(1)[0][0] if group in usual else None
        scores[group] = truths.count(guess) / len(truths)
    return scores


def reference(taught: Pairs, asked: Pairs) -> dict[str, float]:
    """Counts right guesses one by one, after choosing each guess by hand."""
    guess: dict[str, str] = {}
    for group in {group for group, _ in taught}:
        answers = [answer for other, answer in taught if other == group]
        guess[group] = max(dict.fromkeys(answers), key=answers.count)
    right: dict[str, list[bool]] = {}
    for group, answer in asked:
        right.setdefault(group, []).append(guess.get(group) == answer)
    return {group: sum(verdicts) / len(verdicts) for group, verdicts in right.items()}


def _peeks(taught, asked):
    return blind_scores(asked, asked)


def _on_taught(taught, asked):
    scores = blind_scores(taught, taught)
    return {group: scores.get(group, 0.0) for group, _ in asked}


def _one_guess(taught, asked):
    guess = Counter(answer for _, answer in taught).most_common(1)[0][0]
    return blind_scores([(group, guess) for group, _ in taught], asked)


def _counted(taught, asked):
    counts = Counter(group for group, _ in asked)
    return {group: share * counts[group] for group, share in blind_scores(taught, asked).items()}


def _of_all(taught, asked):
    counted = _counted(taught, asked)
    return {group: count / len(asked) for group, count in counted.items()}


def _drops_strangers(taught, asked):
    known = {group for group, _ in taught}
    return blind_scores(taught, [pair for pair in asked if pair[0] in known])


def _last_of_ties(taught, asked):
    return blind_scores(taught[::-1], asked)


def _expected(taught, asked):
    found = {}
    for group, answer in taught:
        found.setdefault(group, Counter())[answer] += 1
    scores = {}
    for group in dict.fromkeys(group for group, _ in asked):
        counts = found.get(group, Counter())
        truths = [answer for other, answer in asked if other == group]
        total = counts.total() or 1
        scores[group] = sum(counts[truth] / total for truth in truths) / len(truths)
    return scores


def _cases() -> list[Case]:
    taught = [("colour", "red"), ("there", "yes"), ("colour", "blue"), ("colour", "blue")]
    taught += [("there", "no"), ("there", "yes"), ("there", "yes"), ("there", "no")]
    asked = [("colour", "blue"), ("there", "no"), ("there", "no"), ("colour", "red")]
    asked += [("there", "yes"), ("colour", "red")]
    tie = [("size", "small"), ("size", "large")] * 2
    return [
        Case("two groups taught, one asked", (taught[:4], asked[:1] + asked[3:4])),
        Case("two groups", (taught, asked)),
        Case("two answers taught equally often", (tie, [("size", "small"), ("size", "large")] * 2)),
        Case("a tie, the test has one answer", (tie, [("size", "small")])),
        Case("a group that was never taught", (taught, [*asked, ("sides", "four")])),
    ]


EXERCISE = Exercise(
    objective="06.7",
    title="the score of the blind",
    difficulty=2,
    minutes=8,
    contract=(
        "`taught` and `asked` are lists of (group, right answer). A group may be a type of "
        "question or the words of one.",
        "The blind always give one answer to a group: the one that was most often right among the "
        "taught, of equally frequent ones the one taught first.",
        "Gives for each group of `asked` the share of its questions that this gets right, from 0 "
        "to 1. A group that was never taught gets 0.",
    ),
    hints=(
        "A habit is formed on one list and tried on another. Which of the two lists decides the "
        "guess, and which one says whether it is right?",
        "Count the taught answers of each group and keep the most frequent one. Then go through "
        "the groups of `asked`, compare each right answer with the guess, and divide.",
        "`Counter.most_common(1)[0][0]` is the most frequent answer, the earliest of equals. "
        "`answers.count(guess) / len(answers)` is a share, and no answer equals `None`.",
    ),
    solution=blind_scores,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _peeks,
            "the habit comes from what was taught",
            "the guess was chosen by looking at the test, where it is always the best one",
        ),
        Mistake(
            _on_taught,
            "the score comes from what is asked",
            "the guess was tried on the list it was formed on",
        ),
        Mistake(
            _one_guess,
            "a habit for each group",
            "one answer was given to every group: nobody answers 'yes' to a question for a colour",
        ),
        Mistake(_counted, "a share from 0 to 1", "right guesses were counted and not divided"),
        Mistake(
            _of_all,
            "a share of its own group",
            "right guesses were divided by all questions instead of those of the group",
        ),
        Mistake(
            _drops_strangers,
            "every asked group has a score",
            "a group without a habit is missing; the blind get 0 there",
        ),
        Mistake(
            _last_of_ties,
            "of equals the first one taught",
            "of two equally frequent answers the later one was taken",
        ),
        Mistake(
            _expected,
            "always the same guess",
            "the guesses were drawn by their frequencies, which scores less than the best habit",
        ),
    ),
)
