"""The perceiver resampler of Flamingo: learned latents read an image or a video, of any length.

Letters: B images or videos, F frames, N patches of a frame, Q latents, E width.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import nn
from torch.nn import functional

from course_lib.vpg.flamingo_blocks import FreeWidthAttention, PreNormFeedForward


@dataclass(frozen=True)
class ResamplerConfig:
    """Sizes of a resampler; the defaults are the paper's, `open_flamingo` and `idefics` the others.

    | | Flamingo | OpenFlamingo | Idefics |
    |---|---|---|---|
    | width, latents, blocks | 1536, 64, 6 | 1024, 64, 6 | 1280, 64, 6 |
    | heads | 16 of 96 | 8 of 64 | 16 of 96 |
    | activation | squared ReLU | exact GELU | ReLU |
    | norm at the end | not told; ours none, the gated layers norm what they read | yes | yes |
    | norm of queries and keys by head | no | no | optional |
    | time embeddings | 8 frames, stretched for more | none in the released models | none |

    Sources: arXiv 2204.14198, v1 section 3.1.1 and figure 4, v2 table 4; OpenFlamingo's
    src/helpers.py; transformers' models/idefics/perceiver.py.

    Args:
        hidden_size: E, width of the features, of the latents and of the result.
        num_latents: Q.
        num_hidden_layers: blocks.
        num_attention_heads: heads.
        head_dim: width of a head.
        intermediate_size: width inside the feed-forward; 4 E in all three.
        activation: see `flamingo_blocks.ACTIVATIONS`.
        max_frames: frames with a learned time embedding; 0 = images alone.
        final_norm: whether a norm ends the resampler.
        qk_norm: whether queries and keys are normed head by head.
        layer_norm_eps: epsilon of every norm.
    """

    hidden_size: int = 1536
    num_latents: int = 64
    num_hidden_layers: int = 6
    num_attention_heads: int = 16
    head_dim: int = 96
    intermediate_size: int = 6144
    activation: str = "squared_relu"
    max_frames: int = 8
    final_norm: bool = False
    qk_norm: bool = False
    layer_norm_eps: float = 1e-5

    @classmethod
    def open_flamingo(cls, hidden_size: int = 1024, max_frames: int = 0) -> ResamplerConfig:
        """Returns OpenFlamingo's, by default with CLIP ViT-L/14 as the encoder."""
        return cls(
            hidden_size=hidden_size,
            num_attention_heads=8,
            head_dim=64,
            intermediate_size=4 * hidden_size,
            activation="gelu",
            max_frames=max_frames,
            final_norm=True,
        )

    @classmethod
    def idefics(cls, hidden_size: int = 1280, qk_norm: bool = False) -> ResamplerConfig:
        """Returns that of Idefics 1, by default with OpenCLIP ViT-H/14 as the encoder."""
        return cls(
            hidden_size=hidden_size,
            intermediate_size=4 * hidden_size,
            activation="relu",
            max_frames=0,
            final_norm=True,
            qk_norm=qk_norm,
        )


class ResamplerLayer(nn.Module):
    """One block: the latents read features and latents together, then pass the feed-forward.

    x = x + attention(q = x, kv = [features; x]);  x = x + feed_forward(x)

    Keys and values of the latents themselves are what sets it apart from plain cross-attention
    (Flamingo, figure 4). Features and latents have a norm each, as in both released codes.

    Args:
        config: the sizes.
    """

    def __init__(self, config: ResamplerConfig) -> None:
        super().__init__()
        width = config.hidden_size
        norm = partial(nn.LayerNorm, eps=config.layer_norm_eps)
        self.features_norm, self.latents_norm = norm(width), norm(width)
        self.attention = FreeWidthAttention(
            width,
            width,
            config.num_attention_heads,
            config.head_dim,
            norm if config.qk_norm else None,
        )
        self.feed_forward = PreNormFeedForward(
            width, config.intermediate_size, config.activation, norm
        )

    def forward(self, latents: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """Lets the latents (B, Q, E) read the features (B, F * N, E); returns (B, Q, E)."""
        normed = self.latents_norm(latents)
        read = torch.cat([self.features_norm(features), normed], dim=1)
        latents = latents + self.attention(normed, read)
        return latents + self.feed_forward(latents)


class PerceiverResampler(nn.Module):
    """Turns features of any number of patches and frames into Q tokens (Flamingo, section 3.1.1).

    An image is a video of one frame. A frame's place in time is learned; a patch's place is not
    added, the encoder has told it. Matrices start as torch's default, latents and time embeddings
    as N(0, 1), as in OpenFlamingo's `PerceiverResampler`; the paper does not say how.

    Args:
        config: the sizes.
    """

    def __init__(self, config: ResamplerConfig) -> None:
        super().__init__()
        self.config = config
        width = config.hidden_size
        self.latents = nn.Parameter(torch.randn(config.num_latents, width))
        self.time_embeddings = None
        if config.max_frames:
            self.time_embeddings = nn.Parameter(torch.randn(config.max_frames, width))
        self.layers = nn.ModuleList(ResamplerLayer(config) for _ in range(config.num_hidden_layers))
        self.norm = None
        if config.final_norm:
            self.norm = nn.LayerNorm(width, eps=config.layer_norm_eps)

    def times(self, frames: int) -> torch.Tensor:
        """Returns one time embedding a frame, (F, E).

        For more frames than were learned they are interpolated linearly, first and last kept: the
        paper trains on 8 and evaluates on 30 (v2, appendix A.1.4). OpenFlamingo cannot.

        Raises:
            ValueError: when there are none, or less than one frame is asked for.
        """
        if self.time_embeddings is None or frames < 1:
            raise ValueError(
                f"{frames} frames were given to a resampler with max_frames="
                f"{self.config.max_frames}: build it with time embeddings, or show images alone."
            )
        learned = self.time_embeddings
        if frames <= len(learned):
            return learned[:frames]
        stretched = functional.interpolate(
            learned.T[None], size=frames, mode="linear", align_corners=True
        )
        return stretched[0].T

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Makes visual tokens.

        Args:
            features: (B, N, E) of images, or (B, F, N, E) of videos.

        Returns:
            (B, Q, E).

        Raises:
            ValueError: when the shape does not fit, or there is no time embedding for a video.
        """
        width = self.config.hidden_size
        if features.dim() not in (3, 4) or features.shape[-1] != width:
            raise ValueError(
                f"Features have the shape {tuple(features.shape)}, the resampler reads (images, "
                f"patches, {width}) or (videos, frames, patches, {width}): use the encoder that it "
                "was built for."
            )
        videos = features[:, None] if features.dim() == 3 else features
        frames = videos.shape[1]
        if self.time_embeddings is not None or frames != 1:
            videos = videos + self.times(frames)[:, None]
        features = videos.flatten(1, 2)
        latents = self.latents.expand(len(features), -1, -1)
        for layer in self.layers:
            latents = layer(latents, features)
        return latents if self.norm is None else self.norm(latents)
