"""Frozen parents of every model here: image encoders and language models of transformers.

The model classes of transformers are imported when something is loaded, not before: it takes
seconds.
"""

from course_lib.backbones.language import LanguageModel, load_language
from course_lib.backbones.vision import VisionEncoder, load_vision

__all__ = ["LanguageModel", "VisionEncoder", "load_language", "load_vision"]
