"""Where do the gated layers stand? In front of all four blocks, two, or one: quality and cost."""

from course_lib.experiments.flamingo_data import DOCUMENTS
from course_lib.experiments.flamingo_runs import STEPS, USUAL, Way, run_way
from course_lib.experiments.runner import Experiment

ALL = "every block"
WAYS = {
    ALL: USUAL,
    "every second": Way(every=2),
    "first alone": Way(every=4),
    "last alone": Way(every=4, first=3),
}


def _measure(arm: str, seed: int, steps: int) -> dict:
    return run_way(WAYS[arm], seed, steps)


EXPERIMENT = Experiment(
    claim="Layers in front of every block are best and cost most (Flamingo, v2 table 3: 70.7 and "
    "1.74 s a step, every 4th 68.8 and 1.02 s, every 2nd 68.2, a single one 59.8).",
    arms=tuple(WAYS),
    measure=_measure,
    steps=STEPS,
    minutes=2.2,
    shared={ALL: ("flamingo_shots", DOCUMENTS)},
)
