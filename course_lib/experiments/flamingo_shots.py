"""Do more shots help? Symbols and questions behind 0 to 16 examples, with and without documents.

The claim compares numbers of shots of one trained model: `binding.8` with `binding.0`, `shots.8`
with `shots.0`.
"""

from course_lib.experiments.flamingo_data import DOCUMENTS, PAIRS, WAYS
from course_lib.experiments.flamingo_runs import STEPS, run_way
from course_lib.experiments.runner import Experiment


def _measure(arm: str, seed: int, steps: int) -> dict:
    return run_way(WAYS[arm], seed, steps)


EXPERIMENT = Experiment(
    claim="More shots help, more of them than in training too (Flamingo, v1 table 3 and section "
    "3.1.3: trained on 5 images at most, 32 shots are better than 4).",
    arms=(DOCUMENTS, PAIRS),
    measure=_measure,
    steps=STEPS,
    minutes=2.4,
)
