"""Which portions of a stream a rank reads, also when other ranks had begun it."""

from itertools import count, islice

from course_lib.teach.task import Case, Exercise, Mistake


def own_portions(done: int, rank: int, world: int, each: int, steps: int) -> list[list[int]]:
    """Returns the numbers of the portions of a rank's next batches."""
    batches = []
    for step in range(steps):
        first = done + (step * world + rank) * each
        batches.append(list(range(first, first + each)))
    return batches


def reference(done: int, rank: int, world: int, each: int, steps: int) -> list[list[int]]:
    """Deals portions like cards: a hand to each rank in turn."""
    deck, found = count(done), []
    for _ in range(steps):
        hands = [list(islice(deck, each)) for _ in range(world)]
        found.append(hands[rank])
    return found


def _batches(firsts, each):
    return [list(range(first, first + each)) for first in firsts]


def _from_the_start(done, rank, world, each, steps):
    return own_portions(0, rank, world, each, steps)


def _all_read_the_same(done, rank, world, each, steps):
    return _batches([done + step * each for step in range(steps)], each)


def _own_stretch(done, rank, world, each, steps):
    first = done + rank * steps * each
    return _batches([first + step * each for step in range(steps)], each)


def _one_by_one(done, rank, world, each, steps):
    numbers = iter(range(done + rank, done + world * each * steps, world))
    return [list(islice(numbers, each)) for _ in range(steps)]


def _done_by_each(done, rank, world, each, steps):
    return own_portions(done * world, rank, world, each, steps)


def _done_in_batches(done, rank, world, each, steps):
    return own_portions(done * each, rank, world, each, steps)


def _ranks_from_one(done, rank, world, each, steps):
    return own_portions(done, rank - 1, world, each, steps)


def _again(done, rank, world, each, steps):
    return own_portions(max(done - each * world, 0), rank, world, each, steps)


def _steps_forgotten(done, rank, world, each, steps):
    return _batches([done + rank * each + step * each for step in range(steps)], each)


def _in_a_row(done, rank, world, each, steps):
    return [n for batch in own_portions(done, rank, world, each, steps) for n in batch]


def _firsts_alone(done, rank, world, each, steps):
    return [[batch[0]] for batch in own_portions(done, rank, world, each, steps)]


EXERCISE = Exercise(
    objective="12.6",
    title="whose portion is it",
    difficulty=2,
    minutes=8,
    contract=(
        "A stream of rows is cut into portions, numbered 0, 1, 2, … for ever. `done` is how many "
        "of them have been read, all ranks together: the number that a checkpoint keeps.",
        "`world` ranks go on from there, perhaps more or fewer of them than before. A batch has "
        "`each` portions that follow one another. In every step rank 0 takes the next batch, rank "
        "1 the one behind it, and so on.",
        "Gives a list of `steps` lists: the numbers of the portions that rank `rank`, counted from "
        "0, reads in its next `steps` steps.",
    ),
    hints=(
        "Deal cards, a whole hand at a time, to players in turn. How many cards are gone before "
        "your second hand?",
        "Before step s and rank r lie s × world + r batches, each of `each` portions, and in front "
        "of all of them the portions that are done. That gives the first number of the batch; the "
        "others follow.",
        "`first = done + (step * world + rank) * each`, then `list(range(first, first + each))`.",
    ),
    solution=own_portions,
    reference=reference,
    cases=lambda: [
        Case("rank 1 of 2, 1 portion a batch, 2 steps", (0, 1, 2, 1, 2)),
        Case("rank 0 of 2, 2 portions a batch, 3 steps", (0, 0, 2, 2, 3)),
        Case("12 portions done, rank 2 of 3", (12, 2, 3, 2, 2)),
        Case("40 portions done by 5 ranks, rank 3 of 8", (40, 3, 8, 3, 2)),
    ],
    mistakes=(
        Mistake(
            _from_the_start,
            "it goes on where it stopped",
            "the stream begins anew: the first rows come twice and the last ones never",
        ),
        Mistake(
            _all_read_the_same,
            "each rank has its own",
            "the rank makes no difference: all of them read the same, and a step is worth one "
            "batch",
        ),
        Mistake(
            _own_stretch,
            "in turn, step by step",
            "each rank has a stretch of its own, whose place depends on how long the run goes on: "
            "what one number `done` means is lost",
        ),
        Mistake(
            _one_by_one,
            "a whole batch at a time",
            "portions were dealt one by one, and a batch has portions that do not follow one "
            "another",
        ),
        Mistake(
            _done_by_each,
            "done counts all ranks together",
            "`done` was multiplied by the ranks, so that rows are lost",
        ),
        Mistake(
            _done_in_batches,
            "done counts portions",
            "`done` was taken for batches, so that rows are lost",
        ),
        Mistake(_ranks_from_one, "ranks count from 0", "rank 1 was taken for the first one"),
        Mistake(
            _again,
            "what is done is done",
            "the last step before the checkpoint comes again",
        ),
        Mistake(
            _steps_forgotten,
            "a step is as long as all ranks together",
            "the next step begins one batch on, where another rank has been already",
        ),
        Mistake(_in_a_row, "a list for each step", "all numbers stand in one row"),
        Mistake(
            _firsts_alone,
            "all portions of a batch",
            "only the first portion of each batch is named",
        ),
    ),
)
