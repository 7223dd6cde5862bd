"""How visual tokens reach the language model; nothing here imports more than torch."""

from course_lib.fusion.cross_attention import CrossAttentionConfig, GatedCrossAttention
from course_lib.fusion.gated_layers import GatedLayers
from course_lib.fusion.splice import splice

__all__ = ["CrossAttentionConfig", "GatedCrossAttention", "GatedLayers", "splice"]
