"""What does each stage bring? Both, stage 1 without any tuning, and stage 2 on a random abstractor.

The paper's language model is a raw LLaMA. The zoo's has been tuned to chat before, so that it
follows what it knows without stage 2: see the kinds of instruction apart.
"""

from course_lib.experiments.mplug_owl_runs import STAGE1, after_stage1, measured, tuned
from course_lib.experiments.runner import Experiment

BOTH, FIRST, SECOND = "both stages", "stage 1 alone", "stage 2 alone"


def _measure(arm: str, seed: int, steps: int) -> dict:
    """All seeds share the one stage 1 that ships; stage 1 alone is asked as it is, no step more."""
    if arm == FIRST:
        return measured(after_stage1(seed), seed)
    return measured(tuned(seed, steps, None if arm == SECOND else STAGE1), seed)


EXPERIMENT = Experiment(
    claim="Pre-training alone follows no instructions and tuning alone does not see (mPLUG-Owl, "
    "section 4.3, rows r1, r2 and r5 of its ablation).",
    arms=(BOTH, FIRST, SECOND),
    measure=_measure,
    steps=300,
    minutes=1.4,
)
