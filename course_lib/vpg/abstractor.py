"""mPLUG-Owl's visual abstractor: learned queries that gather an image, and the end token's linear.

Letters: B images, Q queries, N image tokens (patches and CLS), E width, D width of the language
model.
"""

from dataclasses import dataclass

import torch
from torch import nn

from course_lib.vpg.abstractor_layer import AbstractorLayer


@dataclass(frozen=True)
class AbstractorConfig:
    """Sizes of an abstractor; the defaults are those of the released weights (v1).

    The released code's own default of intermediate_size, 4096, does not fit its weights
    (X-PLUG/mPLUG-Owl issue 160): they have 2816, two thirds of 4 * 1024 rounded up to 256. Heads
    cannot be told from the shapes: the older checkpoints (v0) have 8, and other tensors besides.

    Args:
        hidden_size: E, of the queries and of the image encoder: both stand in one row of keys.
        num_hidden_layers: layers.
        num_attention_heads: heads of every attention.
        intermediate_size: width inside the FFNs.
        num_query_tokens: Q.
        layer_norm_eps: epsilon of the three norms before attention and FFN.
        ffn_norm_eps: epsilon of the norm inside the FFN, the only one that the official
            configuration (layer_norm_eps there) reaches.
        dropout: of attention weights.
        init_std: of every matrix and of the queries at the start.
    """

    hidden_size: int = 1024
    num_hidden_layers: int = 6
    num_attention_heads: int = 16
    intermediate_size: int = 2816
    num_query_tokens: int = 64
    layer_norm_eps: float = 1e-5
    ffn_norm_eps: float = 1e-6
    dropout: float = 0.1
    init_std: float = 0.02


class Abstractor(nn.Module):
    """Q queries that read all tokens of an image, layer by layer (arXiv 2304.14178, section 3.1).

    The paper names it and leaves it at that; this follows `MplugOwlVisualAbstractorEncoder` of the
    released modeling_mplug_owl.py, and takes in `query_tokens`, which belong to the whole model
    there. Every layer reads the same image tokens, which are never updated: those after the image
    encoder's last block and its final norm, CLS among them (see
    `course_lib.backbones.normed_vision`). No positions are added and no norm ends it.

    Weights start as N(0, 0.02), biases at 0, as in the released code, and so do the queries. There
    they start at exactly zero: all Q outputs are then equal at the first step, and the norm in
    front of them multiplies the gradient by 1 / sqrt(epsilon). A standard deviation of 0.02 is
    meant for a width of 1024: at 128 it would let an eighth of that signal through.

    Args:
        config: the sizes.

    Raises:
        ValueError: when the heads do not divide the width.
    """

    def __init__(self, config: AbstractorConfig) -> None:
        super().__init__()
        self.config = config
        self.query_tokens = nn.Parameter(
            torch.empty(1, config.num_query_tokens, config.hidden_size)
        )
        self.layers = nn.ModuleList(
            AbstractorLayer(config) for _ in range(config.num_hidden_layers)
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws every matrix and the queries from N(0, init_std); biases 0, norms 1."""
        nn.init.normal_(self.query_tokens, std=self.config.init_std)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=self.config.init_std)
                nn.init.zeros_(module.bias)

    def forward(self, image_features: torch.Tensor) -> torch.Tensor:
        """Makes Q visual tokens of each image.

        Args:
            image_features: (B, N, E), after the encoder's final norm.

        Returns:
            (B, Q, E).

        Raises:
            ValueError: for features of another shape.
        """
        width = self.config.hidden_size
        if image_features.dim() != 3 or image_features.shape[-1] != width:
            raise ValueError(
                f"image_features have the shape {tuple(image_features.shape)}, the abstractor "
                f"reads (images, tokens, {width}): its hidden_size has to be the encoder's width."
            )
        queries = self.query_tokens.expand(len(image_features), -1, -1)
        for layer in self.layers:
            queries = layer(queries, image_features)
        return queries


class EndTokenProjector(nn.Linear):
    """One linear layer, and one learned token behind the image: (B, Q, E) -> (B, Q + 1, D).

    `visual_fc` and `vit_eos` of the released `MplugOwlVisualAbstractorModel`: 64 queries fill 65
    places of the text. There is no start token. The paper does not mention either.

    Args:
        in_features: E.
        out_features: D.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self.end_token = nn.Parameter(torch.empty(1, 1, out_features))
        nn.init.normal_(self.weight, std=0.02)
        nn.init.zeros_(self.bias)
        nn.init.trunc_normal_(self.end_token, std=0.02)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Maps (B, Q, E) to (B, Q + 1, D), the end token last."""
        end = self.end_token.expand(len(features), -1, -1)
        return torch.cat([super().forward(features), end], dim=1)
