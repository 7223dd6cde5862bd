"""What does it bring to train the encoder in stage 1? Captions of fine detail, trained and frozen.

mPLUG-Owl is the one recipe here that trains it, and has no ablation of that.
"""

from course_lib.experiments.mplug_owl_runs import first_stage, seen
from course_lib.experiments.runner import Experiment
from course_lib.recipes.mplug_owl import ENCODERS


def _measure(arm: str, seed: int, steps: int) -> dict:
    return seen(first_stage(seed, steps, arm), seed)


EXPERIMENT = Experiment(
    claim="An encoder that trains in stage 1 sees more detail than a frozen one (mPLUG-Owl, "
    "sections 1 and 3.2; it has no number).",
    arms=ENCODERS,
    measure=_measure,
    steps=750,
    minutes=2.4,
)
