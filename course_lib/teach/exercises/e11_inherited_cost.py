"""What stood behind a model before its own training began."""

from collections.abc import Mapping, Sequence

from course_lib.teach.task import Case, Exercise, Mistake

Links = Mapping[str, Sequence[str]]


def inherited_cost(
    run: str, links: Mapping[str, Sequence[str]], cost: Mapping[str, float]
) -> float:
    """Returns what all the runs that a run is built on have cost, each counted once."""
    behind = set()
    waiting = list(links[run])
    while waiting:
        one = waiting.pop()
        if one not in behind:
            behind.add(one)
            waiting.extend(links[one])
    return sum(cost[one] for one in behind)


def reference(run: str, links: Links, cost: Mapping[str, float]) -> float:
    """Grows the set of ancestors until it stays as it is."""
    found, before = set(links[run]), set()
    while found != before:
        before = set(found)
        found |= {parent for one in before for parent in links[one]}
    return float(sum(cost[one] for one in found))


def _with_its_own(run, links, cost):
    return inherited_cost(run, links, cost) + cost[run]


def _parents_alone(run, links, cost):
    return sum(cost[one] for one in set(links[run]))


def _first_parent_alone(run, links, cost):
    total, one = 0, run
    while links[one]:
        one = links[one][0]
        total += cost[one]
    return total


def _once_for_each_way(run, links, cost):
    return sum(cost[one] + _once_for_each_way(one, links, cost) for one in links[run])


def _the_first_of_all(run, links, cost):
    behind = [one for one in _all(run, links) if not links[one]]
    return sum(cost[one] for one in behind)


def _the_dearest(run, links, cost):
    return max((cost[one] for one in _all(run, links)), default=0)


def _whatever_there_is(run, links, cost):
    return sum(cost.values()) - cost[run]


def _equal_costs_once(run, links, cost):
    return sum({cost[one] for one in _all(run, links)})


def _how_many(run, links, cost):
    return len(_all(run, links))


def _all(run, links):
    return {one for parent in links[run] for one in {parent, *_all(parent, links)}}


_LINKS = {
    "vision": (),
    "stage 1": ("vision",),
    "on OPT": ("stage 1",),
    "on LLaMA": ("stage 1",),
    "transfer": ("on OPT", "words"),
    "words": (),
    "merged": ("on OPT", "on LLaMA"),
}
_COST = {
    "vision": 50.0,
    "stage 1": 100.0,
    "on OPT": 30.0,
    "on LLaMA": 30.0,  # as much as on OPT
    "transfer": 5.0,
    "words": 2.0,
    "merged": 1.0,
}

EXERCISE = Exercise(
    objective="11.1",
    title="what came before",
    difficulty=2,
    minutes=9,
    contract=(
        "`links` says for every run which runs it begins from: none, one or several. `cost` says "
        "what the training of each run alone has cost, in samples.",
        "Gives what all runs together have cost on which `run` is built: those it begins from, "
        "those they begin from, and so on.",
        "A run that is reached in two ways was trained once, and counts once. The own cost of "
        "`run` is not in it. No run is built on itself.",
    ),
    hints=(
        "Who has to have been trained, so that this run can begin? Then ask the same of each of "
        "these. You are done when nobody new turns up.",
        "Keep a set of runs that are behind it, and a list of those you still have to look at. "
        "Take one from the list; if it is not in the set, put it in, and put its own parents on "
        "the list. At the end add up the costs of the set.",
        "`waiting = list(links[run])`, `while waiting: one = waiting.pop()`. The set is what "
        "keeps a run from being counted for each of the ways that lead to it.",
    ),
    solution=inherited_cost,
    reference=reference,
    cases=lambda: [
        Case("a run that begins from nothing", ("vision", _LINKS, _COST)),
        Case("a run with one behind it", ("stage 1", _LINKS, _COST)),
        Case("a run with two behind each other", ("on OPT", _LINKS, _COST)),
        Case("a run that begins from two", ("transfer", _LINKS, _COST)),
        Case("two ways to the same run", ("merged", _LINKS, _COST)),
    ],
    mistakes=(
        Mistake(
            _with_its_own,
            "what came before",
            "the run's own cost was added: it stands in a column of its own",
        ),
        Mistake(
            _parents_alone,
            "all the way back",
            "only the runs that it begins from were counted, and not what these began from",
        ),
        Mistake(
            _first_parent_alone,
            "every way back",
            "of several runs that one begins from, only the first was followed",
        ),
        Mistake(
            _once_for_each_way,
            "trained once, counted once",
            "a run that is reached in two ways was counted twice",
        ),
        Mistake(
            _the_first_of_all,
            "those in between",
            "only runs that begin from nothing were counted: those in between cost something, too",
        ),
        Mistake(_the_dearest, "a sum", "the dearest run stands for all of them"),
        Mistake(
            _whatever_there_is,
            "what this run is built on",
            "every run of the table was counted, whether this one is built on it or not",
        ),
        Mistake(
            _equal_costs_once,
            "runs are counted once, and not costs",
            "two runs that cost the same were counted as one",
        ),
        Mistake(_how_many, "samples", "runs were counted, and not what they have cost"),
    ),
)
