"""How few curated descriptions are enough? The same stage 2 on 25 to 400 of them."""

from course_lib.curation.toy_set import Curated
from course_lib.experiments.minigpt4_runs import inherited, measured, second_stage
from course_lib.experiments.runner import Experiment

COUNTS = (25, 50, 100, 200, 400)


def _measure(arm: str, seed: int, steps: int) -> dict:
    """Every variant takes as many steps: fewer descriptions are read more often."""
    return measured(second_stage(inherited(seed), seed, steps, Curated(int(arm))), seed)


EXPERIMENT = Experiment(
    claim="A few hundred are enough: 200 chosen of 3,500 did better than all (InstructionGPT-4, "
    "arXiv 2308.12067; MiniGPT-4 has no such curve).",
    arms=tuple(map(str, COUNTS)),
    measure=_measure,
    steps=200,
    minutes=0.7,
)
