"""One block of a vision transformer: who is normalised, and what is added to what."""

from collections.abc import Callable

import torch

from course_lib.teach.task import Case, Exercise, Mistake

Part = Callable[[torch.Tensor], torch.Tensor]


def encoder_block(hidden: torch.Tensor, attend, mlp, norm1, norm2) -> torch.Tensor:
    """Returns (B, N, E): the vectors after one block."""
    hidden = hidden + attend(norm1(hidden))
    return hidden + mlp(norm2(hidden))


def reference(
    hidden: torch.Tensor, attend: Part, mlp: Part, norm1: Part, norm2: Part
) -> torch.Tensor:
    """Keeps a list of contributions; each part reads the normalised sum of those before it."""
    stream = [hidden]
    for part, norm in ((attend, norm1), (mlp, norm2)):
        stream.append(part(norm(torch.stack(stream).sum(dim=0))))
    return torch.stack(stream).sum(dim=0)


def _post_norm(hidden, attend, mlp, norm1, norm2):
    hidden = norm1(hidden + attend(hidden))
    return norm2(hidden + mlp(hidden))


def _replaced(hidden, attend, mlp, norm1, norm2):
    return mlp(norm2(attend(norm1(hidden))))


def _attention_replaces(hidden, attend, mlp, norm1, norm2):
    hidden = attend(norm1(hidden))
    return hidden + mlp(norm2(hidden))


def _mlp_replaces(hidden, attend, mlp, norm1, norm2):
    return mlp(norm2(hidden + attend(norm1(hidden))))


def _no_norm(hidden, attend, mlp, norm1, norm2):
    hidden = hidden + attend(hidden)
    return hidden + mlp(hidden)


def _side_by_side(hidden, attend, mlp, norm1, norm2):
    return hidden + attend(norm1(hidden)) + mlp(norm2(hidden))


def _norms_exchanged(hidden, attend, mlp, norm1, norm2):
    hidden = hidden + attend(norm2(hidden))
    return hidden + mlp(norm1(hidden))


def _no_second_norm(hidden, attend, mlp, norm1, norm2):
    hidden = hidden + attend(norm1(hidden))
    return hidden + mlp(hidden)


def _adds_the_norm(hidden, attend, mlp, norm1, norm2):
    normed = norm1(hidden)
    hidden = normed + attend(normed)
    normed = norm2(hidden)
    return normed + mlp(normed)


def _mlp_first(hidden, attend, mlp, norm1, norm2):
    hidden = hidden + mlp(norm2(hidden))
    return hidden + attend(norm1(hidden))


def _mean_of_all(hidden: torch.Tensor) -> torch.Tensor:
    """A stand-in for attention: everyone reads the mean of all, turned round."""
    return hidden.mean(dim=1, keepdim=True).flip(-1).expand_as(hidden)


def _bend(hidden: torch.Tensor) -> torch.Tensor:
    """A stand-in for the MLP."""
    return torch.tanh(1.5 * hidden.roll(1, -1)) - 0.3


def _norm(scale: float, shift: float) -> Part:
    def norm(hidden: torch.Tensor) -> torch.Tensor:
        centred = hidden - hidden.mean(dim=-1, keepdim=True)
        return scale * centred / (centred.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt() + shift

    return norm


def _cases() -> list[Case]:
    chance = torch.Generator().manual_seed(0)
    parts = (_mean_of_all, _bend, _norm(1.0, 0.2), _norm(0.6, -0.1))
    small, large = (torch.randn(*shape, 4, generator=chance) for shape in ((1, 1), (2, 3)))
    return [
        Case("1 vector", (small, *parts)),
        Case("2 pictures of 3 vectors", (large, *parts)),
    ]


EXERCISE = Exercise(
    objective="01.3",
    title="one block of the encoder",
    difficulty=2,
    minutes=8,
    contract=(
        "`hidden` is (B, N, E); gives the vectors after the block, of the same shape.",
        "`attend`, `mlp`, `norm1` and `norm2` are functions of (B, N, E) to (B, N, E).",
        "Follow the two equations above: `norm1` belongs to `attend`, `norm2` to `mlp`, and both "
        "parts *add* to what was there.",
    ),
    hints=(
        "A block is the same move twice: what was there, plus what a part makes of the normalised "
        "vectors. The sum itself is never normalised.",
        "Normalise with the first norm, attend, add to the vectors that came in. Normalise the "
        "*result* with the second norm, put it through the MLP, add again.",
        "`hidden = hidden + attend(norm1(hidden))` is half of it. The second half reads the new "
        "`hidden`.",
    ),
    solution=encoder_block,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _post_norm,
            "the norm comes first",
            "this is post-norm, as in BERT: the sum was normalised, not what a part reads",
        ),
        Mistake(
            _replaced,
            "a part adds to what was there",
            "the part's result replaces the vectors, so what a patch was before is lost",
        ),
        Mistake(
            _attention_replaces,
            "attention adds to what was there",
            "what attention brought replaces the vectors that came in",
        ),
        Mistake(
            _mlp_replaces,
            "the MLP adds to what was there",
            "what the MLP gives replaces the first sum",
        ),
        Mistake(
            _no_norm,
            "each part has its own norm",
            "both parts read vectors that were not normalised",
        ),
        Mistake(
            _side_by_side,
            "the MLP sees what attention brought",
            "both parts read the vectors that came in; the MLP has to read the first sum",
        ),
        Mistake(
            _norms_exchanged,
            "each part has its own norm",
            "the two norms are exchanged",
        ),
        Mistake(
            _no_second_norm,
            "each part has its own norm",
            "the MLP read vectors that were not normalised",
        ),
        Mistake(
            _adds_the_norm,
            "the sum keeps the vectors themselves",
            "a part was added to the normalised vectors, so the old ones are lost",
        ),
        Mistake(
            _mlp_first,
            "attention comes first",
            "the order of the two parts is exchanged",
        ),
    ),
)
