"""What a person may want to look at in an answer; none of it costs a point."""

import re
from collections.abc import Sequence

from course_lib.classroom.answers import Cell
from course_lib.devtools.exercise_cells import solution_source
from course_lib.teach.task import find_exercise

_LOOKS_IN = re.compile(
    r"find_exercise|teach\.exercises|teach\.judging|classroom|getsource|__globals__|__code__"
    r"|sys\.modules|_getframe|get_objects"
)
_REACHES_OUT = re.compile(r"\bos\.(system|kill|fork|_exit)|subprocess|socket|ctypes|\bopen\(")
_FEWEST_LINES = 4


def flags_of(cells: Sequence[Cell], name: str) -> tuple[str, ...]:
    """Returns what stands out in the cells of one exercise.

    Args:
        cells: the code cells of a submission.
        name: id of the exercise.
    """
    own = "\n".join(c.source for c in cells if name in c.names or f'"{name}"' in c.source)
    found = []
    if _LOOKS_IN.search(own):
        found.append("reads the course's own answers or checks")
    if _REACHES_OUT.search(own):
        found.append("reaches out of the notebook")
    body = _words(solution_source(find_exercise(name)).split('"""')[-1])
    if len(body) >= _FEWEST_LINES and "\n".join(body) in "\n".join(_words(own)):
        found.append("is word for word the course's solution")
    return tuple(found)


def _words(source: str) -> list[str]:
    """Returns lines without comments, indents and empty ones."""
    lines = (re.sub(r"\s+#.*$", "", line).strip() for line in source.splitlines())
    return [line for line in lines if line and not line.startswith("#")]
