"""Gated cross-attention of Flamingo: how a frozen language model learns to look, from zero on.

Letters: B batch, T text tokens, I images of a text, Q visual tokens of an image, E their width,
D width of the language model, H heads, K width of one head.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from course_lib.vpg.attention import KeyValue
from course_lib.vpg.flamingo_blocks import FreeWidthAttention, MakeNorm, PreNormFeedForward

NORMS: dict[str, type[nn.Module]] = {"layer_norm": nn.LayerNorm, "rms_norm": nn.RMSNorm}


@dataclass(frozen=True)
class CrossAttentionConfig:
    """Sizes and kind of gated layers; the defaults are Flamingo-3B's.

    | | Flamingo | OpenFlamingo | Idefics |
    |---|---|---|---|
    | norm | LayerNorm | LayerNorm | RMSNorm, epsilon 1e-6 |
    | norm before keys and values | yes | no: the resampler ends with one | no: the same |
    | norm of queries and keys by head | no | no | optional |
    | heads | 16, 32, 64 of 128: the width D | 8 of 64 | those of the language model |
    | feed-forward | 4 D, squared ReLU | 4 D, exact GELU | LLaMA's size, SwiGLU |
    | gates | one number each | one number each | one number, or D of them |
    | in front of blocks | 0, n, 2n, ... | n - 1, 2n - 1, ... | 0, n, 2n, ... |
    | n does not divide the blocks | the last stretch is shorter | it has no layer | breaks |
    | a text token reads | its last image | its last image, or all so far | its last image |
    | the image's own tag reads it | not told | yes | yes |
    | before the first image | zero | zero; in the mode "all" the mean of every image | zero |
    | behind the end of a packed document | not told | its last image | zero |

    Ours: the tag reads its image, text before the first image gets zero in both modes, and packed
    documents are not told apart. No projection has a bias; the paper does not tell.

    Sources: arXiv 2204.14198, v1 sections 3.1.2 and 3.1.3, figure 5 and table 1, v2 table 4;
    OpenFlamingo's src/helpers.py and src/flamingo_lm.py; transformers'
    models/idefics/modeling_idefics.py and processing_idefics.py.

    Args:
        hidden_size: D.
        visual_size: E.
        num_attention_heads: H.
        head_dim: K.
        intermediate_size: width inside the feed-forward.
        every: n, a layer in front of every n-th block.
        first: the block with the first layer, counted from 0.
        activation: of the feed-forward, see `flamingo_blocks.ACTIVATIONS`.
        norm: "layer_norm" or "rms_norm".
        norm_eps: epsilon of every norm.
        norm_visual: whether visual tokens are normed before keys and values are made of them.
        qk_norm: whether queries and keys are normed head by head.
        vector_gates: D gates instead of one.
        reads: "last" image or "all" images so far.

    Raises:
        ValueError: for values that cannot be meant.
    """

    hidden_size: int = 2048
    visual_size: int = 1536
    num_attention_heads: int = 16
    head_dim: int = 128
    intermediate_size: int = 8192
    every: int = 1
    first: int = 0
    activation: str = "squared_relu"
    norm: str = "layer_norm"
    norm_eps: float = 1e-5
    norm_visual: bool = True
    qk_norm: bool = False
    vector_gates: bool = False
    reads: str = "last"

    def __post_init__(self) -> None:
        if self.norm not in NORMS:
            raise ValueError(f"Unknown norm {self.norm!r}: choose 'layer_norm' or 'rms_norm'.")
        if self.reads not in ("last", "all"):
            raise ValueError(f"reads={self.reads!r}: a token reads the 'last' image or 'all'.")
        if self.every < 1 or not 0 <= self.first < self.every:
            raise ValueError(
                f"every={self.every}, first={self.first}: a layer stands in front of every n-th "
                "block, n at least 1, and the first within the first n blocks (0 to n - 1)."
            )

    @classmethod
    def open_flamingo(
        cls, hidden_size: int, every: int = 1, visual_size: int = 1024
    ) -> CrossAttentionConfig:
        """Returns OpenFlamingo's: 2048 and 1 for 3B, 2560 and 2 for 4B, 4096 and 4 for 9B."""
        return cls(
            hidden_size=hidden_size,
            visual_size=visual_size,
            num_attention_heads=8,
            head_dim=64,
            intermediate_size=4 * hidden_size,
            every=every,
            first=every - 1,
            activation="gelu",
            norm_visual=False,
        )

    @classmethod
    def idefics(
        cls,
        hidden_size: int = 4096,
        num_attention_heads: int = 32,
        intermediate_size: int = 11008,
        every: int = 1,
        visual_size: int = 1280,
        qk_norm: bool = False,
        vector_gates: bool = False,
    ) -> CrossAttentionConfig:
        """Returns that of Idefics 1; width, heads and feed-forward are its LLaMA's."""
        return cls(
            hidden_size=hidden_size,
            visual_size=visual_size,
            num_attention_heads=num_attention_heads,
            head_dim=hidden_size // num_attention_heads,
            intermediate_size=intermediate_size,
            every=every,
            activation="swiglu",
            norm="rms_norm",
            norm_eps=1e-6,
            norm_visual=False,
            qk_norm=qk_norm,
            vector_gates=vector_gates,
        )

    def places(self, num_blocks: int) -> tuple[int, ...]:
        """Returns the blocks that get a layer in front, counted from 0.

        n need not divide the blocks: the paper puts one in front of every 7th of 80 (12 layers).

        Raises:
            ValueError: when there are fewer blocks than n.
        """
        if self.every > num_blocks:
            raise ValueError(
                f"A layer in front of every {self.every} blocks was asked for, and the language "
                f"model has {num_blocks}: choose every at most {num_blocks}."
            )
        return tuple(range(self.first, num_blocks, self.every))


class GatedCrossAttention(nn.Module):
    """GATED XATTN-DENSE: what stands in front of a frozen block (Flamingo, section 3.1.2).

    y = y + tanh(a) * attention(q = y, kv = x);  y = y + tanh(b) * feed_forward(y)

    Both gates start at zero, so that y leaves as it came, to the last bit. The same as
    `GatedCrossAttentionBlock` in OpenFlamingo's helpers.py and `IdeficsGatedCrossAttentionLayer` in
    transformers, for their configurations.

    Args:
        config: sizes and kind.
    """

    def __init__(self, config: CrossAttentionConfig) -> None:
        super().__init__()
        width, gates = config.hidden_size, config.hidden_size if config.vector_gates else 1
        norm: MakeNorm = partial(NORMS[config.norm], eps=config.norm_eps)
        self.norm = norm(width)
        self.visual_norm = norm(config.visual_size) if config.norm_visual else None
        self.attention = FreeWidthAttention(
            width,
            config.visual_size,
            config.num_attention_heads,
            config.head_dim,
            norm if config.qk_norm else None,
        )
        self.attention_gate = nn.Parameter(torch.zeros(gates))
        self.feed_forward = PreNormFeedForward(
            width, config.intermediate_size, config.activation, norm
        )
        self.feed_forward_gate = nn.Parameter(torch.zeros(gates))

    def project_visual(self, visual: torch.Tensor) -> KeyValue:
        """Computes keys and values of visual tokens: (images, Q, E) -> two (images, H, Q, K)."""
        visual = visual.to(self.norm.weight.dtype)
        if self.visual_norm is not None:
            visual = self.visual_norm(visual)
        return self.attention.project_kv(visual)

    def look(self, states: torch.Tensor, seen: KeyValue, mask: torch.Tensor) -> torch.Tensor:
        """Returns what cross-attention reads, (B, T, D), zero where the mask allows nothing."""
        blind = ~mask.any(dim=-1, keepdim=True)
        # A softmax over nothing is NaN: such a token reads everything, and then forgets it.
        mixed = self.attention.attend(states, seen, mask | blind)
        return mixed.masked_fill(blind[:, 0], 0.0)

    def forward(
        self,
        hidden: torch.Tensor,
        seen: KeyValue | None = None,
        mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Lets text read images, through the gates.

        Args:
            hidden: (B, T, D) from the language model, in whatever dtype.
            seen: keys and values (B, H, I * Q, K) of each text's images; None = no image at all.
            mask: (B, 1, T, I * Q) bool, True = may read; needed where `seen` is given.

        Returns:
            (B, T, D), in the dtype that came.
        """
        states = hidden.to(self.norm.weight.dtype)
        if seen is not None:
            looked = self.look(self.norm(states), seen, mask)
            states = states + self.attention_gate.tanh() * looked
        states = states + self.feed_forward_gate.tanh() * self.feed_forward(states)
        return states.to(hidden.dtype)
