"""Which blocks of a language model get a gated layer in front."""

import re
from typing import Any

from course_lib.fusion.cross_attention import CrossAttentionConfig
from course_lib.teach.task import Case, Exercise, Mistake, call

MOST_NUMBERS = 4  # of a message: who lists all numbers there are names no count


def layer_places(blocks: int, every: int, first: int) -> list[int]:
    """Returns the blocks with a layer in front, counted from 0."""
    if not 1 <= every <= blocks:
        raise ValueError(f"every={every} of {blocks} blocks: take 1 to {blocks}.")
    return list(range(first, blocks, every))


def reference(blocks: int, every: int, first: int) -> list[int]:
    """The library's places."""
    return list(CrossAttentionConfig(every=every, first=first).places(blocks))


def _run(answer: Any, case: Case) -> Any:
    """Where the numbers cannot be meant, the output is what was raised, and whether it says why."""
    blocks, every, _ = case.args
    if 1 <= every <= blocks:
        made = call(answer, case)
        return list(made) if isinstance(made, range | tuple) else made
    try:
        made = call(answer, case)
    except ValueError as error:
        named = set(map(int, re.findall(r"-?\d+", str(error))))
        return "a ValueError that names `every`" if _names(named, every) else "a ValueError"
    return made if made is ... else "raises nothing"


def _names(named: set[int], every: int) -> bool:
    return every in named and len(named) <= MOST_NUMBERS


def _checked(blocks: int, every: int) -> None:
    if not 1 <= every <= blocks:
        raise ValueError(f"every={every}")


def _first_left_out(blocks, every, first):
    _checked(blocks, every)
    return list(range(0, blocks, every))


def _always_the_last(blocks, every, first):
    _checked(blocks, every)
    return [block for block in range(blocks) if (block + 1) % every == 0]


def _from_one(blocks, every, first):
    return [block + 1 for block in reference(blocks, every, first)]


def _short_stretch_without(blocks, every, first):
    _checked(blocks, every)
    return [first + number * every for number in range(blocks // every)]


def _one_too_many(blocks, every, first):
    _checked(blocks, every)
    return list(range(first, blocks + 1, every))


def _last_block_left_out(blocks, every, first):
    _checked(blocks, every)
    return list(range(first, blocks - 1, every))


def _every_layers(blocks, every, first):
    _checked(blocks, every)
    return [first + number * (blocks // every) for number in range(every)]


def _all_from_first(blocks, every, first):
    _checked(blocks, every)
    return list(range(first, blocks))


def _has_to_divide(blocks, every, first):
    _checked(blocks, every)
    if blocks % every:
        raise ValueError(f"{blocks} is not a multiple of {every}")
    return list(range(first, blocks, every))


def _unchecked(blocks, every, first):
    if every < 1:
        raise ValueError(f"every={every}")
    return list(range(first, blocks, every))


def _step_raises(blocks, every, first):
    if every > blocks:
        raise ValueError(f"every={every}")
    return list(range(first, blocks, every))


def _no_numbers(blocks, every, first):
    if not 1 <= every <= blocks:
        raise ValueError("every is out of bounds")
    return list(range(first, blocks, every))


def _asserts(blocks, every, first):
    assert 1 <= every <= blocks
    return list(range(first, blocks, every))


def _flags(blocks, every, first):
    _checked(blocks, every)
    return [block % every == first for block in range(blocks)]


def _cases() -> list[Case]:
    return [
        Case("4 blocks, every 2nd, from the first on", (4, 2, 0)),
        Case("4 blocks, every one", (4, 1, 0)),
        Case("8 blocks, every 4th, from block 3 on", (8, 4, 3)),
        Case("the paper's 80 blocks, every 7th", (80, 7, 0)),
        Case("10 blocks, every 4th, from block 3 on", (10, 4, 3)),
        Case("6 blocks, every 5th, from the first on", (6, 5, 0)),
        Case("4 blocks, every 5th", (4, 5, 0)),
        Case("4 blocks, every -3rd", (4, -3, 0)),
        Case("4 blocks, every 0th", (4, 0, 0)),
    ]


EXERCISE = Exercise(
    objective="05.2",
    title="where the layers stand",
    difficulty=1,
    minutes=5,
    contract=(
        "`blocks` is how many blocks the language model has, `every` is n: a gated layer stands "
        "in front of every n-th block. `first` is the block with the first layer, counted from 0, "
        "at most n - 1: 0 in Flamingo and Idefics, n - 1 in OpenFlamingo.",
        "Gives a list of the blocks with a layer in front, counted from 0, in order.",
        "n need not divide the blocks. The paper's largest model has 80, and a layer in front of "
        "every 7th.",
        "Raises a `ValueError` for an n below 1, or above the number of blocks. Its message names "
        "n, as digits.",
    ),
    hints=(
        "Write down the eight blocks 0 to 7 and mark every third from block 0 on. Is there one "
        "with fewer than three blocks behind it? It stands there all the same.",
        "First look whether n can be meant, and raise with its value if not. Then count from "
        "`first` on in steps of n, and stop before the number of blocks.",
        "`range(start, stop, step)` counts, and never gives `stop` itself. A step of 0 is an error "
        "of its own kind, whose message does not know what n is; so look before.",
    ),
    solution=layer_places,
    reference=reference,
    cases=_cases,
    run=_run,
    mistakes=(
        Mistake(
            _first_left_out,
            "`first` says where it begins",
            "the count always begins at block 0: right for Flamingo, not for OpenFlamingo",
        ),
        Mistake(
            _always_the_last,
            "`first` says where it begins",
            "the layers always stand before the last block of a stretch, as in OpenFlamingo",
        ),
        Mistake(_from_one, "blocks count from 0", "the blocks are counted from 1"),
        Mistake(
            _short_stretch_without,
            "a short stretch has its layer too",
            "the division was rounded down: 80 blocks have 12 layers in the paper, not 11",
        ),
        Mistake(
            _one_too_many,
            "a layer stands before a block",
            "the count includes the number of blocks itself, and no block has that number",
        ),
        Mistake(_last_block_left_out, "the last block counts", "the last block was left out"),
        Mistake(
            _every_layers,
            "n is a distance",
            "n was taken for the number of layers; it is how far one is from the next",
        ),
        Mistake(_all_from_first, "every n-th", "every block from the first on has a layer"),
        Mistake(
            _has_to_divide,
            "n need not divide the blocks",
            "it refuses an n that does not divide, and with it the paper's own largest model",
        ),
        Mistake(
            _unchecked,
            "an n above the number of blocks raises",
            "a larger n than blocks gives one layer, or none, and nobody is told",
        ),
        Mistake(
            _step_raises,
            "an n below 1 raises",
            "0 fails in `range` with a message about its step, and a negative n gives no layer",
        ),
        Mistake(
            _no_numbers,
            "the message names n",
            "it raises, but whoever reads the message cannot tell what n was",
        ),
        Mistake(
            _asserts,
            "a wrong n raises a ValueError",
            "`assert` raises an AssertionError, and with `python -O` nothing at all",
        ),
        Mistake(_flags, "numbers of blocks", "this says of every block whether it has a layer"),
    ),
)
