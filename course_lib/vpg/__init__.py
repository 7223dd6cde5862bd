"""Heads of the visual prompt generator: what turns patch features into Q visual tokens.

Nothing here imports more than torch, so that a file can be carried into another project.
"""

from course_lib.vpg.abstractor import Abstractor, AbstractorConfig, EndTokenProjector
from course_lib.vpg.attention import MultiHeadAttention, attention_weights
from course_lib.vpg.masks import make_mask
from course_lib.vpg.qformer import QFormer, QFormerConfig
from course_lib.vpg.resampler import PerceiverResampler, ResamplerConfig

__all__ = [
    "Abstractor",
    "AbstractorConfig",
    "EndTokenProjector",
    "MultiHeadAttention",
    "PerceiverResampler",
    "QFormer",
    "QFormerConfig",
    "ResamplerConfig",
    "attention_weights",
    "make_mask",
]
