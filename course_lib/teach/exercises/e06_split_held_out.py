"""Knowledge kept back: what may be taught, and what tests the language model alone."""

from typing import Any

from course_lib.instructions.teacher import Turn
from course_lib.teach.task import Case, Exercise, Mistake, call


def split_held_out(turns: list[Turn], held_out: frozenset[str]) -> tuple[list[Turn], list[Turn]]:
    """Returns the turns that may be taught, and those that ask for held-out facts alone."""
    taught, tested = [], []
    for turn in turns:
        facts = set(turn.facts)
        if facts.isdisjoint(held_out):
            taught.append(turn)
        elif facts <= held_out:
            tested.append(turn)
    return taught, tested


def reference(turns: list[Turn], held_out: frozenset[str]) -> tuple[list[Turn], list[Turn]]:
    """Counts, turn by turn, how many of its facts are held out."""
    counts = [sum(fact in held_out for fact in turn.facts) for turn in turns]
    taught = [turn for turn, count in zip(turns, counts, strict=True) if count == 0]
    tested = [t for t, count in zip(turns, counts, strict=True) if count == len(t.facts) > 0]
    return taught, tested


def _run(answer: Any, case: Case) -> Any:
    """Shows questions in the place of whole turns."""
    made = call(answer, case)
    if not isinstance(made, tuple | list) or len(made) != 2:
        return made
    lists = [list(part) if isinstance(part, tuple | list) else part for part in made]
    return tuple(
        [turn.question if isinstance(turn, Turn) else f"{turn!r}, no turn" for turn in part]
        if isinstance(part, list)
        else part
        for part in lists
    )


def _by(turns, taught, tested):
    return [t for t in turns if taught(t)], [t for t in turns if tested(t)]


def _teaches_mixed(turns, held_out):
    return _by(
        turns,
        lambda t: not (t.facts and set(t.facts) <= held_out),
        lambda t: bool(t.facts) and set(t.facts) <= held_out,
    )


def _tests_mixed(turns, held_out):
    return _by(
        turns,
        lambda t: held_out.isdisjoint(t.facts),
        lambda t: not held_out.isdisjoint(t.facts),
    )


def _no_fact_is_tested(turns, held_out):
    return _by(
        turns,
        lambda t: held_out.isdisjoint(t.facts),
        lambda t: set(t.facts) <= held_out,
    )


def _no_fact_is_dropped(turns, held_out):
    return _by(
        turns,
        lambda t: bool(t.facts) and held_out.isdisjoint(t.facts),
        lambda t: bool(t.facts) and set(t.facts) <= held_out,
    )


def _first_fact(turns, held_out):
    return _by(
        turns,
        lambda t: not t.facts or t.facts[0] not in held_out,
        lambda t: bool(t.facts) and t.facts[0] in held_out,
    )


def _exchanged(turns, held_out):
    taught, tested = split_held_out(turns, held_out)
    return tested, taught


def _cases() -> list[Case]:
    colour = Turn("what colour is it?", "it is red.")
    odd = Turn("is 7 odd or even?", "7 is odd.", facts=("parity of 7",))
    even = Turn("is 8 odd or even?", "8 is even.", facts=("parity of 8",))
    pair = Turn("2 or 7?", "7 is the largest.", facts=("larger of 2 and 7",))
    three = Turn(
        "1, 2 or 7?",
        "7 is the largest.",
        facts=("larger of 1 and 2", "larger of 1 and 7", "larger of 2 and 7"),
    )
    held = frozenset({"parity of 8", "larger of 2 and 7"})
    both = Turn(
        "is the larger of 2 and 8 even?", "8 is.", facts=("parity of 8", "larger of 2 and 8")
    )
    return [
        Case("two facts, one held out", ([odd, even], held)),
        Case("a question that needs no fact", ([colour, even], held)),
        Case("three facts in a question, the last one held out", ([three, pair, odd], held)),
        Case("two facts in a question, the first one held out", ([both, colour, even], held)),
        Case("nothing held out", ([odd, even, colour], frozenset())),
    ]


EXERCISE = Exercise(
    objective="06.3",
    title="which facts may be taught?",
    difficulty=2,
    minutes=6,
    contract=(
        "A turn has `.facts`, the names of all pieces of knowledge that its answer uses and no "
        "picture states; `()` where there is none. `held_out` is a set of such names.",
        "Gives two lists of turns, each in the given order. The first: what may be taught, turns "
        "that use no held-out fact.",
        "The second: what tests the language model's own knowledge, turns that use at least one "
        "fact, and held-out ones only.",
        "A turn that mixes held-out facts with others is in neither.",
    ),
    hints=(
        "There are four sorts of turns: no fact at all, only open facts, only held-out ones, both. "
        "Say of each where it belongs before you write a line.",
        "Compare the facts of a turn with the held-out set. If they share nothing, teach it. If "
        "not, and all of them are held out, test it. If neither, leave it out.",
        "`set(turn.facts).isdisjoint(held_out)` is True where nothing is shared, also for no "
        "facts. `set(turn.facts) <= held_out` asks whether all are in it, and is True for no "
        "facts, too: so which question has to be asked first?",
    ),
    solution=split_held_out,
    reference=reference,
    cases=_cases,
    run=_run,
    mistakes=(
        Mistake(
            _teaches_mixed,
            "no held-out fact is taught",
            "a turn is taught as soon as one of its facts is open, and the held-out one slips in",
        ),
        Mistake(
            _tests_mixed,
            "the test asks for held-out facts alone",
            "a turn is tested as soon as one of its facts is held out; taught ones may be enough",
        ),
        Mistake(
            _no_fact_is_tested,
            "a test needs a fact",
            "the empty set is a subset of every set, so questions without any fact are in the test",
        ),
        Mistake(
            _no_fact_is_dropped,
            "what needs no fact is taught",
            "turns without facts are in neither list, and most conversations consist of them",
        ),
        Mistake(_first_fact, "every fact counts", "only the first fact of a turn was looked at"),
        Mistake(_exchanged, "taught first, tested second", "the two lists are exchanged"),
    ),
)
