"""An image encoder to its very end: all blocks, then the final norm on every token.

Letters: B images, N patches, E vision width.
"""

import hashlib

import torch
from torch import nn

from course_lib.backbones.vision import VisionEncoder


class NormedVisionEncoder(VisionEncoder):
    """All tokens of the last block, CLS among them, through `post_layernorm`.

    What mPLUG-Owl's abstractor reads (`MplugOwlVisionModel` in the released modeling_mplug_owl.py).
    transformers' CLIP norms the class token alone, for its pooled output; the weights of the norm
    are the same, so that a pretrained CLIP brings them along. The norm stays with the encoder and
    trains with it, where BLIP-2's `ln_vision` belongs to the head.

    Args:
        model: CLIPVisionModel or Blip2VisionModel; it is kept, not copied.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model, layer=-1, drop_cls=False)

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Encodes images: (B, 3, image_size, image_size) -> (B, N + 1, E); see the parent class."""
        return self._parts[0].post_layernorm(super().forward(pixel_values))

    def fingerprint(self) -> str:
        """Hashes all that decides the features, the final norm on every token included."""
        return hashlib.sha256(f"post_layernorm {super().fingerprint()}".encode()).hexdigest()
