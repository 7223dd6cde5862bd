"""What corresponds to what: equation, cell, library, official file, proof. PARITY.md is made of it.

A row names a proof that is run: a parity test against a module that nobody here wrote, or a cell
whose stored line says so and which the strict pass over the notebooks runs again.
"""

from course_lib.devtools import correspondence_blip2, correspondence_llava

ROWS = (*correspondence_blip2.ROWS, *correspondence_llava.ROWS)
