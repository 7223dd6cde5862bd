"""What queries read from patches: scores, softmax, mixture."""

import math

import torch
from torch.nn import functional as F

from course_lib.teach.task import Case, Exercise, Mistake


def read_patches(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns what each query brings back, (Q, K), and its attention weights, (Q, N)."""
    attn_scores = queries @ keys.T / math.sqrt(queries.shape[-1])
    attn_weights = attn_scores.softmax(dim=-1)
    return attn_weights @ values, attn_weights


def reference(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """torch's fused attention; values that mark their own patch make it show the weights."""
    marks = torch.eye(len(keys), dtype=values.dtype)
    mixed, weights = (
        F.scaled_dot_product_attention(queries[None], keys[None], brought[None])[0]
        for brought in (values, marks)
    )
    return mixed, weights


def _unscaled(queries, keys, values):
    weights = (queries @ keys.T).softmax(dim=-1)
    return weights @ values, weights


def _no_root(queries, keys, values):
    weights = (queries @ keys.T / queries.shape[-1]).softmax(dim=-1)
    return weights @ values, weights


def _over_queries(queries, keys, values):
    weights = (queries @ keys.T / math.sqrt(queries.shape[-1])).softmax(dim=0)
    return weights @ values, weights


def _no_softmax(queries, keys, values):
    weights = queries @ keys.T / math.sqrt(queries.shape[-1])
    return weights @ values, weights


def _scaled_late(queries, keys, values):
    weights = (queries @ keys.T).softmax(dim=-1) / math.sqrt(queries.shape[-1])
    return weights @ values, weights


def _brings_keys(queries, keys, values):
    _, weights = read_patches(queries, keys, values)
    return weights @ keys, weights


def _cases() -> list[Case]:
    def inputs(num_queries: int, num_patches: int, width: int, seed: int) -> tuple:
        chance = torch.Generator().manual_seed(seed)
        rows = (num_queries, num_patches, num_patches)
        return tuple(torch.randn(count, width, generator=chance) for count in rows)

    return [
        Case("1 query and 3 patches of 4 numbers", inputs(1, 3, 4, seed=0)),
        Case("3 queries and 5 patches of 8 numbers", inputs(3, 5, 8, seed=1)),
    ]


EXERCISE = Exercise(
    objective="03.1",
    title="all queries at once",
    difficulty=1,
    minutes=6,
    contract=(
        "`queries` are (Q, K), `keys` and `values` (N, K): they went through their matrices "
        "already.",
        "Gives two tensors: the answers (Q, K) first, the attention weights (Q, N) second.",
        "Row q is what the loop above would bring back for query q; no loop is needed.",
    ),
    hints=(
        "The loop did three things: a score for each patch, a softmax over the patches, a sum of "
        "values. Which of them is a matrix product when there is a row for each query?",
        "All dot products of queries and keys make a table (Q, N). Divide it as the formula says, "
        "let each row of it sum to 1, and multiply the table by the values.",
        "`queries @ keys.T` is the table. The softmax runs along the patches, which are its last "
        "axis: `.softmax(dim=-1)`. Divide before it, by the root of `queries.shape[-1]`.",
    ),
    solution=read_patches,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _unscaled,
            "the scores keep their size",
            "the scores go into the softmax as they are, and it comes out too sure of itself",
        ),
        Mistake(
            _no_root,
            "the scores keep their size",
            "the scores were divided by the width itself, so all weights are nearly alike",
        ),
        Mistake(
            _over_queries,
            "the weights of a query sum to 1",
            "the softmax runs over the queries, as if they had to share each patch",
        ),
        Mistake(
            _no_softmax,
            "the weights of a query sum to 1",
            "scores were used as weights: they may be negative and sum to anything",
        ),
        Mistake(
            _scaled_late,
            "the weights of a query sum to 1",
            "the division comes after the softmax, where it only makes the answer smaller",
        ),
        Mistake(
            _brings_keys,
            "the answer is made of values",
            "keys were mixed: they say how a patch is found, not what it gives",
        ),
    ),
)
