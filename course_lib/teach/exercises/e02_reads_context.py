"""A measure of reading: what the right context gains over the context of somebody else."""

from collections.abc import Callable
from itertools import pairwise

from course_lib.teach.task import Case, Exercise, Mistake

Answer = Callable[[str, str], str]
Items = list[tuple[str, str, str]]


def reads_context(answer, items: list[tuple[str, str, str]]) -> float:
    """Returns share right with the own context minus share right with the next item's."""
    own = other = 0
    for index, (context, question, right) in enumerate(items):
        foreign = items[(index + 1) % len(items)][0]
        own += answer(context, question) == right
        other += answer(foreign, question) == right
    return (own - other) / len(items)


def reference(answer: Answer, items: Items) -> float:
    """Two lists of verdicts, made one after the other."""
    contexts = [context for context, _, _ in items]
    shares = []
    for given in (contexts, contexts[1:] + contexts[:1]):
        pairs = zip(given, items, strict=True)
        verdicts = [answer(context, asked) == right for context, (_, asked, right) in pairs]
        shares.append(sum(verdicts) / len(verdicts))
    return shares[0] - shares[1]


def _no_control(answer, items):
    return sum(answer(c, q) == r for c, q, r in items) / len(items)


def _empty_control(answer, items):
    blind = sum(answer("", q) == r for _, q, r in items) / len(items)
    return _no_control(answer, items) - blind


def _other_truth(answer, items):
    turned = items[1:] + items[:1]
    pairs = zip(items, turned, strict=True)
    other = sum(answer(o[0], q) == o[2] for (_, q, _), o in pairs) / len(items)
    return _no_control(answer, items) - other


def _reversed(answer, items):
    return -reads_context(answer, items)


def _answers_differ(answer, items):
    turned = items[1:] + items[:1]
    pairs = zip(items, turned, strict=True)
    return sum(answer(c, q) != answer(o[0], q) for (c, q, _), o in pairs) / len(items)


def _item_before(answer, items):
    pairs = zip(items, items[-1:] + items[:-1], strict=True)
    other = sum(answer(o[0], q) == r for (_, q, r), o in pairs) / len(items)
    return _no_control(answer, items) - other


def _a_count(answer, items):
    return reads_context(answer, items) * len(items)


def _last_left_out(answer, items):
    gains = [(answer(c, q) == r) - (answer(o[0], q) == r) for (c, q, r), o in pairwise(items)]
    return sum(gains) / len(gains)


def _reader(context: str, question: str) -> str:
    """A host that finds the colour in what it is told, and says "red" where it finds none."""
    words = context.split()
    return words[1] if len(words) > 1 else "red"


def _prior(context: str, question: str) -> str:
    return "red"


def _half_reader(context: str, question: str) -> str:
    return _reader(context, question) if context.startswith("small") else "green"


def _cases() -> list[Case]:
    asked = "what colour is it?"
    scenes = ["small red star", "large blue star", "small blue 7", "large green 3", "small red 4"]
    items = [(scene, asked, scene.split()[1]) for scene in scenes]
    return [
        Case("a host that reads, 2 items", (_reader, items[:2])),
        Case("a host that always says red, 5 items", (_prior, items)),
        Case("a host that reads, 5 items", (_reader, items)),
        Case("a host that reads some, 5 items", (_half_reader, items)),
    ]


EXERCISE = Exercise(
    objective="02.7",
    title="a measure of reading",
    difficulty=2,
    minutes=8,
    contract=(
        "`items` is a list of (context, question, right answer), all of them strings.",
        "`answer(context, question)` gives the host's answer, a string.",
        "Gives the share of right answers with each item's own context, minus the share with the "
        "context of the next item in its place; the last item gets the first one's.",
        "Right is always the item's own answer, whatever context stood in front.",
    ),
    hints=(
        "A right answer may be luck or habit. Which experiment keeps luck and habit the same and "
        "takes the information away?",
        "Go through the items twice: once with their own context, once with that of the item "
        "after. Count how often the item's right answer comes, and subtract the shares.",
        "`items[(index + 1) % len(items)][0]` is the next item's context, and `%` brings the last "
        "one back to the first. `answer(context, question) == right` counts as 1 or 0.",
    ),
    solution=reads_context,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _no_control,
            "habit is subtracted",
            "this is the share of right answers: a host that always says red gets its share, too",
        ),
        Mistake(
            _empty_control,
            "the control has a context",
            "the control had no context at all, a kind of text that the host may never have seen",
        ),
        Mistake(
            _other_truth,
            "right is the item's own answer",
            "the control was judged by the other item's answer, so a good reader gets nothing",
        ),
        Mistake(_reversed, "own minus other", "the two shares were subtracted the wrong way"),
        Mistake(
            _answers_differ,
            "right answers are counted",
            "changed answers were counted, and a change may be from wrong to wrong",
        ),
        Mistake(
            _item_before,
            "the control is the next item",
            "the context of the item before was taken",
        ),
        Mistake(_a_count, "a share, not a count", "the counts were not divided by the items"),
        Mistake(
            _last_left_out,
            "every item takes part",
            "the last item was left out: it gets the context of the first",
        ),
    ),
)
