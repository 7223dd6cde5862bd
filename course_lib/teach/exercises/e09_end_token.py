"""The end token: one learned vector behind the visual tokens of every image."""

from typing import Any

import torch

from course_lib.teach.task import Case, Exercise, Mistake, call


def end_token(queries: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
    """Returns (B, Q + 1, D): the projected queries (B, Q, D) and `end` (1, 1, D) behind them."""
    ends = end.expand(len(queries), -1, -1)  # (B, 1, D), no copy
    return torch.cat([queries, ends], dim=1)


def reference(queries: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
    """Image by image, row by row."""
    images = [torch.stack([*image, end[0, 0]]) for image in queries]
    return torch.stack(images)


def _run(answer: Any, case: Case) -> Any:
    """Also tells what the end token gets for a gradient when all places ask for more."""
    queries, end = (tensor.clone().requires_grad_() for tensor in case.args)
    made = call(answer, Case(case.says, (queries, end)))
    if not isinstance(made, torch.Tensor):
        return made
    if made.requires_grad:
        made.sum().backward()
    gradient = torch.zeros_like(end) if end.grad is None else end.grad
    return {"tokens": made.detach(), "gradient of the end token": gradient}


def _in_front(queries, end):
    return torch.cat([end.expand(len(queries), -1, -1), queries], dim=1)


def _both_ends(queries, end):
    ends = end.expand(len(queries), -1, -1)
    return torch.cat([ends, queries, ends], dim=1)


def _instead_of_the_last(queries, end):
    return torch.cat([queries[:, :-1], end.expand(len(queries), -1, -1)], dim=1)


def _for_one_image(queries, end):
    return torch.cat([queries, end], dim=1)


def _behind_each(queries, end):
    pairs = torch.stack([queries, end.expand_as(queries)], dim=2)
    return pairs.flatten(1, 2)


def _added(queries, end):
    return queries + end


def _zeros(queries, end):
    return torch.cat([queries, torch.zeros_like(queries[:, :1])], dim=1)


def _detached(queries, end):
    return torch.cat([queries, end.detach().expand(len(queries), -1, -1)], dim=1)


def _copied(queries, end):
    return torch.cat([queries, torch.ones_like(queries[:, :1]) * end[0, 0].mean()], dim=1)


def _last_image_alone(queries, end):
    zeros = torch.zeros_like(queries[:, :1])
    ends = torch.cat([zeros[:-1], end])
    return torch.cat([queries, ends], dim=1)


def _cases() -> list[Case]:
    chance = torch.Generator().manual_seed(0)
    one = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    two, wide = torch.randn(2, 3, 2, generator=chance), torch.randn(4, 1, 3, generator=chance)
    end = torch.tensor([[[9.0, -9.0]]])
    return [
        Case("an image of 2 queries", (one, end)),
        Case("2 images of 3 queries", (two, end)),
        Case("4 images of 1 query", (wide, torch.randn(1, 1, 3, generator=chance))),
    ]


EXERCISE = Exercise(
    objective="09.1",
    title="the end token",
    difficulty=1,
    minutes=5,
    contract=(
        "`queries` is (B, Q, D): the visual tokens of B images, projected to the width of the "
        "language model. `end` is (1, 1, D), one learned vector for all images.",
        "Gives (B, Q + 1, D): the Q tokens of each image as they are, and `end` behind them. There "
        "is no start token.",
        "The end token has to learn: the check also looks at the gradient that comes back to "
        "`end`, the sum of what all images send.",
    ),
    hints=(
        "The language model should see where a picture is over. Every picture ends alike, so one "
        "vector has to stand behind each of them, and it is the same tensor every time.",
        "Make (1, 1, D) look like (B, 1, D). Put it behind the queries along the axis of tokens, "
        "which is neither the first nor the last one.",
        "`end.expand(len(queries), -1, -1)` repeats the first axis without a copy, and gradients "
        "flow back through it and add up. `torch.cat([..., ...], dim=1)` joins along the tokens.",
    ),
    solution=end_token,
    reference=reference,
    cases=_cases,
    run=_run,
    mistakes=(
        Mistake(
            _in_front,
            "the token stands behind the image",
            "it stands in front, where a start token would be",
        ),
        Mistake(
            _both_ends,
            "one token more",
            "it stands in front and behind; there is no start token, and an image takes Q + 1",
        ),
        Mistake(
            _instead_of_the_last,
            "all queries stay",
            "the last query had to go for it: 64 queries fill 65 places, not 64",
        ),
        Mistake(
            _for_one_image,
            "every image gets one",
            "`end` has a row for one image, and `torch.cat` does not repeat it by itself",
        ),
        Mistake(
            _behind_each,
            "it stands behind the image",
            "it stands behind each query, and an image takes 2 Q places",
        ),
        Mistake(
            _added,
            "it is a token of its own",
            "it was added to every query, and no place marks the end",
        ),
        Mistake(
            _zeros,
            "the learned vector stands at the end",
            "zeros stand there, as padding would; what was learned is left out",
        ),
        Mistake(
            _detached,
            "the end token learns",
            "its values are right but no gradient comes back, so it would stay as it was drawn",
        ),
        Mistake(
            _copied,
            "all numbers of the vector",
            "one number, the mean of the vector, was spread over the whole width",
        ),
        Mistake(
            _last_image_alone,
            "every image gets one",
            "only the last image of the batch got the token, zeros end the others",
        ),
    ),
)
