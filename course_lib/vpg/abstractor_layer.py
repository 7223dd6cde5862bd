"""One layer of mPLUG-Owl's visual abstractor: queries read queries and image in one softmax.

Letters: B images, Q queries, N image tokens (patches and CLS), E width of both, F inside the FFN.
"""

import torch
from torch import nn
from torch.nn import functional as F

from course_lib.vpg.attention import MultiHeadAttention


class GatedFeedForward(nn.Module):
    """LLaMA's gated FFN with a LayerNorm inside: down(norm(silu(gate(x)) * up(x))), all with bias.

    `MplugOwlVisualAbstractorMLP` in the released modeling_mplug_owl.py, where gate, up and down are
    w1, w3 and w2, and the norm is ffn_ln. LLaMA has neither that norm nor the biases.

    Args:
        hidden_size: E.
        intermediate_size: F.
        eps: epsilon of the norm inside.
    """

    def __init__(self, hidden_size: int, intermediate_size: int, eps: float) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(hidden_size, intermediate_size)
        self.up_proj = nn.Linear(hidden_size, intermediate_size)
        self.norm = nn.LayerNorm(intermediate_size, eps=eps)
        self.down_proj = nn.Linear(intermediate_size, hidden_size)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Maps (B, Q, E) to (B, Q, E)."""
        return self.down_proj(self.norm(F.silu(self.gate_proj(hidden)) * self.up_proj(hidden)))


class AbstractorLayer(nn.Module):
    """One attention, one FFN, and no self-attention of its own (`MplugOwlVisualAbstractorLayer`).

    The paper (arXiv 2304.14178, section 3.1) gives no equations; the released code computes

        q = query_norm(Q)              v = image_norm(V)            M = [q ; v]
        u = q + attention(q, M)        Q' = u + ffn(ffn_norm(u))

    so the residual starts from the normed queries q, and the raw ones never pass a layer. The
    released norms calculate in float32 whatever comes in, as torch's own kernels do.

    Args:
        config: an `AbstractorConfig`.
    """

    def __init__(self, config) -> None:
        super().__init__()
        width, eps = config.hidden_size, config.layer_norm_eps
        self.query_norm = nn.LayerNorm(width, eps=eps)
        self.image_norm = nn.LayerNorm(width, eps=eps)
        heads, dropout = config.num_attention_heads, config.dropout
        self.attention = MultiHeadAttention(width, width, heads, dropout)
        self.ffn_norm = nn.LayerNorm(width, eps=eps)
        self.ffn = GatedFeedForward(width, config.intermediate_size, config.ffn_norm_eps)

    def normed(
        self, queries: torch.Tensor, image: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Norms both sides and puts together what is read.

        Args:
            queries: (B, Q, E).
            image: (B, N, E).

        Returns:
            (q (B, Q, E), M (B, Q + N, E), queries first).
        """
        queries = self.query_norm(queries)
        return queries, torch.cat([queries, self.image_norm(image)], dim=1)

    def forward(self, queries: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """Lets the queries read themselves and the image: (B, Q, E), (B, N, E) -> (B, Q, E)."""
        queries, read = self.normed(queries, image)
        hidden = queries + self.attention(queries, read)
        return hidden + self.ffn(self.ffn_norm(hidden))

    def weights(self, queries: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """Returns the attention weights (B, heads, Q, Q + N), queries' columns first."""
        return self.attention.weights(*self.normed(queries, image))
