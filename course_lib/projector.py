"""From the width of the VPG to the width of the language model."""

import torch
from torch import nn
from torch.nn import functional as F


class LinearProjector(nn.Linear):
    """One linear layer, [..., in_features] -> [..., out_features].

    BLIP-2, section 3.3 (`opt_proj`, `t5_proj` in LAVIS; `language_projection` in transformers);
    LLaVA v1 (section 4.1) and MiniGPT-4 use the same.

    Args:
        in_features: width of the visual tokens.
        out_features: D, width of the language model.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        nn.init.normal_(self.weight, std=0.02)
        nn.init.zeros_(self.bias)


class MLPProjector(nn.Module):
    """Two layers with an exact GELU between them, [..., in_features] -> [..., out_features].

    LLaVA v1.5 (`mlp2x_gelu` in the official builder).

    Args:
        in_features: width of the visual tokens.
        out_features: D, width of the language model, and of the hidden layer.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.up = LinearProjector(in_features, out_features)
        self.down = LinearProjector(out_features, out_features)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Maps [..., in_features] to [..., out_features]."""
        return self.down(F.gelu(self.up(features)))
