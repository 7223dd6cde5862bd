"""What do the gates bring? Gates that open from zero, and the same layers without a gate.

Without a gate the layers change the language model from the first step on: `loss.first` tells how
much, `grad_norm.most` and `loss` what became of it.
"""

from course_lib.experiments.flamingo_data import DOCUMENTS
from course_lib.experiments.flamingo_runs import STEPS, USUAL, Way, run_way
from course_lib.experiments.runner import Experiment

FROM_ZERO, NO_GATE = "gates from zero", "no gate"
WAYS = {FROM_ZERO: USUAL, NO_GATE: Way(gated=False)}


def _measure(arm: str, seed: int, steps: int) -> dict:
    return run_way(WAYS[arm], seed, steps)


EXPERIMENT = Experiment(
    claim="Gates open from zero in all layers, deeper ones more, and without them training is less "
    "stable and ends lower (Flamingo, v2 figure 6 and table 3: 70.7 with them, 66.5 without).",
    arms=tuple(WAYS),
    measure=_measure,
    steps=STEPS,
    minutes=2.8,
    shared={FROM_ZERO: ("flamingo_shots", DOCUMENTS)},
)
