"""What attention says about a thing, measured against an even gaze."""

import torch

from course_lib.teach.task import Case, Exercise, Mistake


def fair_gaze(weights: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Returns (Q, things): a query's weight on a thing, relative to an even gaze."""
    looks = weights.mean(dim=0)[:, 1:]  # (Q, P): mean of the heads, without CLS
    looks = looks / looks.sum(dim=-1, keepdim=True)
    even = inside.mean(dim=0)  # (things,): the share of the patches
    return looks @ inside / even


def reference(weights: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Thing after thing: weight on a patch of it, over weight on a patch of anything."""
    on_patches = torch.einsum("hqn->qn", weights)[:, -len(inside) :]
    columns = []
    for box in inside.T:
        columns.append(on_patches[:, box.bool()].mean(dim=-1) / on_patches.mean(dim=-1))
    return torch.stack(columns, dim=1)


def _shared(looks, inside):
    return looks / looks.sum(dim=-1, keepdim=True) @ inside / inside.mean(dim=0)


def _with_cls(weights, inside):
    return weights.mean(dim=0)[:, 1:] @ inside / inside.mean(dim=0)


def _last_left_out(weights, inside):
    return _shared(weights.mean(dim=0)[:, :-1], inside)


def _no_yardstick(weights, inside):
    return fair_gaze(weights, inside) * inside.mean(dim=0)


def _mean_weight(weights, inside):
    return fair_gaze(weights, inside) / len(inside)


def _one_head(weights, inside):
    return _shared(weights[0, :, 1:], inside)


def _keenest_head(weights, inside):
    return _shared(weights.amax(dim=0)[:, 1:], inside)


def _heads_alone(weights, inside):
    looks = weights[..., 1:]
    return _shared((looks / looks.sum(dim=-1, keepdim=True)).mean(dim=0), inside)


def _over_queries(weights, inside):
    looks = weights.mean(dim=0)[:, 1:]
    return looks / looks.sum(dim=0, keepdim=True) @ inside / inside.mean(dim=0)


def _cases() -> list[Case]:
    chance = torch.Generator().manual_seed(0)

    def weights(heads: int, queries: int, patches: int) -> torch.Tensor:
        scores = 2 * torch.randn(heads, queries, 1 + patches, generator=chance)
        return scores.softmax(dim=-1)

    one = torch.tensor([[1.0], [0.0], [0.0]])
    two = torch.tensor([[1.0, 0], [1, 0], [0, 0], [0, 1], [0, 0], [1, 1]])
    return [
        Case("2 heads, 1 query, 3 patches, a thing on the first", (weights(2, 1, 3), one)),
        Case("4 heads, 3 queries, 6 patches, 2 things", (weights(4, 3, 6), two)),
    ]


EXERCISE = Exercise(
    objective="03.7",
    title="a fair reading of attention",
    difficulty=3,
    minutes=12,
    contract=(
        "`weights` are (H, Q, 1 + P), the attention of one layer on CLS, which comes first, and P "
        "patches; each row sums to 1. `inside` is (P, things), 1 where a patch lies in a thing's "
        "box and 0 elsewhere.",
        "Gives (Q, things): the mean of the heads, without CLS, each query's gaze on the patches "
        "brought back to the sum 1, summed in each box, divided by what an even gaze would give.",
        "An even gaze, the same weight on every patch, gives 1 for every thing, large or small.",
    ),
    hints=(
        "A large thing gets more of any gaze, even of one that looks at nothing in particular. So "
        "ask what a gaze without preference would put on the box, and divide by that.",
        "Average the heads. Drop the column of CLS and divide each row by what is left of it. Sum "
        "over the patches in each box: a matrix product. An even gaze puts on a box its share of "
        "the patches.",
        "`weights.mean(dim=0)[:, 1:]` is (Q, P), and its rows no longer sum to 1. "
        "`looks @ inside` is (Q, things). The share of the patches in each box is a mean of "
        "`inside` along one axis.",
    ),
    solution=fair_gaze,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _with_cls,
            "a gaze on patches sums to 1",
            "CLS was dropped but its weight is still missing: a query that reads CLS would seem "
            "to care less for every thing",
        ),
        Mistake(
            _last_left_out,
            "patch 0 stands behind CLS",
            "the wrong end was cut off, so every patch is taken for its neighbour",
        ),
        Mistake(
            _no_yardstick,
            "an even gaze gives 1",
            "this is the share of the gaze; of two things the larger one seems more interesting",
        ),
        Mistake(
            _mean_weight,
            "an even gaze gives 1",
            "this is the mean weight of a patch in the box, which shrinks as the picture is cut "
            "into more patches",
        ),
        Mistake(
            _one_head,
            "all heads count alike",
            "head 0 alone was read; another head may look elsewhere",
        ),
        Mistake(
            _keenest_head,
            "all heads count alike",
            "for each patch the keenest head was chosen, which makes any gaze look busy",
        ),
        Mistake(
            _heads_alone,
            "the mean of the heads comes first",
            "each head was brought to the sum 1 before the mean, so one that reads almost only CLS "
            "speaks as loud as the others",
        ),
        Mistake(
            _over_queries,
            "a gaze on patches sums to 1",
            "the sum was taken over the queries, as if they shared a patch between them",
        ),
    ),
)
