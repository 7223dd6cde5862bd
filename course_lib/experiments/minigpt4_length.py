"""Do longer answers make more up? The same runs describe once, and are asked to continue.

"In short" in the question changes nothing at this scale (30 words, and 30), since stage 2 has
wishes for details alone; so the longer answer is the first one with a second behind it.
"""

from functools import lru_cache

import torch

from course_lib.commands.runs import Opened
from course_lib.curation.describing import Said, describe
from course_lib.evaluation.descriptions import LIMIT, scene_asker
from course_lib.experiments.minigpt4_runs import (
    FEW,
    held_out,
    inherited,
    measured,
    scores_of,
    second_stage,
)
from course_lib.experiments.runner import Experiment
from course_lib.instructions.toy_rules import DETAIL_QUESTIONS

ONCE, CONTINUED = "one answer", "continued"


@lru_cache(maxsize=1)
def _trained(seed: int, steps: int) -> Opened:
    return second_stage(inherited(seed), seed, steps, FEW)


@torch.no_grad()
def _continued(opened: Opened, seed: int) -> dict[str, float]:
    """Scores first and second answer together; every answer is continued, however long it is."""
    data = held_out(opened, seed)
    ask = scene_asker(opened.model, opened.asker, data)
    images = [str(row) for row in range(len(data))]
    both = describe(images, ask, DETAIL_QUESTIONS[0], short=LIMIT)
    return scores_of([Said(one.text, one.tokens, one.ended) for one in both], data.scenes)


def _measure(arm: str, seed: int, steps: int) -> dict:
    opened = _trained(seed, steps)
    return _continued(opened, seed) if arm == CONTINUED else measured(opened, seed)


EXPERIMENT = Experiment(
    claim="Longer answers make more up: CHAIR_i 7.2 at 29 words, 9.6 at 175 (MiniGPT-4, table 6).",
    arms=(ONCE, CONTINUED),
    measure=_measure,
    steps=200,
    minutes=0.7,
)
