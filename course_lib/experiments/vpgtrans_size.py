"""From a small OPT to a large one: the paper's chain, from scratch to the full method (TaS)."""

from functools import partial

from course_lib.experiments.runner import Experiment
from course_lib.experiments.vpgtrans_runs import Arm, run_arm

ARMS = {
    "from scratch": Arm(inherits=False),
    "inherit, tune all": Arm(),
    "projector alone": Arm(tunes=False),
    "converter, projector alone": Arm(converts=True, tunes=False),
    "warm-up, then all": Arm(warms=True),
    "full method": Arm(converts=True, warms=True),
}


def measured(transfer: str, arm: str, seed: int, steps: int) -> dict:
    """Measures an arm by name; "converter alone" is the full method's `at_start`."""
    return run_arm(transfer, ARMS[arm], seed, steps)


EXPERIMENT = Experiment(
    claim="A VPG from a smaller LLM reaches the quality of one from scratch with a fraction of the "
    "samples: up to 10 times fewer (VPGTrans, table 3).",
    arms=tuple(ARMS),
    measure=partial(measured, "opt-to-large"),
    steps=270,
    minutes=2.6,
)
