"""Several processes, several passes: what each pass's mean loss is multiplied by."""

from typing import Any

import torch

from course_lib.teach.task import Case, Exercise, Mistake, call


def ddp_factors(words: list[list[int]]) -> list[list[float]]:
    """Returns a factor for the loss of every pass of every process."""
    total = sum(map(sum, words))
    if total == 0:
        raise ValueError(f"{len(words)} processes and no labelled word among them.")
    return [[len(words) * count / total for count in own] for own in words]


def reference(words: list[list[int]]) -> list[list[float]]:
    """Lets every word have a gradient of 1, and asks how much of each pass's mean that takes."""
    counts = torch.tensor([count for own in words for count in own], dtype=torch.float64)
    if not counts.any():
        raise ValueError("no labelled word")
    shares = (counts / counts.sum()).tolist()
    return [[shares.pop(0) * len(words) for _ in own] for own in words]


def _run(answer: Any, case: Case) -> Any:
    """Without any word, the output is what was raised."""
    (words,) = case.args
    if any(map(any, words)):
        return call(answer, case)
    try:
        made = call(answer, case)
    except ValueError:
        return "raises ValueError"
    return made if made is ... else "raises nothing"


def _some(words):
    if not any(map(any, words)):
        raise ValueError
    return sum(map(sum, words))


def _shares(words):
    total = _some(words)
    return [[count / total for count in own] for own in words]


def _by_passes(words):
    _some(words)
    return [[1 / len(own) for _ in own] for own in words]


def _by_own_words(words):
    _some(words)
    return [[count / sum(own) if sum(own) else 0.0 for count in own] for own in words]


def _all_equal(words):
    _some(words)
    return [[1.0 for _ in own] for own in words]


def _one_over_all(words):
    total = _some(words)
    return [[1 / total if count else 0.0 for count in own] for own in words]


def _divided_once_more(words):
    total = _some(words)
    return [[count / total / len(words) for count in own] for own in words]


def _processes_twice(words):
    return [[len(words) * factor for factor in own] for own in ddp_factors(words)]


def _passes_for_processes(words):
    total = _some(words)
    return [[len(own) * count / total for count in own] for own in words]


def _all_passes(words):
    total, passes = _some(words), sum(map(len, words))
    return [[passes * count / total for count in own] for own in words]


def _in_a_row(words):
    return [factor for own in ddp_factors(words) for factor in own]


def _zero_in_silence(words):
    total = max(sum(map(sum, words)), 1)
    return [[len(words) * count / total for count in own] for own in words]


def _bare_counts(words):
    _some(words)
    return [[float(count) for count in own] for own in words]


EXERCISE = Exercise(
    objective="12.4",
    title="one loss from many processes",
    difficulty=3,
    minutes=10,
    contract=(
        "`words[p][m]` is how many labelled words pass `m` of process `p` has. Processes may have "
        "different numbers of passes, and a pass may have no labelled word.",
        "The model gives each pass the mean loss over its own words. A process adds up the "
        "gradients of its passes; then DDP takes the **mean** of the processes' gradients.",
        "Gives, in the same lists of lists, what each pass's loss has to be multiplied by, so that "
        "what comes out is the gradient of the mean over all labelled words of the step.",
        "A pass without words has the factor 0. Raises a `ValueError` when no pass has any.",
    ),
    hints=(
        "In a mean over all words, how much does a pass of 3 words weigh beside one of 1? And who "
        "divides once more, behind your back, by what?",
        "Add up the words of all passes of all processes. The share of a pass is its words over "
        "that total. DDP will divide the sum by the number of processes, so multiply by it first.",
        "`total = sum(map(sum, words))`, and `len(words)` is the number of processes. The factor "
        "is `len(words) * count / total`.",
    ),
    solution=ddp_factors,
    reference=reference,
    cases=lambda: [
        Case("2 processes, 1 pass each", ([[3], [1]],)),
        Case("2 processes, 2 passes each", ([[4, 2], [1, 3]],)),
        Case("3 processes with 3, 1 and 2 passes", ([[5, 0, 1], [4], [2, 8]],)),
        Case("1 process alone, 2 passes", ([[6, 2]],)),
        Case("no labelled word anywhere", ([[0, 0], [0]],)),
    ],
    run=_run,
    mistakes=(
        Mistake(
            _shares,
            "DDP takes a mean",
            "these are the shares of the words, right for one process alone: DDP divides by the "
            "number of processes, and the step comes out that much too small",
        ),
        Mistake(
            _by_passes,
            "words count, and not passes",
            "each pass got the same weight, which is what gradient accumulation does by default",
        ),
        Mistake(
            _by_own_words,
            "the words of all processes",
            "each process divided by its own words: a process with few of them has a say as loud "
            "as one with many",
        ),
        Mistake(
            _all_equal,
            "a mean over all words",
            "nothing was multiplied: the gradients of a process's passes add up to a larger step",
        ),
        Mistake(
            _one_over_all,
            "each pass's loss is a mean already",
            "that would be right for losses that are sums over words",
        ),
        Mistake(
            _divided_once_more,
            "DDP takes a mean",
            "DDP divides by the number of processes, and here that was done a second time",
        ),
        Mistake(_processes_twice, "once for DDP", "the number of processes is in it twice"),
        Mistake(
            _passes_for_processes,
            "processes are averaged, passes are added",
            "the number of a process's own passes was taken for the number of processes",
        ),
        Mistake(
            _all_passes,
            "processes are averaged, passes are added",
            "all passes were counted, as if DDP took the mean over those",
        ),
        Mistake(
            _in_a_row,
            "one list a process",
            "the factors stand in one row, so nobody knows whose they are",
        ),
        Mistake(
            _zero_in_silence,
            "nothing to learn raises",
            "a step without any labelled word passes with factors of 0, and nobody notices",
        ),
        Mistake(
            _bare_counts,
            "a mean over all words",
            "the losses were multiplied by words and never divided: the step grows with the batch",
        ),
    ),
)
