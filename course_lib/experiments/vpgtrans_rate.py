"""How fast may it go? Four learning rates for the projector alone, and for the whole VPG with it.

All begin with the inherited VPG and the merged projector, at a constant rate. A run whose loss is
no number any more has crashed, and counts with 0 things right.
"""

from course_lib.experiments.runner import Experiment
from course_lib.experiments.stage2_runs import last_loss
from course_lib.experiments.vpgtrans_runs import Arm, begin, constant_stage, fit
from course_lib.experiments.vpgtrans_watch import Watch

FACTORS = (1, 5, 10, 50)
PARTS = {"projector": False, "VPG and projector": True}
ARMS = {
    f"{part}, {factor}×": (whole, factor) for part, whole in PARTS.items() for factor in FACTORS
}


def _measure(arm: str, seed: int, steps: int) -> dict:
    whole_vpg, factor = ARMS[arm]
    opened = begin("opt-to-large", Arm(converts=True), seed)
    stage = constant_stage(steps, factor, whole_vpg)
    watch = Watch(opened, seed, steps, stage.batch_size)
    try:
        log = fit(opened, stage, seed)
    except ValueError as error:
        if "the run stops there" not in str(error):
            raise
        return {"things_right": 0.0, "probe.end": 0.0, "crashed": 1.0}
    watch.look(steps)
    (point,) = watch.points.values()
    scores = {"things_right": point["things_right"], "loss": last_loss(log), "crashed": 0.0}
    return scores | watch.probes


EXPERIMENT = Experiment(
    claim="The projector takes 5 times the learning rate, and gains by it; the VPG crashes "
    "(VPGTrans, section 3.1).",
    arms=tuple(ARMS),
    measure=_measure,
    steps=60,
    minutes=0.6,
)
