"""Bug clinics: planted, realistic bugs, what they do to a trained model, and their repairs.

`MODEL.py` measures a symptom with whatever function it is given; `repairs_MODEL.py` holds the
functions as they were found and the exercises that repair them. Nothing is patched: a bug is an
argument.
"""
