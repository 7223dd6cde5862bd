"""How many queries? Short stages 1 with 2 to 32 of them, their captions, positions and time."""

from __future__ import annotations

from course_lib.commands.mplug_owl import build_toy, settings_of
from course_lib.data.toy_instructions import caption_batch
from course_lib.experiments.mplug_owl_runs import encoded_scenes, first_stage, seen, sized
from course_lib.experiments.runner import Experiment
from course_lib.experiments.step_time import step_ratio
from course_lib.recipes import mplug_owl
from course_lib.training.stages import apply_stage

COUNTS = (2, 4, 8, 16, 32)
USUAL = 16  # the recipe's, to which times are compared
TIMED = 12  # steps of each


def relative_time(num_queries: int, seed: int, steps: int) -> float:
    """Returns the processor seconds of a step ÷ those with the recipe's queries.

    Both do stage 1 on cached features of the same scenes; see `step_time.step_ratio`.

    Args:
        num_queries: Q.
        seed: of the scenes.
        steps: of each.
    """
    stage, data = settings_of("1", encoder="frozen"), encoded_scenes(seed)
    pair = [build_toy({"seed": seed}, sized(count)) for count in (num_queries, USUAL)]
    for opened in pair:
        apply_stage(opened.model, stage)
    turns = [(step, stage.batch_size, seed) for step in range(steps + 1)]
    batches = (tuple(caption_batch(data, o.asker.chat, *turn) for o in pair) for turn in turns)
    return step_ratio(*(opened.model for opened in pair), batches)


def _measure(arm: str, seed: int, steps: int) -> dict:
    count = int(arm)
    scores = seen(first_stage(seed, steps, num_queries=count), seed)
    scores["positions"] = float(mplug_owl.places_of(sized(count)))
    return scores | {"time": round(relative_time(count, seed, TIMED), 4)}


EXPERIMENT = Experiment(
    claim="A few queries stand for all patches: 64 of 256, and an end token (mPLUG-Owl, section "
    "3.1; it has no curve).",
    arms=tuple(map(str, COUNTS)),
    measure=_measure,
    steps=400,
    minutes=0.9,
)
