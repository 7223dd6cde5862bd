"""Is stage 1 needed? The same stage 2 from the Q-Former of stage 1 and from a random one."""

from course_lib.commands.blip2 import open_run
from course_lib.experiments.runner import Experiment
from course_lib.experiments.stage2_runs import (
    build,
    last_loss,
    measure,
    train_stage2,
    training_scenes,
)

WITH, WITHOUT = "stage 1", "no stage 1"


def _measure(arm: str, seed: int, steps: int) -> dict:
    """All seeds share the one stage 1 that ships; projector, order and scenes are the seed's."""
    stage1 = open_run("blip2-stage1").model.qformer if arm == WITH else None
    model, tokenizer = build(stage1, seed)
    log = train_stage2(model, tokenizer, training_scenes(seed), steps, seed)
    return {"loss": last_loss(log), **measure(model, tokenizer, seed)}


EXPERIMENT = Experiment(
    claim="Without stage 1, stage 2 does clearly worse (BLIP-2, section 4.1 and figure 5).",
    arms=(WITH, WITHOUT),
    measure=_measure,
    steps=500,
    minutes=3.0,
)
