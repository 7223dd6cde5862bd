"""Quality against quantity: do descriptions that nobody looked at repair the model as well?

One stage-1 model describes the same scenes; what differs is what is done to its words, and how many
of them are read.
"""

from course_lib.curation.toy_set import CURATED, DESCRIBED, REPAIRED, Curated
from course_lib.experiments.minigpt4_runs import inherited, measured, second_stage
from course_lib.experiments.runner import Experiment

SETS = {
    "curated": Curated(100, CURATED),
    "repaired": Curated(100, REPAIRED),
    "described": Curated(100, DESCRIBED),
    "repaired, 4 times as many": Curated(400, REPAIRED),
    "described, 4 times as many": Curated(400, DESCRIBED),
}


def _measure(arm: str, seed: int, steps: int) -> dict:
    return measured(second_stage(inherited(seed), seed, steps, SETS[arm]), seed)


EXPERIMENT = Experiment(
    claim="Few good descriptions repair the model, many noisy ones do not (MiniGPT-4, sections 3.1 "
    "and 3.2: five million pairs left it failing, 3,500 descriptions did not).",
    arms=tuple(SETS),
    measure=_measure,
    steps=200,
    minutes=0.7,
)
