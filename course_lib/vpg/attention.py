"""Multi-head attention: who reads (queries), who is read (keys and values), and how many heads.

Letters: B batch, Tq tokens that read, Tk tokens that are read, H heads, K width of one head.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

KeyValue = tuple[torch.Tensor, torch.Tensor]


def split_heads(hidden: torch.Tensor, num_heads: int) -> torch.Tensor:
    """Cuts (B, T, H*K) into heads (B, H, T, K)."""
    return hidden.unflatten(-1, (num_heads, -1)).transpose(1, 2)


def attention_weights(
    query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Computes the softmax weights that the fused kernel never shows, for looking inside.

    Args:
        query: (B, H, Tq, K).
        key: (B, H, Tk, K).
        mask: True = may attend, broadcastable to (B, H, Tq, Tk); None = everything.

    Returns:
        (B, H, Tq, Tk), each row sums to 1.
    """
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return scores.softmax(dim=-1)


def _project(linear: nn.Linear, states: torch.Tensor, norm: nn.LayerNorm | None) -> torch.Tensor:
    if norm is None:
        return linear(states)
    weight, bias = linear.weight * norm.weight, F.linear(norm.bias, linear.weight, linear.bias)
    return F.linear(states, weight, bias)


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention in several heads, with the projection that mixes them again.

    Self-attention reads its own sequence; cross-attention reads another one, of its own width.
    The same as `BertSelfAttention` with the dense layer of `BertSelfOutput` in LAVIS's Qformer.py;
    we call torch's fused kernel, which never stores the (Tq, Tk) weights.

    Args:
        query_dim: width of the tokens that read, and of the result.
        kv_dim: width of the tokens that are read; equal to query_dim for self-attention.
        num_heads: H; must divide query_dim.
        dropout: share of attention weights dropped while training.

    Raises:
        ValueError: when num_heads does not divide query_dim.
    """

    def __init__(self, query_dim: int, kv_dim: int, num_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if query_dim % num_heads:
            raise ValueError(
                f"A width of {query_dim} cannot be cut into {num_heads} equal heads: choose a "
                "number of heads that divides it."
            )
        self.num_heads, self.dropout = num_heads, dropout
        self.q_proj = nn.Linear(query_dim, query_dim)
        self.k_proj = nn.Linear(kv_dim, query_dim)
        self.v_proj = nn.Linear(kv_dim, query_dim)
        self.out_proj = nn.Linear(query_dim, query_dim)

    def project_kv(self, states: torch.Tensor, norm: nn.LayerNorm | None = None) -> KeyValue:
        """Computes keys and values.

        Args:
            states: (B, Tk, kv_dim).
            norm: a norm whose weight and bias `states` still lack. They are multiplied into the
                projections: W (w * x + b) = (W * w) x + W b. States of a frozen encoder then need
                no gradient, and the norm trains for almost nothing.

        Returns:
            Two tensors (B, H, Tk, K), worth keeping.
        """
        key, value = _project(self.k_proj, states, norm), _project(self.v_proj, states, norm)
        return split_heads(key, self.num_heads), split_heads(value, self.num_heads)

    def attend(
        self, hidden: torch.Tensor, key_value: KeyValue, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Reads keys and values that are there already; arguments as in `forward`.

        One row of `hidden` may read B rows of keys and values: the result then has B rows.
        """
        query = split_heads(self.q_proj(hidden), self.num_heads)
        query = query.expand(key_value[0].shape[0], -1, -1, -1)
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, *key_value, mask, dropout)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))

    def forward(
        self,
        hidden: torch.Tensor,
        kv_states: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Lets each token of `hidden` read `kv_states`.

        Args:
            hidden: (B, Tq, query_dim).
            kv_states: (B, Tk, kv_dim); None means `hidden` itself.
            mask: True = may attend, broadcastable to (B, H, Tq, Tk); None = everything.

        Returns:
            (B, Tq, query_dim).
        """
        key_value = self.project_kv(hidden if kv_states is None else kv_states)
        return self.attend(hidden, key_value, mask)

    def weights(
        self,
        hidden: torch.Tensor,
        kv_states: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Returns the attention weights (B, H, Tq, Tk) of the same call without dropout."""
        key, _ = self.project_kv(hidden if kv_states is None else kv_states)
        return attention_weights(split_heads(self.q_proj(hidden), self.num_heads), key, mask)
