"""What corresponds to what: equation, cell, library, official file, proof. PARITY.md is made of it.

A row names a proof that is run: a parity test against a module that nobody here wrote, or a cell
whose stored line says so and which the strict pass over the notebooks runs again.
"""

from course_lib.devtools import correspondence_blip2, correspondence_llava
from course_lib.devtools.environment import find_notebooks

_CHAPTERS = {"04": correspondence_blip2.ROWS, "07": correspondence_llava.ROWS}
# The rows of a chapter wait until its last notebook is there.
ROWS = tuple(
    row
    for last, rows in _CHAPTERS.items()
    if any(path.name.startswith(last) for path in find_notebooks())
    for row in rows
)
