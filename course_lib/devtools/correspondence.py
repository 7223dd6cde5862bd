"""What corresponds to what: equation, cell, library, official file, proof. PARITY.md is made of it.

A row names a proof that is run: a parity test against a module that nobody here wrote, or a cell
whose stored line says so and which the strict pass over the notebooks runs again.
"""

from course_lib.devtools import (
    correspondence_blip2,
    correspondence_flamingo,
    correspondence_llava,
    correspondence_minigpt4,
    correspondence_mplug_owl,
    correspondence_vpgtrans,
)
from course_lib.devtools.correspondence_row import Row
from course_lib.devtools.environment import find_notebooks

_CHAPTERS = {
    "04": correspondence_blip2.ROWS,
    "05": correspondence_flamingo.ROWS,
    "07": correspondence_llava.ROWS,
    "08": correspondence_minigpt4.ROWS,
    "09": correspondence_mplug_owl.ROWS,
    "10": correspondence_vpgtrans.ROWS,
}


def rows_now() -> tuple[Row, ...]:
    """Returns the rows of all chapters that are there; one waits until its last notebook is."""
    there = {path.name[:2] for path in find_notebooks()}
    return tuple(row for last, rows in _CHAPTERS.items() if last in there for row in rows)
