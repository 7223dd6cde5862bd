"""How visual tokens reach the language model; nothing here imports more than torch."""

from course_lib.fusion.splice import splice

__all__ = ["splice"]
