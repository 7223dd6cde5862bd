"""From one family of language models to another (TaT): OPT to LLaMA, OPT to T5, T5 to OPT."""

from course_lib.experiments.runner import Experiment
from course_lib.experiments.vpgtrans_runs import Arm, run_arm

WAYS = {"from scratch": Arm(inherits=False), "full method": Arm(converts=True, warms=True)}
TRANSFERS = {"OPT to LLaMA": "opt-to-llama", "OPT to T5": "opt-to-t5", "T5 to OPT": "t5-to-opt"}
ARMS = {f"{pair}, {way}": (pair, way) for pair in TRANSFERS for way in WAYS}


def _measure(arm: str, seed: int, steps: int) -> dict:
    pair, way = ARMS[arm]
    return run_arm(TRANSFERS[pair], WAYS[way], seed, steps)


EXPERIMENT = Experiment(
    claim="Between families a transfer saves samples for large LLMs, and for small ones it does "
    "not (VPGTrans, table 3 and figure 10).",
    arms=tuple(ARMS),
    measure=_measure,
    steps=210,
    minutes=1.3,
)
