"""One block of the Q-Former: shared self-attention, cross-attention and FFN for queries only.

Letters: B batch, Q queries, T text tokens, S = Q + T, N patches, H width of the Q-Former (hidden).
"""

import torch
from torch import nn
from torch.nn import functional as F

from course_lib.vpg.attention import KeyValue, MultiHeadAttention


class FeedForward(nn.Module):
    """BERT's feed-forward block with its residual: norm(x + down(gelu(up(x)))), exact GELU.

    Args:
        hidden_size: width of the tokens.
        intermediate_size: width inside.
        layer_norm_eps: epsilon of the norm that ends the block.
        dropout: share of the output dropped while training, before the residual is added.
    """

    def __init__(
        self, hidden_size: int, intermediate_size: int, layer_norm_eps: float, dropout: float
    ) -> None:
        super().__init__()
        self.up = nn.Linear(hidden_size, intermediate_size)
        self.down = nn.Linear(intermediate_size, hidden_size)
        self.norm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Maps (B, T, H) to (B, T, H)."""
        return self.norm(hidden + self.dropout(self.down(F.gelu(self.up(hidden)))))


class QFormerLayer(nn.Module):
    """The block of BLIP-2, section 3.1 and figure 2 (`BertLayer` in LAVIS's Qformer.py).

    Queries and text share self-attention; only queries read the image; each has an FFN of its own.
    Every sub-block ends with its LayerNorm (post-norm), as in BERT.

    Args:
        config: a `QFormerConfig`.
        cross_attention: whether the queries read the image in this block.
    """

    def __init__(self, config, cross_attention: bool) -> None:
        super().__init__()
        width, eps = config.hidden_size, config.layer_norm_eps
        heads, dropout = config.num_attention_heads, config.dropout
        self.self_attention = MultiHeadAttention(width, width, heads, dropout)
        self.self_attention_norm = nn.LayerNorm(width, eps=eps)
        self.cross_attention = self.cross_attention_norm = None
        if cross_attention:
            image_width = config.encoder_hidden_size
            self.cross_attention = MultiHeadAttention(width, image_width, heads, dropout)
            self.cross_attention_norm = nn.LayerNorm(width, eps=eps)
        self.query_ffn = FeedForward(width, config.intermediate_size, eps, dropout)
        self.text_ffn = None
        if config.use_text:
            self.text_ffn = FeedForward(width, config.intermediate_size, eps, dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        hidden: torch.Tensor,
        num_queries: int,
        image: torch.Tensor | None = None,
        image_norm: nn.LayerNorm | None = None,
        mask: torch.Tensor | None = None,
        past: KeyValue | None = None,
        wanted: int | None = None,
    ) -> tuple[torch.Tensor, KeyValue]:
        """Lets tokens read one another, then the queries the image.

        Args:
            hidden: (B, S, H), queries first; (1, Q, H) for queries that are still the same.
            num_queries: Q; 0 for text alone.
            image: (B, N, E) patch features of mean 0 and variance 1; needed when Q > 0.
            image_norm: the norm whose weight and bias they still lack (see `project_kv`).
            mask: True = may attend, (B or 1, 1, S, past + S); None = everything.
            past: keys and values (B, heads, past, K) that come before this sequence.
            wanted: how many tokens, from the first on, are worked out; all are read. None = all.

        Returns:
            (hidden (B, S or wanted, H), keys and values of this sequence alone).
        """
        own = self.self_attention.project_kv(hidden)
        read = own
        if past is not None:
            past = [part.expand(hidden.shape[0], -1, -1, -1) for part in past]
            read = tuple(torch.cat(pair, dim=2) for pair in zip(past, own, strict=True))
        if wanted is not None:
            hidden, mask = hidden[:, :wanted], None if mask is None else mask[:, :, :wanted]
        mixed = self.self_attention.attend(hidden, read, mask)
        hidden = self.self_attention_norm(hidden + self.dropout(mixed))
        if num_queries == 0:
            return self.text_ffn(hidden), own
        queries, text = hidden[:, :num_queries], hidden[:, num_queries:]
        if self.cross_attention is not None:
            patches = self.cross_attention.project_kv(image, image_norm)
            seen = self.cross_attention.attend(queries, patches)
            queries = self.cross_attention_norm(queries + self.dropout(seen))
        queries = self.query_ffn(queries)
        if text.shape[1] == 0:
            return queries, own
        return torch.cat([queries, self.text_ffn(text)], dim=1), own
