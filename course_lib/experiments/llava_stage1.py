"""Does LLaVA need stage 1? The same stage 2 from a trained projector and from a random one."""

from course_lib.experiments.llava_runs import STAGE1, measured, tuned
from course_lib.experiments.runner import Experiment

WITH, WITHOUT = "stage 1", "no stage 1"


def _measure(arm: str, seed: int, steps: int) -> dict:
    """All seeds share the one stage 1 that ships; order and scenes are the seed's."""
    return measured(tuned(seed, steps, STAGE1 if arm == WITH else None), seed)


EXPERIMENT = Experiment(
    claim="Skipping stage 1 lowers the score: 90.92 to 85.81 on ScienceQA (LLaVA, table 8).",
    arms=(WITH, WITHOUT),
    measure=_measure,
    steps=300,
    minutes=6.0,
)
