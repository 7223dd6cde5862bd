"""What the experiments with mPLUG-Owl share: short stages on toy scenes, measured.

Arms that freeze the encoder read its features, and stage 2 the visual tokens, computed once and
shared by the arms of a seed.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial

import torch

from course_lib.cached_vpg import CachedVPG
from course_lib.commands.mplug_owl import build_toy, inherit_stage1, settings_of
from course_lib.commands.runs import Opened
from course_lib.data.toy_instructions import caption_batch
from course_lib.data.toy_owl import PAPER, Joint, OwlScenes, joint_batch
from course_lib.evaluation.captions import attribute_shares, caption_scores
from course_lib.evaluation.instructions import ChatAnswerer, evaluate_instructions
from course_lib.evaluation.joint import (
    JointAsker,
    clip_scores,
    image_scores,
    several_scores,
    text_scores,
)
from course_lib.experiments.stage2_runs import HELD_OUT, fit
from course_lib.recipes import mplug_owl

STAGE1 = "mplug_owl-stage1"
SCENES, CLIPS = 6_000, 2_000  # half of the recipe's


def sized(num_queries: int | None = None) -> mplug_owl.Scale:
    """Returns toy's numbers, with another number of queries where one is given."""
    numbers = mplug_owl.scale("toy")
    if num_queries is None:
        return numbers
    changed = replace(numbers.abstractor, num_query_tokens=num_queries)
    return replace(numbers, abstractor=changed)


@lru_cache(maxsize=1)
def encoded_scenes(seed: int) -> OwlScenes:
    """Returns the scenes of a seed as the zoo's CLIP sees them; arms that keep it share them."""
    return OwlScenes(SCENES, seed, "train", build_toy({}).encoder)


def first_stage(
    seed: int, steps: int, encoder: str = "frozen", num_queries: int | None = None
) -> Opened:
    """Trains a short stage 1.

    Args:
        seed: of abstractor, projector, scenes and order.
        steps: of stage 1.
        encoder: "trained", on pixels, or "frozen", on features.
        num_queries: other than the recipe's.
    """
    opened = build_toy({"seed": seed}, sized(num_queries))
    stage = settings_of("1", steps=steps, encoder=encoder)
    if encoder == "frozen":
        data = encoded_scenes(seed)
    else:
        data = OwlScenes(SCENES, seed, "train", opened.encoder, encoded=False)
    chosen = {"batch_size": stage.batch_size, "seed": seed}
    fit(opened.model, stage, partial(caption_batch, data, opened.asker.chat, **chosen), seed)
    return opened


def after_stage1(seed: int, init: str | None = STAGE1) -> Opened:
    """Returns the model as stage 2 begins with it, on visual tokens that are computed once.

    Args:
        seed: of a random abstractor and projector.
        init: run or zoo name of stage 1, which all seeds share; None leaves both random.
    """
    opened = build_toy({"seed": seed})
    if init:
        inherit_stage1(opened, init)
    model = opened.model.eval()
    tokens = CachedVPG(model.vpg.encoder, model.vpg.head)
    return replace(opened, model=mplug_owl.on_cached_tokens(model).eval(), encoder=tokens)


@lru_cache(maxsize=1)
def instructed_scenes(seed: int, init: str | None) -> OwlScenes:
    """Returns the scenes and clips of a seed as visual tokens of a stage 1."""
    return OwlScenes(SCENES, seed, "train", after_stage1(seed, init).encoder, CLIPS)


def tuned(seed: int, steps: int, init: str | None = STAGE1, joint: Joint = PAPER) -> Opened:
    """Trains a short stage 2.

    Args:
        seed: of LoRA, scenes and order, and of a random abstractor.
        steps: of stage 2.
        init: see `after_stage1`.
        joint: what is read; every mix has as many rows a step.
    """
    opened, stage, numbers = after_stage1(seed, init), settings_of("2", steps=steps), sized()
    mplug_owl.give_lora(opened.model, numbers.lora, seed)
    chosen = {"batch_size": stage.batch_size, "seed": seed, "joint": joint}
    chosen |= {"max_length": opened.model.language.max_positions}
    data, chat = instructed_scenes(seed, init), opened.asker.chat
    batches = partial(joint_batch, data, chat, numbers.template, **chosen)
    fit(opened.model, stage, batches, seed)
    return opened


def held_out(opened: Opened, seed: int, count: int = 900, clips: int = 150) -> OwlScenes:
    """Returns held-out scenes of unseen digit scans that no bar and no notebook uses."""
    return OwlScenes(count, HELD_OUT + seed, "test", opened.encoder, clips)


@torch.no_grad()
def seen(opened: Opened, seed: int, count: int = 300) -> dict[str, float]:
    """Measures captions behind an image alone, as stage 1 learns them, on held-out scenes.

    Returns:
        things_right, exact, and of `attribute_shares` colour, size, shape, digit and place.
    """
    data = held_out(opened, seed, count, 0)
    answerer = ChatAnswerer(opened.model, opened.tokenizer, data, opened.asker)
    said = answerer.captions(list(range(len(data))), opened.asker.caption_ids())
    whole = caption_scores(said, data.scenes)
    scores = {key: whole[key] for key in ("things_right", "exact")}
    return _rounded(scores | attribute_shares(said, data.scenes))


@torch.no_grad()
def measured(opened: Opened, seed: int, per_type: int = 60, count: int = 150) -> dict[str, float]:
    """Measures what is asked about one picture, in text alone, about several pictures and clips.

    Args:
        opened: on visual tokens; tuned by stage 2 or not.
        seed: of the held-out scenes and questions.
        per_type: questions of each type.
        count: scenes that are captioned and described, and clips.

    Returns:
        images, blind (the same without the picture), over_blind (their difference), text, both
        (mean of images and text); captions (things right behind an image alone), detail (things
        right); conversation, reasoning, held_out (by facts that text alone teaches), and
        `images.TYPE`; `text.KIND`; `which.N`, `inside.N` and `which_in_words.N` of N pictures;
        moved and moved_in_words.
    """
    data = held_out(opened, seed)
    answerer = ChatAnswerer(opened.model, opened.tokenizer, data, opened.asker)
    joint = JointAsker(opened.model, opened.asker.chat, opened.asker.template, data)
    told = evaluate_instructions(answerer, per_type, count, seed)
    images, text = image_scores(told), text_scores(joint, per_type, seed)
    several, clips = several_scores(joint, per_type, seed), clip_scores(joint, count, seed)
    scores = {"images": images["all"], "blind": images["blind"]}
    scores |= {"over_blind": images["all"] - images["blind"], "text": text["all"]}
    scores |= {"both": (images["all"] + text["all"]) / 2}
    scores |= {"captions": seen(opened, seed, count)["things_right"]}
    scores |= {"detail": told["detail"]["things_right"]}
    for kind in ("conversation", "reasoning", "held_out"):
        scores[kind] = told[kind]["all"]
    for kind in ("conversation", "reasoning"):
        scores |= {f"images.{type}": share for type, share in told[kind]["by_type"].items()}
    scores |= {f"text.{kind}": share for kind, share in text["by_kind"].items()}
    for name, kind in (("which", "which"), ("inside", "inside"), ("which_in_words", "in_words")):
        scores |= {f"{name}.{number}": share for number, share in several[kind].items()}
    return _rounded(scores | {"moved": clips["moved"], "moved_in_words": clips["in_words"]})


def _rounded(scores: dict[str, float | None]) -> dict[str, float]:
    return {key: round(float(value), 4) for key, value in scores.items() if value is not None}
