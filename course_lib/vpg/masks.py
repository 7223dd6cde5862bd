"""Who may read whom in the Q-Former: the three masks of BLIP-2's stage 1.

Letters: B batch, Q queries, T text tokens, S = Q + T.
"""

import torch


def make_mask(mode: str, num_queries: int, attention_mask: torch.Tensor) -> torch.Tensor:
    """Builds one of the three self-attention masks of BLIP-2's stage 1 (section 3.2, figure 2).

    | mode | query reads query | query reads text | text reads query | text reads text |
    |------|-------------------|------------------|------------------|-----------------|
    | itc  | yes               | no               | no               | yes             |
    | itg  | yes               | no               | yes              | earlier and own |
    | itm  | yes               | yes              | yes              | yes             |

    LAVIS never builds the first two: it runs two passes for ITC, and hands the queries' keys and
    values to a causal text pass for ITG. The results are the same.

    Args:
        mode: "itc", "itg" or "itm".
        num_queries: Q.
        attention_mask: (B, T), 0 or False at padding.

    Returns:
        (B, S, S) bool, True = the row may attend to the column; padding is never read, except by
        itself where there is nothing else to read.

    Raises:
        ValueError: for another mode.
    """
    if mode not in ("itc", "itg", "itm"):
        raise ValueError(f"Unknown mask mode {mode!r}: choose 'itc', 'itg' or 'itm'.")
    batch, length = attention_mask.shape
    total = num_queries + length
    allowed = torch.ones(total, total, dtype=torch.bool, device=attention_mask.device)
    if mode in ("itc", "itg"):
        allowed[:num_queries, num_queries:] = False
    if mode == "itc":
        allowed[num_queries:, :num_queries] = False
    if mode == "itg":
        allowed[num_queries:, num_queries:] = allowed[num_queries:, num_queries:].tril()
    real = attention_mask.new_ones(batch, num_queries, dtype=torch.bool)
    real = torch.cat([real, attention_mask.bool()], dim=1)
    allowed = allowed & real[:, None, :]
    nothing = ~allowed.any(dim=-1, keepdim=True)
    return allowed | (nothing & torch.eye(total, dtype=torch.bool, device=allowed.device))
