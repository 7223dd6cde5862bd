"""What the experiments with LLaVA share: a short stage 2 on the zoo's chatting LLaMA, measured."""

from __future__ import annotations

from functools import partial

import torch

from course_lib.commands.llava import build_toy, inherit_projector, settings_of
from course_lib.commands.runs import Opened
from course_lib.data.toy import ToyScenes
from course_lib.data.toy_instructions import PAPER, Instructions, instruction_batch
from course_lib.evaluation.instructions import ChatAnswerer, evaluate_instructions
from course_lib.experiments.stage2_runs import HELD_OUT, SCENES, fit
from course_lib.zoo.load import zoo_vision

STAGE1 = "llava-stage1"
VERSION = "v1.5"


def scenes_of(seed: int, count: int = SCENES, split: str = "train") -> ToyScenes:
    """Returns scenes and their patches, encoded once."""
    return ToyScenes(count, seed, split, zoo_vision("clip", drop_cls=True))


def tuned(
    seed: int, steps: int, init: str | None = STAGE1, instructions: Instructions = PAPER
) -> Opened:
    """Trains a stage 2 from a stage 1 that is given, or from a random projector.

    Args:
        seed: of projector, order and scenes.
        steps: of stage 2.
        init: run or zoo name of stage 1; None starts from a random projector.
        instructions: what is read.
    """
    opened = build_toy({"llava_version": VERSION, "seed": seed}, with_encoder=False)
    if init:
        inherit_projector(opened.model, init, VERSION)
    stage = settings_of("2", steps=steps)
    chosen = {"batch_size": stage.batch_size, "seed": seed, "instructions": instructions}
    batches = partial(instruction_batch, scenes_of(seed), opened.asker.chat, **chosen)
    fit(opened.model, stage, batches, seed)
    return opened


@torch.no_grad()
def measured(opened: Opened, seed: int, per_type: int = 60, details: int = 120) -> dict:
    """Measures the three types of instruction on held-out scenes of unseen digit scans.

    Returns:
        conversation, reasoning, held_out, detail (things right), blind.conversation,
        blind.reasoning, and for each type of question its score and the words of an answer.
    """
    data = scenes_of(HELD_OUT + seed, 900, "test")
    answerer = ChatAnswerer(opened.model, opened.tokenizer, data, opened.asker)
    found = evaluate_instructions(answerer, per_type, details, seed)
    scores = {kind: found[kind]["all"] for kind in ("conversation", "reasoning", "held_out")}
    scores["detail"] = found["detail"]["things_right"]
    for kind in ("conversation", "reasoning"):
        scores[f"blind.{kind}"] = found["blind"][kind]["all"]
        scores |= {f"{kind}.{type}": s for type, s in found[kind]["by_type"].items()}
    scores |= {f"words.{type}": count for type, count in found["words"].items()}
    return {key: round(float(value), 4) for key, value in scores.items() if value is not None}
