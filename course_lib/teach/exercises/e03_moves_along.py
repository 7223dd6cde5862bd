"""A permutation test: do the answers move along with the queries?"""

from collections.abc import Callable

import torch

from course_lib.teach.task import Case, Exercise, Mistake

Run = Callable[[torch.Tensor], torch.Tensor]


def moves_along(
    run: Callable[[torch.Tensor], torch.Tensor], queries: torch.Tensor, order: torch.Tensor
) -> bool:
    """Returns whether queries in another order get the same answers in that order."""
    before, after = run(queries), run(queries[order])
    return torch.allclose(after, before[order], atol=1e-5)


def reference(run: Run, queries: torch.Tensor, order: torch.Tensor) -> bool:
    """Follows each query to its new place, one after the other."""
    before, after = run(queries), run(queries[order])
    gaps = [(after[new] - before[old]).abs().max() for new, old in enumerate(order.tolist())]
    return bool(max(gaps) < 1e-4)


def _stay(run, queries, order):
    return torch.allclose(run(queries[order]), run(queries), atol=1e-5)


def _backwards(run, queries, order):
    return torch.allclose(run(queries[order]), run(queries)[order.argsort()], atol=1e-5)


def _input_left(run, queries, order):
    return torch.allclose(run(queries)[order], run(queries), atol=1e-5)


def _with_itself(run, queries, order):
    return torch.allclose(run(queries[order]), run(queries[order]), atol=1e-5)


def _totals(run, queries, order):
    return torch.allclose(run(queries[order]).sum(dim=0), run(queries).sum(dim=0), atol=1e-4)


def _cases() -> list[Case]:
    chance = torch.Generator().manual_seed(0)
    patches = torch.randn(5, 4, generator=chance)
    two, three = (torch.randn(count, 4, generator=chance) for count in (2, 3))

    def look(queries):
        return (queries @ patches.T).softmax(dim=-1) @ patches

    def numbered(queries):
        return look(queries + torch.arange(len(queries))[:, None])

    def sort(queries):
        return queries[queries[:, 0].argsort()]

    swap, turn = torch.tensor([1, 0]), torch.tensor([1, 2, 0])
    return [
        Case("2 queries that read patches, exchanged", (look, two, swap)),
        Case("3 queries that read patches, each moved up by one", (look, three, turn)),
        Case("2 queries that get their place added, exchanged", (numbered, two, swap)),
        Case("3 answers that come sorted, each query moved up by one", (sort, three, turn)),
        Case("3 answers that are all the same", (lambda q: 0 * q, three, turn)),
    ]


EXERCISE = Exercise(
    objective="03.3",
    title="do the answers move along?",
    difficulty=2,
    minutes=8,
    contract=(
        "`run` maps queries (Q, d) to answers (Q, d). `order` is a permutation (Q,): the queries "
        "in the new order are `queries[order]`.",
        "True where queries in the new order get the same answers in the new order, each to 1e-5; "
        "else False.",
        "It tests $f(P Z_0) = P f(Z_0)$ for any function, not only for a Q-Former.",
    ),
    hints=(
        "Two things can be done to the queries: run them, or put them in order. The question is "
        "whether it matters which of the two comes first.",
        "Run the queries as they are and order the answers. Order the queries and run them. Then "
        "compare, row by row, with room for rounding.",
        "`run(queries)[order]` is the right side of the equation. Write the left side the same "
        "way, and give both to `torch.allclose(…, …, atol=1e-5)`.",
    ),
    solution=moves_along,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _stay,
            "answers follow their queries",
            "this asks whether the answers stay where they are, which is another property",
        ),
        Mistake(
            _backwards,
            "answers follow their queries",
            "the answers were put in the opposite order; two exchanged queries do not show it",
        ),
        Mistake(
            _input_left,
            "the queries are moved too",
            "the function ran only on the old order, so it was never tested with another",
        ),
        Mistake(
            _with_itself,
            "the test can fail",
            "the same thing was computed twice and compared with itself: it would always be True",
        ),
        Mistake(
            _totals,
            "each answer is compared",
            "only the sums are compared, and a sum does not notice which query got which answer",
        ),
    ),
)
