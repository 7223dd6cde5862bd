"""What several experiments share: one short stage 2 on the zoo's OPT, measured as it goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from course_lib.data.prompts import image_token_id
from course_lib.data.toy import ToyScenes, stage2_batch
from course_lib.evaluation.toy import Answerer, evaluate_toy
from course_lib.recipes import blip2
from course_lib.training.loop import train
from course_lib.training.stages import Stage
from course_lib.vlm import VLM
from course_lib.vpg import QFormer
from course_lib.zoo.load import zoo_language, zoo_vision

SCENES, BATCH_SIZE = 8_000, 64
HELD_OUT = 20_000  # seeds of held-out scenes that no gate, bar or notebook uses


def training_scenes(seed: int) -> ToyScenes:
    """Returns the scenes of a seed, encoded once."""
    return ToyScenes(SCENES, seed, "train", zoo_vision("clip"))


def build(stage1: QFormer | None, seed: int, num_queries: int | None = None) -> tuple[VLM, object]:
    """Returns a stage-2 model on the zoo's OPT with its tokenizer."""
    numbers = blip2.scale("toy")
    if num_queries is not None:
        config = replace(numbers.qformer, num_query_tokens=num_queries)
        numbers = replace(numbers, qformer=config)
    language, tokenizer = zoo_language("opt")
    token = image_token_id(tokenizer)
    return blip2.build_stage2(numbers, None, language, token, stage1, seed), tokenizer


def train_stage2(
    model: VLM,
    tokenizer: object,
    data: ToyScenes,
    steps: int,
    seed: int,
    batches: Callable[[int], dict] | None = None,
) -> list[dict]:
    """Trains Q-Former and projector on captions; `batches` replaces those of the recipe."""
    stage = blip2.scale("toy").stage2["opt"]
    stage = replace(stage, steps=steps, warmup_steps=min(25, steps))
    queries = model.vpg.head.config.num_query_tokens
    settings = {"batch_size": BATCH_SIZE, "seed": seed}
    batches = batches or partial(stage2_batch, data, tokenizer, queries, False, **settings)
    return fit(model, stage, batches, seed)


def fit(
    model: nn.Module, stage: Stage, batches: Callable[[int], dict], seed: int, **how: Any
) -> list[dict]:
    """Trains one stage on the processor, keeps no run, leaves the model in eval mode.

    Args:
        model: changed in place.
        stage: what trains and how.
        batches: the batch of a step.
        seed: of the loop.
        how: other arguments of `train`.
    """
    how = {"log_every": 10, "progress": False, **how}
    log = train(model, stage, batches, seed=seed, accelerator=Accelerator(cpu=True), **how)
    model.eval()
    return log


@torch.no_grad()
def measure(model: VLM, tokenizer: object, seed: int, num_captions: int = 200) -> dict:
    """Measures captions and questions on held-out scenes of unseen digit scans.

    Returns:
        things_right, exact, vqa, blind, and for each type of question `vqa.TYPE`, `blind.TYPE`.
    """
    data = ToyScenes(600, HELD_OUT + seed, "test", zoo_vision("clip"))
    found = evaluate_toy(Answerer(model, tokenizer, data), 40, num_captions, seed)
    vqa = found["vqa"]
    scores = {key: found["captions"][key] for key in ("things_right", "exact")}
    scores |= {"vqa": vqa["all"], "blind": vqa["blind"]["all"]}
    scores |= {f"vqa.{kind}": value for kind, value in vqa["by_type"].items()}
    scores |= {f"blind.{kind}": value for kind, value in vqa["blind"]["by_type"].items()}
    return {key: round(float(value), 4) for key, value in scores.items()}


def last_loss(log: list[dict], rows: int = 10) -> float:
    """Returns the mean loss of the last rows: batches of one, two and three things take turns."""
    return round(sum(row["loss"] for row in log[-rows:]) / len(log[-rows:]), 4)
