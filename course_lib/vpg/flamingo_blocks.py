"""What the layers of Flamingo are made of: attention with heads of any width, and a feed-forward.

Resampler and gated cross-attention share these two. Neither has a bias, and both read what a norm
left (pre-norm), where the Q-Former's blocks end with theirs.

Letters: B batch, T tokens, H heads, K width of one head.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from course_lib.vpg.attention import MultiHeadAttention, split_heads

MakeNorm = Callable[[int], nn.Module]
ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "squared_relu": lambda x: F.relu(x).square(),
    "relu": F.relu,
    "gelu": F.gelu,
    "swiglu": F.silu,
}


class HeadProjection(nn.Linear):
    """A projection into heads, (..., in_dim) -> (..., H * K), that can norm each head.

    Args:
        in_dim: width of the tokens.
        num_heads: H.
        head_dim: K.
        head_norm: makes the norm over the K numbers of a head; None = none.
    """

    def __init__(
        self, in_dim: int, num_heads: int, head_dim: int, head_norm: MakeNorm | None = None
    ) -> None:
        super().__init__(in_dim, num_heads * head_dim, bias=False)
        self.num_heads = num_heads
        self.head_norm = None if head_norm is None else head_norm(head_dim)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Projects, then norms each head by itself where there is a norm."""
        projected = super().forward(states)
        if self.head_norm is None:
            return projected
        heads = self.head_norm(split_heads(projected, self.num_heads))
        return heads.transpose(1, 2).flatten(2)


class FreeWidthAttention(MultiHeadAttention):
    """`MultiHeadAttention` without biases, whose heads need not share the width of the reader.

    OpenFlamingo, for example, has 8 heads of 64 whatever the language model's width
    (`PerceiverAttention` and `MaskedCrossAttention` in its helpers.py). Everything but the
    projections is inherited.

    Args:
        query_dim: width of the tokens that read, and of the result.
        kv_dim: width of the tokens that are read.
        num_heads: H.
        head_dim: K.
        head_norm: makes a norm for queries and keys, head by head (Idefics); None = none.
    """

    def __init__(
        self,
        query_dim: int,
        kv_dim: int,
        num_heads: int,
        head_dim: int,
        head_norm: MakeNorm | None = None,
    ) -> None:
        nn.Module.__init__(self)  # the parent's projections are of another shape
        self.num_heads, self.dropout = num_heads, 0.0
        self.q_proj = HeadProjection(query_dim, num_heads, head_dim, head_norm)
        self.k_proj = HeadProjection(kv_dim, num_heads, head_dim, head_norm)
        self.v_proj = HeadProjection(kv_dim, num_heads, head_dim)
        self.out_proj = nn.Linear(num_heads * head_dim, query_dim, bias=False)


class PreNormFeedForward(nn.Module):
    """down(activation(up(norm(x)))), without the residual: the caller adds it, gated or not.

    "swiglu" is LLaMA's block, as Idefics has it: down(silu(gate(x)) * up(x)).

    Args:
        width: width of the tokens.
        intermediate_size: width inside.
        activation: one of `ACTIVATIONS`; the paper's is "squared_relu".
        norm: makes the norm that the tokens pass first.

    Raises:
        ValueError: for another activation.
    """

    def __init__(self, width: int, intermediate_size: int, activation: str, norm: MakeNorm) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            known = ", ".join(map(repr, ACTIVATIONS))
            raise ValueError(f"Unknown activation {activation!r}: choose one of {known}.")
        self.activation = ACTIVATIONS[activation]
        self.norm = norm(width)
        self.up = nn.Linear(width, intermediate_size, bias=False)
        self.gate = None
        if activation == "swiglu":
            self.gate = nn.Linear(width, intermediate_size, bias=False)
        self.down = nn.Linear(intermediate_size, width, bias=False)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Maps (B, T, width) to (B, T, width)."""
        hidden = self.norm(hidden)
        if self.gate is None:
            return self.down(self.activation(self.up(hidden)))
        return self.down(self.activation(self.gate(hidden)) * self.up(hidden))
