"""A VPG that is frozen as a whole: to a feature cache it is one image encoder.

What a cache keeps of it are the visual tokens of each image, so that a step of training begins
behind them (MiniGPT-4, stage 2 of mPLUG-Owl).
"""

from __future__ import annotations

import hashlib

from torch import nn

from course_lib.backbones.vision import VisionEncoder
from course_lib.training.stages import frozen_fingerprint
from course_lib.vlm import VPG


class CachedVPG(VPG):
    """Encoder and head, kept as they are and frozen; called, it gives tokens (images, Q, E).

    Args:
        encoder: of the images.
        head: behind it; has a `config`.
    """

    def __init__(self, encoder: VisionEncoder, head: nn.Module) -> None:
        super().__init__(encoder, head)
        self.requires_grad_(False).eval()
        self.image_size, self.layer = encoder.image_size, encoder.layer

    def fingerprint(self) -> str:
        """Hashes all that decides the tokens; see `VisionEncoder.fingerprint`."""
        parts = (self.encoder.fingerprint(), frozen_fingerprint(self.head), repr(self.head.config))
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()
