"""BLIP-2 on the toy world from end to end: train a stage, open a run, evaluate it, ask it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.backbones.vision import VisionEncoder
from course_lib.commands.runs import Opened, toy_config
from course_lib.data.prompts import image_token_id, pad_rows
from course_lib.data.toy import CACHE, ToyScenes, stage1_batch, stage2_batch
from course_lib.errors import unknown_name_error
from course_lib.evaluation.asking import blip2_asker, check_has_language
from course_lib.evaluation.retrieval import r_at_1
from course_lib.evaluation.toy import Answerer, evaluate_toy
from course_lib.recipes import blip2
from course_lib.recipes.blip2_stage1 import QFormerPretraining
from course_lib.training.checkpoint import load_run
from course_lib.training.loop import train
from course_lib.training.stages import Stage
from course_lib.vlm import VLM
from course_lib.world.language import canonical_caption
from course_lib.zoo.load import zoo_language, zoo_vision

TEXT_LENGTH = 64
STAGES = ("1", "2")
OPTIONS = ("stage", "language", "init")


def open_run(run: str | Path) -> Opened:
    """Rebuilds the model of a BLIP-2 run at `toy` and loads its trained weights.

    Raises:
        ValueError: for a run of another recipe or scale, or damaged files.
    """
    path, config = toy_config(run, blip2.NAME)
    encoder = zoo_vision(blip2.scale("toy").vision)
    model, tokenizer = _build(config, encoder)
    load_run(path, model, blip2.NAME)
    asker = blip2_asker(model, tokenizer) if isinstance(model, VLM) else None
    return Opened(model.eval(), encoder, tokenizer, config, asker)


def _build(
    config: dict, encoder: VisionEncoder | None, stage1: QFormerPretraining | None = None
) -> tuple[torch.nn.Module, PreTrainedTokenizerBase]:
    numbers, seed = blip2.scale("toy"), config.get("seed", 0)
    if config["stage_number"] == "1":
        tokenizer = build_tokenizer("bert", TEXT_LENGTH)
        return blip2.build_stage1(
            numbers, encoder, tokenizer, tuple(config["losses"]), seed
        ), tokenizer
    language, tokenizer = zoo_language(numbers.languages[config["language"]])
    head = None if stage1 is None else stage1.qformer
    token = image_token_id(tokenizer)
    return blip2.build_stage2(numbers, encoder, language, token, head, seed), tokenizer


def settings_of(stage: str, language: str | None = None, steps: int | None = None) -> Stage:
    """Returns the numbers of a stage at `toy`, with another number of steps where one is given."""
    numbers = blip2.scale("toy")
    found = numbers.stage1 if stage == "1" else numbers.stage2[language or "opt"]
    return found if steps is None else found.shortened(steps)


def train_stage(
    stage: str,
    out: Path,
    *,
    language: str = "opt",
    init: str | None = None,
    losses: tuple[str, ...] = ("itc", "itm", "itg"),
    steps: int | None = None,
    scenes: int | None = None,
    seed: int = 0,
    resume: bool = False,
    progress: bool = True,
) -> list[dict]:
    """Trains one stage of BLIP-2 on toy scenes whose features are computed once.

    Args:
        stage: "1" or "2".
        out: run directory.
        language: "opt" or "t5" (stage 2).
        init: run or zoo name of stage 1 (stage 2); None starts from a random Q-Former.
        losses: which losses of stage 1.
        steps: another number of steps than the recipe's.
        scenes: another number of training scenes than the recipe's.
        seed: of initialisation and order.
        resume: goes on with the run in `out`.
        progress: shows a bar in terminals.

    Returns:
        The rows of metrics.

    Raises:
        ValueError: for an unknown stage, language or run, or a run that does not fit.
    """
    if stage not in STAGES:
        raise unknown_name_error("stage", stage, STAGES)
    numbers = blip2.scale("toy")
    if language not in numbers.languages:
        raise unknown_name_error("language model", language, numbers.languages)
    settings = settings_of(stage, language, steps)
    config = {"recipe": blip2.NAME, "scale": "toy", "stage_number": stage, "seed": seed}
    count = numbers.num_scenes["stage1" if stage == "1" else language] if scenes is None else scenes
    config["scenes"] = count
    config |= {"losses": list(losses)} if stage == "1" else {"language": language, "init": init}
    inherited = open_run(init).model if stage == "2" and init else None
    model, tokenizer = _build(config, None, inherited)
    data = ToyScenes(count, seed, "train", zoo_vision(numbers.vision), CACHE)
    batches = _batches(model, tokenizer, data, settings.batch_size, seed)
    kept = {"config": config, "resume": resume, "progress": progress, "log_every": 10}
    return train(model, settings, batches, out, seed=seed, **kept)


def train_runs(
    out: Path | None,
    *,
    stage: str = "",
    language: str = "opt",
    init: str = "",
    **options: int | bool | None,
) -> list[tuple[Path, list[dict]]]:
    """Trains what `course train blip2` is asked for: one stage, the first where none is named.

    Args:
        out: run directory; None gives it a name in `runs`.
        stage: "1" or "2".
        language: of stage 2.
        init: stage 1 of stage 2; "" takes the one in `runs` or else the zoo's, "none" none.
        options: of `train_stage`.

    Returns:
        (run directory, rows of metrics), one a stage.
    """
    stage = stage or "1"
    first = Path("runs") / "blip2-toy-stage1"
    target = out or (first if stage == "1" else Path("runs") / f"blip2-toy-stage2-{language}")
    start = init or (str(first) if first.exists() else "blip2-stage1")
    inherits = stage == "2" and start != "none"
    settings = {"language": language, "init": start if inherits else None}
    return [(target, train_stage(stage, target, **settings, **options))]


def _batches(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    data: ToyScenes,
    batch_size: int,
    seed: int,
) -> Callable[[int], dict]:
    """Returns step → batch for the stage that the model is of."""
    settings = {"batch_size": batch_size, "seed": seed}
    if not isinstance(model, VLM):
        return partial(stage1_batch, data, tokenizer, **settings)
    queries = model.vpg.head.config.num_query_tokens
    encoder_decoder = model.language.is_encoder_decoder
    return partial(stage2_batch, data, tokenizer, queries, encoder_decoder, **settings)


def answerer(opened: Opened, data: ToyScenes) -> Answerer:
    """Returns what asks an opened stage-2 run about scenes.

    Raises:
        ValueError: for a run of stage 1, which has no language model.
    """
    check_has_language(opened)
    return Answerer(opened.model, opened.tokenizer, data)


@torch.no_grad()
def retrieval(opened: Opened, seed: int, split: str, count: int = 64) -> dict[str, float]:
    """Measures ITC retrieval among `count` held-out scenes with pairwise different captions."""
    data = ToyScenes(4 * count, seed, split, opened.encoder)
    rows, seen = [], set()
    for row, scene in enumerate(data.scenes):
        text = canonical_caption(scene)
        if text not in seen and len(rows) < count:
            rows.append(row)
            seen.add(text)
    ids = opened.tokenizer([canonical_caption(data.scenes[row]) for row in rows]).input_ids
    batch = {
        **data.image_inputs(rows),
        "input_ids": pad_rows(ids, opened.tokenizer.pad_token_id),
        "attention_mask": pad_rows([[1] * len(row) for row in ids], 0),
    }
    similarity = opened.model.similarity(batch)
    features = batch.pop("image_features")
    matching = torch.stack(
        [
            opened.model.itm_logits({**batch, "image_features": one.expand(len(rows), -1, -1)})[
                :, 1
            ]
            for one in features
        ]
    )
    scores = r_at_1(similarity)
    return scores | {"r_at_1_itm": r_at_1(similarity, matching + similarity)["r_at_1"]}


def evaluate(run: str, *, seed: int = 0, n: int = 200, split: str = "test") -> dict:
    """Evaluates a run on held-out scenes.

    Args:
        run: run directory or zoo name, of stage 1 (retrieval) or stage 2 (captions, questions, and
            the retrieval of the stage 1 that it was started from).
        seed: of the held-out scenes.
        n: scenes that are captioned, and questions of each type ÷ 2.
        split: "test" or "combos".

    Returns:
        {recipe, scale, stage, split, seed, n, captions, vqa, retrieval}; a part that the run cannot
        have is None.
    """
    opened = open_run(run)
    config = opened.config
    found = {key: config.get(key) for key in ("recipe", "scale")} | {
        "stage": config["stage_number"]
    }
    found |= {
        "split": split,
        "seed": seed,
        "n": n,
        "captions": None,
        "vqa": None,
        "retrieval": None,
    }
    # Offset: a person's seed 0 must not be the scenes that any training or gate has used.
    held_out = 10_000 + seed
    if isinstance(opened.model, VLM):
        data = ToyScenes(10 * n, held_out, split, opened.encoder)
        found |= evaluate_toy(answerer(opened, data), max(2, n // 2), n, seed)
        first = open_run(config["init"]) if config.get("init") else None
    else:
        first = opened
    if first is not None:
        found["retrieval"] = retrieval(first, held_out, split, min(64, n))
    return found
