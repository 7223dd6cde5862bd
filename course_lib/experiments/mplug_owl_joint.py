"""Does it help to tune on text and pictures together? The same stage 2 on both, and on either."""

from dataclasses import replace

from course_lib.data.toy_owl import PAPER
from course_lib.experiments.mplug_owl_runs import measured, tuned
from course_lib.experiments.runner import Experiment

# Shares of rows that are text alone; every arm reads as many rows.
MIXES = {"joint": PAPER.text, "images alone": 0.0, "text alone": 1.0}


def _measure(arm: str, seed: int, steps: int) -> dict:
    """All seeds share the one stage 1 that ships; LoRA, order and scenes are the seed's."""
    return measured(tuned(seed, steps, joint=replace(PAPER, text=MIXES[arm])), seed)


EXPERIMENT = Experiment(
    claim="Tuning on text and images together beats either alone (mPLUG-Owl, section 4.3, rows r3 "
    "to r5 of its ablation).",
    arms=tuple(MIXES),
    measure=_measure,
    steps=300,
    minutes=1.7,
)
