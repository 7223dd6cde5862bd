"""Fewer or more queries: how many visual tokens does a scene of three things need?"""

from course_lib.experiments.runner import Experiment
from course_lib.experiments.stage2_runs import (
    build,
    last_loss,
    measure,
    train_stage2,
    training_scenes,
)

COUNTS = {"2 queries": 2, "4 queries": 4, "16 queries": 16, "32 queries": 32}


def _measure(arm: str, seed: int, steps: int) -> dict:
    """No arm starts from stage 1, whose Q-Former has 16 queries and would favour one of them."""
    model, tokenizer = build(None, seed, COUNTS[arm])
    log = train_stage2(model, tokenizer, training_scenes(seed), steps, seed)
    return {"loss": last_loss(log), **measure(model, tokenizer, seed)}


EXPERIMENT = Experiment(
    claim="A few dozen queries carry what the language model needs (BLIP-2, section 3.1: 32).",
    arms=tuple(COUNTS),
    measure=_measure,
    steps=500,
    minutes=2.5,
)
