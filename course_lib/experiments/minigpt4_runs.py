"""What the experiments with MiniGPT-4 share: short stages on cached visual tokens, measured."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch

from course_lib.commands.minigpt4 import build_toy, inherit_projector, settings_of, stage2_rows
from course_lib.commands.runs import Opened
from course_lib.curation.describing import Said
from course_lib.curation.toy_set import Curated, counted
from course_lib.data.toy import CACHE, ToyScenes
from course_lib.data.toy_pairs import WEB, Noise, drawn_batch, pair_batch
from course_lib.evaluation.descriptions import described, description_scores
from course_lib.experiments.stage2_runs import HELD_OUT, fit
from course_lib.recipes import minigpt4
from course_lib.world.scene import Scene

STAGE1 = "minigpt4-stage1"
SCENES = 4_000  # of stage 1, a third of the recipe's
FEW = Curated(400)  # as many as the recipe's


def first_stage(seed: int, steps: int, noise: Noise = WEB) -> Opened:
    """Trains a short stage 1.

    Args:
        seed: of layer, scenes, noise and order.
        steps: of stage 1.
        noise: what is wrong with its pairs.
    """
    opened, stage = build_toy({"seed": seed}, cached=True), settings_of("1", steps=steps)
    data = ToyScenes(SCENES, seed, "train", opened.encoder, CACHE)
    chosen = {"batch_size": stage.batch_size, "seed": seed, "noise": noise}
    template = minigpt4.STAGE1_TEMPLATE
    fit(opened.model, stage, partial(pair_batch, data, opened.asker.chat, template, **chosen), seed)
    return opened


def inherited(seed: int) -> Opened:
    """Returns the zoo's MiniGPT-4 after stage 1, which all seeds share, to be trained on."""
    opened = build_toy({"seed": seed}, cached=True)
    inherit_projector(opened.model, STAGE1)
    opened.model.eval()
    return opened


def second_stage(opened: Opened, seed: int, steps: int, curated: Curated) -> Opened:
    """Trains stage 2 on what the model itself described, in place.

    Args:
        opened: after stage 1, with cached visual tokens.
        seed: of scenes, wishes and order.
        steps: of stage 2.
        curated: what is read.
    """
    stage = settings_of("2", steps=steps)
    curated, scenes = counted(curated, minigpt4.scale("toy").num_curated)
    rows, read = stage2_rows(opened, curated, scenes, seed)
    chosen = {"batch_size": stage.batch_size, "seed": seed}
    pad = opened.asker.chat.pad_token_id
    fit(opened.model, stage, partial(drawn_batch, rows, pad, read, **chosen), seed)
    return opened


def held_out(opened: Opened, seed: int, count: int = 200) -> ToyScenes:
    """Returns held-out scenes of unseen digit scans that no bar and no notebook uses."""
    return ToyScenes(count, HELD_OUT + seed, "test", opened.encoder)


def scores_of(said: Sequence[Said], scenes: Sequence[Scene]) -> dict[str, float]:
    """Flattens the scores of descriptions.

    Args:
        said: one a scene.
        scenes: what was there.

    Returns:
        sound (share that does not fail), failing, things_right, chair_i, chair_s, wrong_i,
        mentions, words, and for each kind of failure `failing.KIND`.
    """
    found = description_scores(said, scenes)
    rate = found["failures"]["rate"]
    scores = {"sound": 1 - rate, "failing": rate}
    scores |= {f"failing.{kind}": share for kind, share in found["failures"]["by_kind"].items()}
    scores |= {"things_right": found["descriptions"]["things_right"], **found["made_up"]}
    return {key: round(float(value), 4) for key, value in scores.items()}


@torch.no_grad()
def measured(opened: Opened, seed: int) -> dict[str, float]:
    """Lets a run describe held-out scenes in the chat; see `scores_of`."""
    data = held_out(opened, seed)
    return scores_of(described(opened.model, opened.asker, data, len(data)), data.scenes)
